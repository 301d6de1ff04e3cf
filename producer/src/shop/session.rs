//! The shop's sessions: two cookies, and the clicks that the next page has to show.

use std::collections::{HashMap, VecDeque};

use cookie::{Cookie, SameSite};
use topic::clock::Clock;
use uuid::Uuid;

use super::account::Customer;
use super::basket::Basket;
use super::click::ShopClick;
use crate::accept::identity;

/// The most sessions of guests in memory; the oldest is dropped first. Those who are logged in are
/// not among them, so that no crowd of strangers logs them out.
const MAX_SESSIONS: usize = 10_000;
/// The most sessions of one customer; the oldest is dropped first.
const MAX_CUSTOMER_SESSIONS: usize = 4;
/// The most clicks in a session that no page has shown yet.
const MAX_PENDING_CLICKS: usize = 8;
/// How long a browser keeps the visitor's id.
const VISITOR_MAX_AGE: cookie::time::Duration = cookie::time::Duration::days(365);
const SESSION_COOKIE: &str = "shop_session";
const VISITOR_COOKIE: &str = "clickweir_visitor";

/// What the shop keeps between two requests of one browser.
#[derive(Debug, Clone, Default)]
pub(super) struct ShopSession {
    /// The `session_id` of its clicks. It is not the cookie, which is secret.
    pub(super) id: String,
    /// Who is logged in; `None` if it is a guest.
    pub(super) customer: Option<Customer>,
    pub(super) basket: Basket,
    pending: Vec<ShopClick>,
}

impl ShopSession {
    fn begin(clock: &dyn Clock) -> Self {
        Self {
            id: identity::generate_id(clock).to_string(),
            ..Self::default()
        }
    }

    /// Keeps the click of a form for the page that follows.
    pub(super) fn show_next(&mut self, click: ShopClick) {
        if self.pending.len() < MAX_PENDING_CLICKS {
            self.pending.push(click);
        }
    }
}

/// Who makes a request.
pub(super) struct ShopVisitor {
    /// The secret by which the session is found.
    pub(super) token: String,
    /// The `visitor_id` of its clicks.
    pub(super) id: String,
    pub(super) session: ShopSession,
    /// The clicks that the page of this request has to show.
    pub(super) pending: Vec<ShopClick>,
    /// True if the request came over HTTPS, so that its cookies need not travel without.
    pub(super) is_secure: bool,
}

impl ShopVisitor {
    /// Returns the cookies to set. Scripts can read the visitor's and not the session's.
    pub(super) fn cookies(&self) -> [String; 2] {
        let session = Cookie::build((SESSION_COOKIE, &*self.token))
            .path("/")
            .http_only(true)
            .secure(self.is_secure)
            .same_site(SameSite::Lax);
        let visitor = Cookie::build((VISITOR_COOKIE, &*self.id))
            .path("/")
            .max_age(VISITOR_MAX_AGE)
            .secure(self.is_secure)
            .same_site(SameSite::Lax);
        [session.to_string(), visitor.to_string()]
    }
}

/// All sessions, by their secret.
#[derive(Default)]
pub(super) struct Sessions {
    by_token: HashMap<String, ShopSession>,
    /// The tokens of guests, the oldest first.
    guests: VecDeque<String>,
    /// The tokens of each customer by its id, the oldest first.
    customers: HashMap<String, VecDeque<String>>,
}

impl Sessions {
    /// Returns the visitor with these cookies, and begins a session if they name none. A
    /// page takes the pending clicks; a form leaves them.
    pub(super) fn visitor(&mut self, cookies: &str, clock: &dyn Clock, page: bool) -> ShopVisitor {
        let known = cookie_value(cookies, SESSION_COOKIE)
            .filter(|token| self.by_token.contains_key(*token));
        let token = known.map_or_else(|| self.begin(clock), str::to_owned);
        let session = self
            .by_token
            .get_mut(&token)
            .expect("it was found or has just begun");
        let pending = if page {
            std::mem::take(&mut session.pending)
        } else {
            Vec::new()
        };
        let id = cookie_value(cookies, VISITOR_COOKIE).filter(|text| Uuid::parse_str(text).is_ok());
        let id = id.map_or_else(|| identity::generate_id(clock).to_string(), str::to_owned);
        ShopVisitor {
            token,
            id,
            session: session.clone(),
            pending,
            is_secure: false,
        }
    }

    /// Changes a session; `None` if it has been dropped meanwhile.
    pub(super) fn change<T>(
        &mut self,
        token: &str,
        change: impl FnOnce(&mut ShopSession) -> T,
    ) -> Option<T> {
        self.by_token.get_mut(token).map(change)
    }

    /// Logs the session's visitor in. Returns the session's new token: the old one may be known
    /// to a stranger who planted it in the browser.
    pub(super) fn log_in(&mut self, token: &str, customer: Customer, clock: &dyn Clock) -> String {
        let mut session = self.take(token, clock);
        let token = new_token();
        let tokens = self.customers.entry(customer.id.clone()).or_default();
        tokens.push_back(token.clone());
        if tokens.len() > MAX_CUSTOMER_SESSIONS
            && let Some(oldest) = tokens.pop_front()
        {
            self.by_token.remove(&oldest);
        }
        session.customer = Some(customer);
        self.by_token.insert(token.clone(), session);
        token
    }

    /// Logs the session's customer out. Returns the session's new token, and who it was.
    pub(super) fn log_out(&mut self, token: &str, clock: &dyn Clock) -> (String, Option<Customer>) {
        let mut session = self.take(token, clock);
        let customer = session.customer.take();
        (self.keep_guest(session), customer)
    }

