//! Where people's SQL runs and foreign files are read: a process of its own, which may die. It is
//! handed a statement, what the statement may name, and as Arrow the rows that it scans of this
//! process; or what it reads of others. It answers Arrow, and this process alone writes the catalog.
//!
//! Where no program is configured, as in a test of this crate, a thread does the same work over the
//! same socket, with an interrupt in the place of a kill.

pub(crate) mod answer;
mod confine;
pub(crate) mod keep;
pub(crate) mod life;
pub(crate) mod pool;
pub(crate) mod remote;
pub(crate) mod serve;
pub(crate) mod talk;
pub(crate) mod wire;
