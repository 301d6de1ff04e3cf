//! What a click says of its visitor's consent.

use serde_json::value::RawValue;

use crate::accept::fields::{ObjectFields, as_text};

/// The words for no, in lower case.
const REFUSALS: [&str; 15] = [
    "denied",
    "deny",
    "refused",
    "rejected",
    "declined",
    "withdrawn",
    "revoked",
    "opt-out",
    "opt_out",
    "optout",
    "no",
    "none",
    "off",
    "false",
    "0",
];
/// Parts of the names by which platforms of consent call the purpose of counting visitors.
const ANALYTICS: [&str; 4] = ["analytic", "statistic", "measurement", "performance"];

/// Returns true if a value says that the visitor does not want to be counted: a word for no, the
/// state of consent of Google's tag (`G1`, then advertising, then analytics), or an object of
/// purposes of which that of analytics is refused, or all are if none is of analytics.
pub(crate) fn refuses(value: &RawValue) -> bool {
    if value.get().starts_with('{') {
        return refuses_purposes(value);
    }
    let word = as_text(value).unwrap_or_default();
    let word = word.trim().to_ascii_lowercase();
    let is_denied_tag = matches!(word.as_bytes(), [b'g', b'1', b'0' | b'1' | b'-', b'0']);
    is_denied_tag || REFUSALS.contains(&&*word)
}

fn refuses_purposes(purposes: &RawValue) -> bool {
    let Ok(purposes) = ObjectFields::read(purposes.get()) else {
        return false;
    };
    let is_analytics = |name: &str| {
        let name = name.to_ascii_lowercase();
        ANALYTICS.iter().any(|part| name.contains(part))
    };
    let mut of_analytics = purposes.0.iter().filter(|(name, _)| is_analytics(name));
    let refuses = |(_, value): &(_, &RawValue)| refuses(value);
    match of_analytics.next() {
        Some(first) => refuses(first) || of_analytics.any(refuses),
        None => !purposes.0.is_empty() && purposes.0.iter().all(refuses),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_30_a_refusal_is_known_as_platforms_of_consent_write_it() {
        let check = |json: &str, expect: bool| {
            let value: &RawValue = serde_json::from_str(json).unwrap();
            assert_eq!(refuses(value), expect, "{json}");
        };
        check(r#""denied""#, true);
        check(r#"" Denied ""#, true);
        check("false", true);
        check("0", true);
        check(r#""granted""#, false);
        check("true", false);
        check("null", false);
        check(r#""""#, false);
        check("[]", false);
        check(r#""G100""#, true);
        check(r#""G110""#, true);
        check(r#""G101""#, false);
        check(r#""G111""#, false);
        check(
            r#"{"ad_storage":"denied","analytics_storage":"granted"}"#,
            false,
        );
        check(
            r#"{"ad_storage":"granted","analytics_storage":"denied"}"#,
            true,
        );
        check(r#"{"Analytics":false,"Advertising":true}"#, true);
        check(r#"{"C0001":true,"C0002":false}"#, false);
        check(r#"{"C0001":false,"C0002":false}"#, true);
        check(r#"{"purposes":{"statistics":"no"}}"#, true);
        check("{}", false);
    }
}
