//! What operators ask every process: its metrics, whether it lives, and whether it is ready.

mod disk;
mod process;
mod server;
mod state;

pub(super) use disk::DiskWatch;
pub(super) use server::serve;
pub(super) use state::Telemetry;
