//! Simulated visitors: they walk through the shop over real HTTP and send what the
//! shop's page would have a browser send.
//!
//! Each visitor opens pages, follows links, fills in forms, and reads from each page
//! the clicks that it shows. Most send them as the script does, in JSON; some load the
//! pixels instead. What they choose follows from the seed; ids, times and what the
//! shop answers do not.

mod browser;
mod walk;

use std::collections::BTreeMap;

use futures::StreamExt;
use rand::SeedableRng;
use rand::rngs::StdRng;
use topic::clock::SharedClock;

/// How many visitors are in the shop at once.
const AT_ONCE: usize = 8;

/// What the visitors did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Visitors that came.
    pub visitors: u64,
    /// Clicks sent, each counted once however often it was tried.
    pub sent: u64,
    /// The ids of the clicks that got a 2xx, in no order: what an audit may ask for.
    pub acknowledged: Vec<String>,
    /// Clicks by their action.
    pub actions: BTreeMap<String, u64>,
}

/// How far the visitors are, told after each of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Visitors that have left.
    pub visitors: u64,
    /// Visitors in all.
    pub total: u64,
    /// Clicks acknowledged so far.
    pub acknowledged: u64,
}

/// Why the visitors could not go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The shop does not answer.
    #[error(
        "the shop at {base_url} does not answer: {error}; start it first, with producer.shop on"
    )]
    Away {
        /// Where it was looked for.
        base_url: String,
        /// Why.
        error: reqwest::Error,
    },
    /// The shop or the edge answered what a browser could not go on with.
    #[error("the shop answered {status} to {path}")]
    Refused {
        /// The status.
        status: u16,
        /// What was asked for.
        path: String,
    },
}

/// Lets `visitors` visitors walk through the shop at `base_url`, a few at a time.
/// Their clicks lie within the six hours before the clock's present moment.
///
/// # Errors
/// [`Error`] of the first visitor who could not go on.
pub async fn simulate(
    base_url: &str,
    seed: u64,
    visitors: u64,
    clock: SharedClock,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Summary, Error> {
    let base_url = base_url.trim_end_matches('/');
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| Error::Away {
            base_url: base_url.into(),
            error,
        })?;
    let now = clock.now();
    let walks = futures::stream::iter(0..visitors).map(|visitor| {
        let choices = StdRng::seed_from_u64(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ visitor);
        let browser = browser::Browser::new(client.clone(), base_url);
        walk::Walk::new(browser, choices, now, visitor, seed).run()
    });
    let mut walks = walks.buffer_unordered(AT_ONCE);
    let mut summary = Summary::default();
    while let Some(walked) = walks.next().await {
        let walked = walked?;
        summary.visitors += 1;
        summary.sent += walked.sent;
        summary.acknowledged.extend(walked.acknowledged);
        for (action, count) in walked.actions {
            *summary.actions.entry(action).or_default() += count;
        }
        progress(Progress {
            visitors: summary.visitors,
            total: visitors,
            acknowledged: summary.acknowledged.len() as u64,
        });
    }
    Ok(summary)
}

#[cfg(test)]
mod tests;
