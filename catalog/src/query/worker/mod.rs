//! Where people's SQL runs: a process of its own, which may die. It is handed a statement, what the
//! statement may name, and as Arrow the rows that it scans of this process; it answers Arrow.
//!
//! Where no program is configured, as in a test of this crate, a thread does the same work over the
//! same socket, with an interrupt in the place of a kill.

mod answer;
pub(crate) mod life;
pub(crate) mod pool;
mod remote;
pub(crate) mod serve;
pub(crate) mod talk;
pub(crate) mod wire;
