//! The binary `clickweir`: arguments in, an exit code out.

use std::process::ExitCode;

use tikv_jemallocator::Jemalloc;

/// Also DuckDB's, since it bears the C library's names. What comes and goes in bursts (batches, a
/// crawl) stays with the C library's allocator in pieces: at 20,000 clicks a second that is 120 MB
/// more, for no less CPU time.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    compose::main()
}
