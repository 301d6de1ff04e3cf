//! What is kept of a request besides its clicks, by the sections `[[capture]]`. Start at `rule.rs`.

mod parts;
mod pattern;
mod rule;
mod set;

pub use rule::{CaptureField, CaptureRule};
pub(crate) use set::CaptureSet;
