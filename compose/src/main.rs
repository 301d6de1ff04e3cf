//! The binary `clickweir`: arguments in, an exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    compose::main()
}
