//! A secret that lets a request in.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq;

/// A secret text. It is never printed. An empty one admits no request.
#[derive(Clone)]
pub(crate) struct Token(Arc<str>);

impl Token {
    pub(crate) fn new(secret: &str) -> Self {
        Self(secret.into())
    }

    /// Returns true if an `Authorization` header carries the token: as `Bearer`, or as the
    /// password of `Basic`, which browsers ask their user for. The name beside the password does
    /// not matter.
    pub(crate) fn admits(&self, authorization: Option<&[u8]>) -> bool {
        let Some(value) = authorization else {
            return false;
        };
        let Some(space) = value.iter().position(|byte| *byte == b' ') else {
            return false;
        };
        // A scheme's name has no case (RFC 9110).
        let (scheme, given) = (&value[..space], value[space..].trim_ascii_start());
        if scheme.eq_ignore_ascii_case(b"bearer") {
            self.matches(given)
        } else if scheme.eq_ignore_ascii_case(b"basic") {
            let decoded = STANDARD.decode(given).unwrap_or_default();
            let colon = decoded.iter().position(|byte| *byte == b':');
            colon.is_some_and(|at| self.matches(&decoded[at + 1..]))
        } else {
            false
        }
    }

    /// Takes the same time wherever a wrong token of the right length differs.
    fn matches(&self, given: &[u8]) -> bool {
        let token = self.0.as_bytes();
        !token.is_empty() && bool::from(token.ct_eq(given))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_18_only_the_whole_token_admits() {
        let check = |token: &str, header: Option<&str>, expect: bool| {
            let admitted = Token::new(token).admits(header.map(str::as_bytes));
            assert_eq!(admitted, expect, "{token:?} {header:?}");
        };
        let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
        check("secret", Some("Bearer secret"), true);
        check("secret", Some("bearer secret"), true);
        check("secret", Some("BEARER  secret"), true);
        check("secret", Some("Bearer secreT"), false);
        check("secret", Some("Bearer secret "), false);
        check("secret", Some("Bearer:secret"), false);
        check("secret", Some("Bearer"), false);
        check("secret", Some(" secret"), false);
        check("secret", Some("Bearer secre"), false);
        check("secret", Some("Bearer secret1"), false);
        check("secret", Some("Bearersecret"), false);
        check("secret", Some("secret"), false);
        check("secret", Some(&basic("anybody:secret")), true);
        check("secret", Some(&basic(":secret")), true);
        check(
            "secret",
            Some(&basic(":secret").to_lowercase().replace("basic", "bearer")),
            false,
        );
        check(
            "secret",
            Some(&basic(":secret").replace("Basic", "basic")),
            true,
        );
        check("se:cret", Some(&basic("a:se:cret")), true);
        check("secret", Some(&basic("secret:")), false);
        check("secret", Some(&basic("secret")), false);
        check("secret", Some("Basic !!"), false);
        check("secret", Some("Basic "), false);
        check("secret", None, false);
        check("", Some("Bearer "), false);
        check("", Some(&basic(":")), false);
    }

    #[test]
    fn what_is_printed_holds_no_token() {
        assert_eq!(format!("{:?}", Token::new("hush")), "(secret)");
    }
}
