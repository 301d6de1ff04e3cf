//! The binary `clickweir`: arguments in, an exit code out.

use std::process::ExitCode;

use tikv_jemallocator::Jemalloc;

/// Gives back what a burst took, within a second, and keeps few pools for many threads (its
/// settings stand in `.cargo/config.toml`): with the system's own, the free pieces that each
/// thread's pool held were a third of what was resident under load.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    compose::main()
}
