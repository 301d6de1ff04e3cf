//! What is asked of an erasure, and what it answers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sink::{SignedCertificate, SubjectShare};

/// Erases what is somebody's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ForgetSubject {
    pub(crate) asked: AskedSubject,
    /// True if it is to be done; else it is only looked at.
    pub(crate) yes: bool,
}

/// Whose clicks are to go, or which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum AskedSubject {
    Visitor(String),
    User(String),
    Where {
        condition: String,
        from: Option<String>,
        to: Option<String>,
    },
}

impl AskedSubject {
    /// All that is asked, as one text: the same condition of another time is another request.
    pub(super) fn spelt(&self) -> String {
        match self {
            Self::Visitor(id) | Self::User(id) => id.clone(),
            Self::Where {
                condition,
                from,
                to,
            } => {
                let [from, to] = [from, to].map(|one| one.as_deref().unwrap_or_default());
                [condition, from, to].join("\0")
            }
        }
    }
}

/// How far an erasure is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ForgetProgress {
    /// What it does, or what it waits for.
    pub(crate) stage: String,
    pub(crate) done: u64,
    pub(crate) all: u64,
}

/// What an erasure came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum ForgetReport {
    /// Nothing was done. It would take so much, by lake: the live one is `clicks`.
    Preview {
        shares: BTreeMap<String, SubjectShare>,
        /// Promotions that could not be rolled back any more.
        settles: Vec<String>,
    },
    Erased(Box<SignedCertificate>),
}
