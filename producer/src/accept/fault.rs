//! What is wrong with a part of JSON, and at which byte.

use super::rejection::Rejection;

/// A fault in a part of JSON.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct JsonFault {
    pub(crate) reason: String,
    /// The byte of the part at which the fault is, from 0.
    pub(crate) position: usize,
    /// True if the part may be JSON, but no click can be like it.
    is_json: bool,
}

impl JsonFault {
    pub(super) fn new(reason: &str, position: usize) -> Self {
        Self {
            reason: reason.into(),
            position,
            is_json: false,
        }
    }

    /// The fault of what may be JSON and is no click.
    pub(super) fn no_click(reason: &str, position: usize) -> Self {
        Self {
            is_json: true,
            ..Self::new(reason, position)
        }
    }

    /// The fault that `serde_json` found in `text`, its line and column made into a byte.
    pub(super) fn from_serde(error: &serde_json::Error, text: &str) -> Self {
        let line = error.line().saturating_sub(1);
        let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
        let position = (start + error.column().saturating_sub(1)).min(text.len());
        Self::new(&parse_reason(error), position)
    }

    /// The rejection of `what`, whose fault is at byte `position` of the body.
    pub(super) fn of(&self, what: &str, position: usize) -> Rejection {
        let claim = if self.is_json { "no click" } else { "not JSON" };
        let reason = format!("{what} is {claim} at byte {position}: {}", self.reason);
        Rejection::Malformed {
            reason,
            position: Some(position),
        }
    }
}

/// The message of a `serde_json` error without the position that ends it. The crate has
/// no way to ask for the message alone.
pub(super) fn parse_reason(error: &serde_json::Error) -> String {
    let mut message = error.to_string();
    let position = format!(" at line {} column {}", error.line(), error.column());
    if message.ends_with(&position) {
        message.truncate(message.len() - position.len());
    }
    message
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Id {
        #[serde(rename = "id")]
        _id: u8,
    }

    /// If this fails after an update of `serde_json`, its messages have changed:
    /// `parse_reason` and the texts that clients read have to follow.
    #[test]
    fn a_message_of_serde_json_ends_with_its_position() {
        let check = |json: &str, message: &str, reason: &str| {
            let error = serde_json::from_str::<Id>(json).unwrap_err();
            assert_eq!(error.to_string(), message);
            assert_eq!(parse_reason(&error), reason);
        };
        check(
            "{\"id\":1,\n\"id\":2}",
            "duplicate field `id` at line 2 column 4",
            "duplicate field `id`",
        );
        check(
            r#"{"id":x}"#,
            "expected value at line 1 column 7",
            "expected value",
        );
        check(
            r#"{"id":" at line 7 "}"#,
            "invalid type: string \" at line 7 \", expected u8 at line 1 column 19",
            "invalid type: string \" at line 7 \", expected u8",
        );
    }
}
