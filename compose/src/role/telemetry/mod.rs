//! What operators ask every process: its metrics, whether it lives, and whether it is ready.

mod process;
mod server;
mod state;

pub(super) use server::serve;
pub(super) use state::Telemetry;
