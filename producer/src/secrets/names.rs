//! The names of parameters that are taken out of queries.

use serde::Deserialize;

/// The name of a query's parameter, in lower case: letters of ASCII, digits, `_`, `-` and `.`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct QueryName(String);

impl QueryName {
    /// Returns true if a parameter has this name, in any case.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.0.eq_ignore_ascii_case(name)
    }
}

impl TryFrom<String> for QueryName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        match !name.is_empty() && name.bytes().all(is_name_byte) {
            true => Ok(Self(name.to_ascii_lowercase())),
            false => Err(format!(
                "{name:?} is no name of a query's parameter: write letters of ASCII, digits, `_`, \
                 `-` and `.` only"
            )),
        }
    }
}

/// Returns true for the bytes that names have.
pub(super) const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

/// All names whose parameters are secret.
#[derive(Debug)]
pub(super) struct SecretNames {
    names: Vec<Box<[u8]>>,
    /// Whether a name ends with this byte, in either case: most words are told from all names so.
    is_last: [bool; 256],
}

impl SecretNames {
    pub(super) fn of(names: &[QueryName]) -> Self {
        let mut is_last = [false; 256];
        for last in names.iter().filter_map(|name| name.0.as_bytes().last()) {
            for byte in [*last, last.to_ascii_uppercase()] {
                is_last[usize::from(byte)] = true;
            }
        }
        Self {
            names: names.iter().map(|name| name.0.as_bytes().into()).collect(),
            is_last,
        }
    }

    /// Returns true if the text ends with a name, in any case.
    pub(super) fn end(&self, text: &[u8]) -> bool {
        let is_end = |name: &[u8]| {
            let begin = text.len().checked_sub(name.len());
            begin.is_some_and(|begin| text[begin..].eq_ignore_ascii_case(name))
        };
        text.last()
            .is_some_and(|last| self.is_last[usize::from(*last)])
            && self.names.iter().any(|name| is_end(name))
    }

    /// Returns true if this is one of the names, in any case, or has one in brackets or before
    /// them, as `user[password]` and `password[]`.
    pub(super) fn have(&self, text: &[u8]) -> bool {
        let is_one = |part: &[u8]| {
            let mut names = self.names.iter();
            names.any(|name| name.eq_ignore_ascii_case(part))
        };
        !text.is_empty() && text.split(|byte| matches!(byte, b'[' | b']')).any(is_one)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_of_letters_that_queries_need_not_encode() {
        let check = |name: &str, expect: bool| {
            assert_eq!(
                QueryName::try_from(name.to_owned()).is_ok(),
                expect,
                "{name}"
            );
        };
        check("access_token", true);
        check("X-Amz-Signature", true);
        check("a.b", true);
        check("", false);
        check("a=b", false);
        check("user[password]", false);
        check("passwört", false);
    }

    #[test]
    fn names_are_known_in_any_case_and_in_brackets() {
        let names = ["Token", "api_key"].map(|name| QueryName::try_from(name.to_owned()).unwrap());
        let names = SecretNames::of(&names);
        let check = |text: &str, ends: bool, has: bool| {
            let found = (names.end(text.as_bytes()), names.have(text.as_bytes()));
            assert_eq!(found, (ends, has), "{text}");
        };
        check("token", true, true);
        check("TOKEN", true, true);
        check("mytoken", true, false);
        check("user[Api_Key]", false, true);
        check("token[]", false, true);
        check("toke", false, false);
        check("", false, false);
    }
}
