//! The shop's pages. The templates escape everything that a visitor wrote.

use actix_web::HttpRequest;
use actix_web::http::header;
use askama::Template;
use url::form_urlencoded;

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
    pub(super) clicks: Vec<PageClick>,
    /// The orders of this page's clicks: order, quantity, name.
    pub(super) orders: Vec<(String, u32, String)>,
}

/// A click in its two forms.
pub(super) struct PageClick {
    pub(super) json: String,
    pub(super) pixel: String,
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
                connection.scheme(),
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
        let clicks: Vec<_> = visitor.pending.iter().cloned().chain(clicks).collect();
        let orders = clicks.iter().filter_map(|click| {
            click
                .order()
                .map(|(order, quantity, name)| (order.into(), quantity, name.into()))
        });
        Self {
            visitor: visitor.id.clone(),
            session: visitor.session.id.clone(),
            user: user.to_owned(),
            name: customer.map_or(String::new(), |customer| customer.name.clone()),
            orders: orders.collect(),
            clicks: clicks
                .into_iter()
                .map(|click| click.by(customer))
                .map(|click| PageClick {
                    json: click.json(),
                    pixel: click.pixel(&page),
                })
                .collect(),
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