    /// Takes a session out; a new one if it has been dropped meanwhile.
    fn take(&mut self, token: &str, clock: &dyn Clock) -> ShopSession {
        let Some(session) = self.by_token.remove(token) else {
            return ShopSession::begin(clock);
        };
        match &session.customer {
            None => self.guests.retain(|guest| guest != token),
            Some(customer) => {
                if let Some(tokens) = self.customers.get_mut(&customer.id) {
                    tokens.retain(|known| known != token);
                    if tokens.is_empty() {
                        self.customers.remove(&customer.id);
                    }
                }
            }
        }
        session
    }

    fn begin(&mut self, clock: &dyn Clock) -> String {
        self.keep_guest(ShopSession::begin(clock))
    }

    fn keep_guest(&mut self, session: ShopSession) -> String {
        if self.guests.len() >= MAX_SESSIONS
            && let Some(oldest) = self.guests.pop_front()
        {
            self.by_token.remove(&oldest);
        }
        let token = new_token();
        self.by_token.insert(token.clone(), session);
        self.guests.push_back(token.clone());
        token
    }
}

fn new_token() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// Returns the value of a cookie in a `Cookie` header. Cookies of others that cannot be
/// parsed are skipped.
fn cookie_value<'c>(header: &'c str, name: &str) -> Option<&'c str> {
    Cookie::split_parse(header)
        .flatten()
        .find(|cookie| cookie.name() == name)
        .and_then(|cookie| cookie.value_raw())
}

#[cfg(test)]
mod tests {
    use topic::clock::SystemClock;

    use super::*;

    #[test]
    fn a_forms_click_is_on_one_page_only() {
        let mut sessions = Sessions::default();
        let first = sessions.visitor("", &SystemClock, true);
        let clock = topic::clock::system();
        sessions.change(&first.token, |session| {
            session.show_next(ShopClick::new("buy", &clock));
        });
        let cookies = format!(
            "a=b; broken; {SESSION_COOKIE}={}; {VISITOR_COOKIE}={}",
            first.token, first.id
        );
        let mut pending = |page| {
            let visitor = sessions.visitor(&cookies, &SystemClock, page);
            assert_eq!((&visitor.token, &visitor.id), (&first.token, &first.id));
            visitor.pending.len()
        };
        assert_eq!((pending(false), pending(true), pending(true)), (0, 1, 0));
    }

    #[test]
    fn cookies_are_for_this_site_and_the_sessions_is_hidden_from_scripts() {
        let visitor = Sessions::default().visitor("", &SystemClock, true);
        let [session, id] = visitor.cookies();
        for (cookie, name) in [(&session, SESSION_COOKIE), (&id, VISITOR_COOKIE)] {
            assert!(cookie.starts_with(&format!("{name}=")), "{cookie}");
            assert!(cookie.contains("; Path=/") && cookie.contains("; SameSite=Lax"));
        }
        assert!(!session.contains("Secure") && !id.contains("Secure"));
        let secure = ShopVisitor {
            is_secure: true,
            ..Sessions::default().visitor("", &SystemClock, true)
        };
        assert!(
            secure
                .cookies()
                .iter()
                .all(|cookie| cookie.contains("; Secure"))
        );
        assert!(session.contains("; HttpOnly") && !session.contains("Max-Age"));
        assert!(!id.contains("HttpOnly") && id.contains("; Max-Age=31536000"));
    }

    #[test]
    fn sessions_are_bounded_and_an_unknown_token_begins_a_new_one() {
        let mut sessions = Sessions::default();
        let first = sessions.visitor(
            "shop_session=guessed; clickweir_visitor=<b>",
            &SystemClock,
            true,
        );
        assert_ne!(first.token, "guessed");
        assert!(Uuid::parse_str(&first.id).is_ok());
        for _ in 0..MAX_SESSIONS {
            sessions.visitor("", &SystemClock, true);
        }
        assert_eq!(
            (sessions.by_token.len(), sessions.guests.len()),
            (MAX_SESSIONS, MAX_SESSIONS)
        );
        assert!(!sessions.by_token.contains_key(&first.token));
    }

    #[test]
    fn attack_16_a_session_gets_a_new_token_and_no_crowd_logs_a_customer_out() {
        let (mut sessions, clock) = (Sessions::default(), SystemClock);
        let customer = Customer {
            id: "u-1".into(),
            name: "Ada".into(),
        };
        let planted = sessions.visitor("", &clock, true).token;
        let token = sessions.log_in(&planted, customer.clone(), &clock);
        assert_ne!(token, planted);
        assert!(!sessions.by_token.contains_key(&planted));
        for _ in 0..2 * MAX_SESSIONS {
            sessions.visitor("", &clock, true);
        }
        let session = &sessions.by_token[&token];
        assert_eq!(session.customer.as_ref(), Some(&customer));
        let tokens: Vec<_> = (0..MAX_CUSTOMER_SESSIONS)
            .map(|_| sessions.log_in("", customer.clone(), &clock))
            .collect();
        assert!(!sessions.by_token.contains_key(&token), "the oldest goes");
        let mut last = String::new();
        for token in tokens {
            let (guest, who) = sessions.log_out(&token, &clock);
            assert_eq!(who.as_ref(), Some(&customer));
            assert!(sessions.by_token[&guest].customer.is_none() && guest != token);
            last = guest;
        }
        assert_eq!(sessions.log_out(&last, &clock).1, None);
        assert!(sessions.customers.is_empty());
        assert_eq!(sessions.by_token.len(), MAX_SESSIONS);
    }
}
