//! Who walks through the shop: two cookies, and the clicks that wait for a page.

use std::collections::{HashMap, VecDeque};

use topic::clock::Clock;
use uuid::Uuid;

use super::account::Account;
use super::click::Click;
use crate::accept::identity;

/// How many sessions are kept; the oldest goes first.
const MAX_SESSIONS: usize = 10_000;
/// How many clicks wait in a session for a page to show them.
const MAX_WAITING: usize = 8;
const SESSION: &str = "shop_session";
const VISITOR: &str = "clickweir_visitor";

/// What is kept between two requests of one browser.
#[derive(Debug, Clone, Default)]
pub(super) struct Session {
    /// What clicks bear as `session_id`; not the cookie, which is a secret.
    pub(super) id: String,
    pub(super) account: Option<Account>,
    waiting: Vec<Click>,
}

impl Session {
    /// The click of a form: the page that follows shows it.
    pub(super) fn wait(&mut self, click: Click) {
        if self.waiting.len() < MAX_WAITING {
            self.waiting.push(click);
        }
    }
}

/// One request's place in a session.
pub(super) struct Visit {
    pub(super) token: String,
    pub(super) visitor: String,
    pub(super) session: Session,
    /// The clicks that waited for this page.
    pub(super) waited: Vec<Click>,
}

impl Visit {
    /// The cookies to set; the script reads the visitor's and cannot see the session's.
    pub(super) fn cookies(&self) -> [String; 2] {
        [
            format!("{SESSION}={}; Path=/; HttpOnly; SameSite=Lax", self.token),
            format!(
                "{VISITOR}={}; Path=/; Max-Age=31536000; SameSite=Lax",
                self.visitor
            ),
        ]
    }
}

/// All sessions, by their secret.
#[derive(Default)]
pub(super) struct Sessions {
    kept: HashMap<String, Session>,
    order: VecDeque<String>,
}

impl Sessions {
    /// The visit of a request with these cookies; a new session where they name none.
    /// A page takes the clicks that wait, a form leaves them.
    pub(super) fn visit(&mut self, cookies: &str, clock: &dyn Clock, page: bool) -> Visit {
        let known = cookie(cookies, SESSION).filter(|token| self.kept.contains_key(*token));
        let token = known.map_or_else(|| self.begin(clock), str::to_owned);
        let session = self
            .kept
            .get_mut(&token)
            .expect("it was found or has just begun");
        let waited = if page {
            std::mem::take(&mut session.waiting)
        } else {
            Vec::new()
        };
        let visitor = cookie(cookies, VISITOR).filter(|text| Uuid::parse_str(text).is_ok());
        let visitor = visitor.map_or_else(|| identity::made(clock).to_string(), str::to_owned);
        Visit {
            token,
            visitor,
            session: session.clone(),
            waited,
        }
    }

    /// Changes a session, unless it has gone meanwhile.
    pub(super) fn change(&mut self, token: &str, change: impl FnOnce(&mut Session)) {
        self.kept.get_mut(token).map(change);
    }

    fn begin(&mut self, clock: &dyn Clock) -> String {
        if self.order.len() >= MAX_SESSIONS
            && let Some(oldest) = self.order.pop_front()
        {
            self.kept.remove(&oldest);
        }
        let token = format!("{:032x}", rand::random::<u128>());
        let session = Session {
            id: identity::made(clock).to_string(),
            ..Session::default()
        };
        self.kept.insert(token.clone(), session);
        self.order.push_back(token.clone());
        token
    }
}

fn cookie<'c>(cookies: &'c str, name: &str) -> Option<&'c str> {
    let mut pairs = cookies
        .split(';')
        .filter_map(|pair| pair.trim().split_once('='));
    pairs
        .find(|(found, _)| *found == name)
        .map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use topic::clock::SystemClock;

    use super::*;

    #[test]
    fn a_forms_click_stands_on_one_page_only() {
        let mut sessions = Sessions::default();
        let first = sessions.visit("", &SystemClock, true);
        let clock = topic::clock::system();
        sessions.change(&first.token, |session| {
            session.wait(Click::new("buy", &clock));
        });
        let cookies = format!(
            "a=b; {SESSION}={}; {VISITOR}={}",
            first.token, first.visitor
        );
        assert!(
            sessions
                .visit(&cookies, &SystemClock, false)
                .waited
                .is_empty()
        );
        let page = sessions.visit(&cookies, &SystemClock, true);
        assert_eq!((page.waited.len(), &page.visitor), (1, &first.visitor));
        assert!(
            sessions
                .visit(&cookies, &SystemClock, true)
                .waited
                .is_empty()
        );
    }

    #[test]
    fn sessions_are_bounded_and_strangers_tokens_begin_anew() {
        let mut sessions = Sessions::default();
        let first = sessions.visit(
            "shop_session=guessed; clickweir_visitor=<b>",
            &SystemClock,
            true,
        );
        assert_ne!(first.token, "guessed");
        assert!(Uuid::parse_str(&first.visitor).is_ok());
        for _ in 0..MAX_SESSIONS {
            sessions.visit("", &SystemClock, true);
        }
        assert_eq!(
            (sessions.kept.len(), sessions.order.len()),
            (MAX_SESSIONS, MAX_SESSIONS)
        );
        assert!(!sessions.kept.contains_key(&first.token));
    }
}
