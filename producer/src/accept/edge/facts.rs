//! What the edge knows of a body, and what it says of clicks that it does not keep.

use std::net::IpAddr;

use crate::privacy::policy::PrivacyPolicy;
use crate::sample::ClickShare;

/// What is known of a body besides its bytes.
#[derive(Debug, Clone)]
pub struct EdgeFacts<'a> {
    /// The wire format of the clicks: `native`, `pixel`, …
    pub format: &'a str,
    /// Where the body came from: `http`, `import:FILE`, …
    pub source: &'a str,
    /// The client's whole address, before the policy is applied; `None` if it is not known.
    pub ip: Option<IpAddr>,
    /// The client's user agent; `None` if it sent none.
    pub user_agent: Option<&'a str>,
    /// The request's `Content-Encoding`; `None` if it has none.
    pub content_encoding: Option<&'a str>,
    /// What is captured of the request, as a JSON object of texts; `None` if nothing is.
    pub request: Option<String>,
    /// The shares of such clicks that are kept; all are if there is none.
    pub shares: Vec<ClickShare>,
    /// What the client's own signals ask for.
    pub privacy: PrivacyPolicy,
    /// True if something secret was taken out of the request already.
    pub redacted: bool,
}

/// How many clicks of a body are not kept, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeftOutClicks {
    /// By a policy of privacy.
    pub by_policy: usize,
    /// By each of [`EdgeFacts::shares`], in their order; empty if none left anything out.
    pub by_shares: Vec<usize>,
}

impl LeftOutClicks {
    /// How many clicks are not kept.
    #[must_use]
    pub fn count(&self) -> usize {
        self.by_policy + self.by_shares.iter().sum::<usize>()
    }

    pub(super) fn add(&mut self, reason: LeftOut) {
        let share = match reason {
            LeftOut::ByPolicy => {
                self.by_policy += 1;
                return;
            }
            LeftOut::ByShare(share) => share,
        };
        if self.by_shares.len() <= share {
            self.by_shares.resize(share + 1, 0);
        }
        self.by_shares[share] += 1;
    }
}

/// Why a click is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LeftOut {
    ByPolicy,
    /// The place of the share in [`EdgeFacts::shares`].
    ByShare(usize),
}
