//! The binary `clickweir`: arguments in, an exit code out.

use std::process::ExitCode;

use tikv_jemallocator::Jemalloc;

/// DuckDB uses it too, because it has the C library's names. What comes and goes in bursts (batches, a
/// crawl) stays with the C library's allocator in pieces: at 20,000 clicks a second that was 50 to
/// 150 MB more at most, measured in turn, and no less CPU time.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    compose::main()
}
