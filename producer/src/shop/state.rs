//! What the shop remembers: accounts and sessions.

use actix_web::HttpRequest;
use actix_web::http::header;
use parking_lot::Mutex;

use super::account::{Accounts, Customer};
use super::click::ShopClick;
use super::guesses::Guesses;
use super::session::{Sessions, ShopSession, ShopVisitor};
use crate::http::answer::header_text;
use crate::http::state::EdgeState;

/// What the shop remembers, in memory and bounded.
#[derive(Default)]
pub(crate) struct Shop {
    pub(super) accounts: Accounts,
    pub(super) guesses: Guesses,
    sessions: Mutex<Sessions>,
}

impl Shop {
    /// Returns the visitor of a request. A GET also takes the clicks that its page has to
    /// show.
    pub(super) fn visitor(&self, state: &EdgeState, request: &HttpRequest) -> ShopVisitor {
        let cookies = header_text(request, header::COOKIE).unwrap_or_default();
        let is_page = request.method().as_str() == "GET";
        let clock = state.edge.clock();
        ShopVisitor {
            is_secure: state.config.has_tls() || request.connection_info().scheme() == "https",
            ..self.sessions.lock().visitor(cookies, &**clock, is_page)
        }
    }

    /// Changes the visitor's session; `None` if it has been dropped meanwhile.
    pub(super) fn change<T>(
        &self,
        visitor: &ShopVisitor,
        change: impl FnOnce(&mut ShopSession) -> T,
    ) -> Option<T> {
        self.sessions.lock().change(&visitor.token, change)
    }

    /// Logs the visitor in. `action` is the click that the next page shows.
    pub(super) fn log_in(
        &self,
        state: &EdgeState,
        visitor: &mut ShopVisitor,
        customer: Customer,
        action: &'static str,
    ) {
        let clock = state.edge.clock();
        let click = ShopClick::new(action, clock).by(Some(&customer));
        let mut sessions = self.sessions.lock();
        visitor.token = sessions.log_in(&visitor.token, customer, &**clock);
        sessions.change(&visitor.token, |session| session.show_next(click));
    }

    /// Logs the visitor out. Only a customer who is logged in can log out; a second press is not
    /// a click.
    pub(super) fn log_out(&self, state: &EdgeState, visitor: &mut ShopVisitor) {
        let clock = state.edge.clock();
        let mut sessions = self.sessions.lock();
        let (token, customer) = sessions.log_out(&visitor.token, &**clock);
        visitor.token = token;
        if customer.is_some() {
            let click = ShopClick::new("log_out", clock).by(customer.as_ref());
            sessions.change(&visitor.token, |session| session.show_next(click));
        }
    }
}
