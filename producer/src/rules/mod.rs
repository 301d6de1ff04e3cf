//! Rules as a web application firewall has them: which requests are counted, refused or thinned
//! out before they reach the topic.
//!
//! `file.rs` reads the owner's file into a `set.rs`, whose `rule.rs` are asked in order: first with
//! what a request's head shows, then with its body. `firewall.rs` holds the set that is in force,
//! counts what it does, and keeps the newest hits for the health page. `patterns/` knows attacks by
//! what they look like, `texts.rs` finds the texts of a request that they are looked for in.
//!
//! Without `producer.rules` there is no firewall, and a request costs one branch more.

mod bots;
mod file;
pub(crate) mod firewall;
mod hits;
mod metrics;
mod patterns;
mod rate;
pub(crate) mod request;
mod rule;
mod set;
mod shown;
mod texts;
mod time;

pub use firewall::{Firewall, FirewallReport, RuleError};
pub use hits::RuleHit;
pub use metrics::RuleMetrics;

#[cfg(test)]
mod measure;
#[cfg(test)]
mod tests;
