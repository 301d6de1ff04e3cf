//! Simulated visitors, who walk through the shop over real HTTP and send the clicks that a
//! browser would send.
//!
//! Each visitor opens pages, follows links, fills in forms, and reads the clicks that each
//! page carries. Most send them in JSON, as the script does; some load the pixels instead.
//! Their choices follow from the seed. Ids, times and the shop's answers do not.

mod browser;
mod error;
mod walk;

use std::collections::BTreeMap;

use futures::StreamExt;
use rand::SeedableRng;
use rand::rngs::StdRng;
use topic::clock::SharedClock;

pub use error::Error;

/// How many visitors are in the shop at once.
const CONCURRENT_VISITORS: usize = 8;

/// What the visitors did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// The number of visitors.
    pub visitors: u64,
    /// Clicks sent. A click that was tried more than once counts once.
    pub sent: u64,
    /// The ids of the clicks that were acknowledged, in no particular order.
    pub acknowledged: Vec<String>,
    /// Clicks by their action.
    pub actions: BTreeMap<String, u64>,
}

/// How far the simulation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VisitorProgress {
    /// Visitors that have left.
    pub visitors: u64,
    /// Visitors in all.
    pub total: u64,
    /// Clicks that have been acknowledged.
    pub acknowledged: u64,
}

/// Lets `visitors` visitors walk through the shop at `base_url`, a few at a time. Their
/// clicks are spread over the six hours before the clock's present time. `progress` is
/// called after each visitor.
///
/// # Errors
/// [`Error`] of the first visitor that failed.
pub async fn simulate(
    base_url: &str,
    seed: u64,
    visitors: u64,
    clock: SharedClock,
    progress: &mut (dyn FnMut(VisitorProgress) + Send),
) -> Result<Summary, Error> {
    let base_url = base_url.trim_end_matches('/');
    let client = reqwest::Client::builder()
        .no_proxy()
        // The shop is in this process, and its certificate names the host that people see.
        .tls_danger_accept_invalid_certs(true)
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
    let mut walks = walks.buffer_unordered(CONCURRENT_VISITORS);
    let mut summary = Summary::default();
    while let Some(walk) = walks.next().await {
        let walk = walk?;
        summary.visitors += 1;
        summary.sent += walk.sent;
        summary.acknowledged.extend(walk.acknowledged);
        for (action, count) in walk.actions {
            *summary.actions.entry(action).or_default() += count;
        }
        progress(VisitorProgress {
            visitors: summary.visitors,
            total: visitors,
            acknowledged: summary.acknowledged.len() as u64,
        });
    }
    Ok(summary)
}

#[cfg(test)]
mod tests;
