//! What the shop remembers: accounts and sessions.

use actix_web::HttpRequest;
use actix_web::http::header;
use parking_lot::Mutex;

use super::account::{Accounts, Customer};
use super::click::ShopClick;
use super::session::{Sessions, ShopSession, ShopVisitor};
use crate::http::answer::header_text;
use crate::http::state::EdgeState;

/// What the shop remembers, in memory and bounded.
#[derive(Default)]
pub(crate) struct Shop {
    pub(super) accounts: Accounts,
    sessions: Mutex<Sessions>,
}

impl Shop {
    /// Returns the visitor of a request. A GET also takes the clicks that its page has to
    /// show.
    pub(super) fn visitor(&self, state: &EdgeState, request: &HttpRequest) -> ShopVisitor {
        let cookies = header_text(request, header::COOKIE).unwrap_or_default();
        let is_page = request.method().as_str() == "GET";
        let clock = state.edge.clock();
        self.sessions.lock().visitor(cookies, &**clock, is_page)
    }

    /// Changes the visitor's session, unless it has been dropped meanwhile.
    pub(super) fn change(&self, visitor: &ShopVisitor, change: impl FnOnce(&mut ShopSession)) {
        self.sessions.lock().change(&visitor.token, change);
    }

    /// Logs the visitor in. `action` is the click that the next page shows.
    pub(super) fn log_in(
        &self,
        state: &EdgeState,
        visitor: &ShopVisitor,
        customer: Customer,
        action: &'static str,
    ) {
        let click = ShopClick::new(action, state.edge.clock()).by(Some(&customer));
        self.change(visitor, |session| {
            session.customer = Some(customer);
            session.show_next(click);
        });
    }
}
