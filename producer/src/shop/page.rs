//! The shop's pages. Everything that a visitor wrote is escaped by the templates.

use actix_web::HttpRequest;
use actix_web::http::header;
use askama::Template;
use url::form_urlencoded;

use super::click::Click;
use super::goods::Good;
use super::session::Visit;
use crate::http::state::text_of;

/// How much of an address the server puts into a pixel, in bytes.
const MAX_ADDRESS: usize = 1_000;

/// What stands around every page.
pub(super) struct Frame {
    pub(super) visitor: String,
    pub(super) session: String,
    pub(super) user: String,
    pub(super) name: String,
    pub(super) clicks: Vec<Shown>,
    /// What has just been bought: order, quantity, name.
    pub(super) orders: Vec<(String, u32, String)>,
}

/// A click in its two forms.
pub(super) struct Shown {
    pub(super) json: String,
    pub(super) pixel: String,
}

impl Frame {
    /// The frame of a page with its own clicks, after those that waited for it.
    pub(super) fn new(request: &HttpRequest, visit: &Visit, clicks: Vec<Click>) -> Self {
        let account = visit.session.account.as_ref();
        let user = account.map_or("", |account| &account.id);
        let url = {
            let connection = request.connection_info();
            format!(
                "{}://{}{}",
                connection.scheme(),
                connection.host(),
                request.uri()
            )
        };
        let referrer = text_of(request, header::REFERER).unwrap_or_default();
        let utm: Vec<_> = form_urlencoded::parse(request.query_string().as_bytes())
            .filter(|(name, _)| name.starts_with("utm_"))
            .collect();
        let mut page = vec![
            ("visitor_id", visit.visitor.as_str()),
            ("session_id", visit.session.id.as_str()),
            ("url", &url[..url.floor_char_boundary(MAX_ADDRESS)]),
            (
                "referrer",
                &referrer[..referrer.floor_char_boundary(MAX_ADDRESS)],
            ),
        ];
        page.extend(utm.iter().map(|(name, value)| (&**name, &**value)));
        let clicks: Vec<_> = visit.waited.iter().cloned().chain(clicks).collect();
        let orders = clicks.iter().filter_map(|click| {
            click
                .order()
                .map(|(order, quantity, name)| (order.into(), quantity, name.into()))
        });
        Self {
            visitor: visit.visitor.clone(),
            session: visit.session.id.clone(),
            user: user.to_owned(),
            name: account.map_or(String::new(), |account| account.name.clone()),
            orders: orders.collect(),
            clicks: clicks
                .into_iter()
                .map(|click| click.by(account))
                .map(|click| Shown {
                    json: click.json(),
                    pixel: click.pixel(&page),
                })
                .collect(),
        }
    }
}

/// All goods.
#[derive(Template)]
#[template(path = "list.html")]
pub(super) struct List {
    pub(super) frame: Frame,
    pub(super) goods: &'static [Good],
}

/// One good.
#[derive(Template)]
#[template(path = "details.html")]
pub(super) struct Details {
    pub(super) frame: Frame,
    pub(super) good: &'static Good,
}

/// After a purchase.
#[derive(Template)]
#[template(path = "thanks.html")]
pub(super) struct Thanks {
    pub(super) frame: Frame,
}

/// Where nothing is.
#[derive(Template)]
#[template(path = "missing.html")]
pub(super) struct Missing {
    pub(super) frame: Frame,
}

/// Which of the two forms of a name and a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Enter {
    SignUp,
    LogIn,
}

/// The form of a name and a password.
#[derive(Template)]
#[template(path = "entry.html")]
pub(super) struct Entry {
    pub(super) frame: Frame,
    pub(super) form: Enter,
    /// What was wrong with the last try; empty on the first.
    pub(super) sentence: &'static str,
}
