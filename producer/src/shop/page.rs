//! The shop's pages. The templates escape everything that a visitor wrote.

use actix_web::HttpRequest;
use actix_web::http::header;
use askama::Template;
use url::form_urlencoded;

use super::basket::Basket;
use super::click::ShopClick;
use super::goods::Good;
use super::session::ShopVisitor;
use crate::http::answer::header_text;

/// How much of an address the server puts into a pixel.
const MAX_ADDRESS_BYTES: usize = 1_000;

/// What every page has around its content.
pub(super) struct Frame {
    pub(super) visitor: String,
    pub(super) session: String,
    pub(super) user: String,
    pub(super) name: String,
    /// How many things are in the basket.
    pub(super) basket: u32,
    /// The page's clicks as data for its script.
    pub(super) clicks: Vec<String>,
    /// The same clicks for a browser without scripts.
    pub(super) pixels: Vec<String>,
    /// The orders of this page's clicks.
    pub(super) orders: Vec<PlacedOrder>,
}

/// An order as the page after it shows it.
pub(super) struct PlacedOrder {
    pub(super) id: String,
    /// Quantity and name.
    pub(super) lines: Vec<(u32, &'static str)>,
}

impl Frame {
    /// Makes the frame of a page with the visitor's pending clicks and then its own.
    pub(super) fn new(
        request: &HttpRequest,
        visitor: &ShopVisitor,
        clicks: Vec<ShopClick>,
    ) -> Self {
        let customer = visitor.session.customer.as_ref();
        let user = customer.map_or("", |customer| &customer.id);
        let url = {
            let connection = request.connection_info();
            format!(
                "{}://{}{}",
                if visitor.is_secure { "https" } else { "http" },
                connection.host(),
                request.uri()
            )
        };
        let referrer = header_text(request, header::REFERER).unwrap_or_default();
        let utm: Vec<_> = form_urlencoded::parse(request.query_string().as_bytes())
            .filter(|(name, _)| name.starts_with("utm_"))
            .collect();
        let mut page = vec![
            ("visitor_id", visitor.id.as_str()),
            ("session_id", visitor.session.id.as_str()),
            ("url", &url[..url.floor_char_boundary(MAX_ADDRESS_BYTES)]),
            (
                "referrer",
                &referrer[..referrer.floor_char_boundary(MAX_ADDRESS_BYTES)],
            ),
        ];
        page.extend(utm.iter().map(|(name, value)| (&**name, &**value)));
        let clicks = visitor.pending.iter().cloned().chain(clicks);
        let clicks: Vec<_> = clicks.map(|click| click.by(customer)).collect();
        let orders = clicks.iter().filter_map(|click| {
            let (id, lines) = click.order()?;
            let id = id.to_owned();
            Some(PlacedOrder { id, lines })
        });
        Self {
            visitor: visitor.id.clone(),
            session: visitor.session.id.clone(),
            user: user.to_owned(),
            name: customer.map_or(String::new(), |customer| customer.name.clone()),
            basket: visitor.session.basket.count(),
            orders: orders.collect(),
            pixels: clicks
                .iter()
                .flat_map(|click| click.pixels(&page))
                .collect(),
            clicks: clicks.iter().map(ShopClick::json).collect(),
        }
    }
}

/// The page of all goods.
#[derive(Template)]
#[template(path = "list.html")]
pub(super) struct ListPage {
    pub(super) frame: Frame,
    pub(super) goods: &'static [Good],
}

/// The page of one good.
#[derive(Template)]
#[template(path = "product.html")]
pub(super) struct ProductPage {
    pub(super) frame: Frame,
    pub(super) good: &'static Good,
}

/// The page of the basket.
#[derive(Template)]
#[template(path = "basket.html")]
pub(super) struct BasketPage {
    pub(super) frame: Frame,
    pub(super) basket: Basket,
}

/// The page before a purchase.
#[derive(Template)]
#[template(path = "checkout.html")]
pub(super) struct CheckoutPage {
    pub(super) frame: Frame,
    pub(super) basket: Basket,
}

/// The page after a purchase.
#[derive(Template)]
#[template(path = "thanks.html")]
pub(super) struct ThanksPage {
    pub(super) frame: Frame,
}

/// The page for a good or a quantity that the shop does not have.
#[derive(Template)]
#[template(path = "missing.html")]
pub(super) struct MissingPage {
    pub(super) frame: Frame,
}

/// Which of the two forms that take a name and a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AccountForm {
    SignUp,
    LogIn,
}

/// The page with a form for a name and a password.
#[derive(Template)]
#[template(path = "account.html")]
pub(super) struct AccountPage {
    pub(super) frame: Frame,
    pub(super) form: AccountForm,
    /// What was wrong with the last attempt; empty on the first.
    pub(super) complaint: &'static str,
}
