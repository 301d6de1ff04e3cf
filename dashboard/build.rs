//! The chart library is not in the repository: `make setup` fetches it once. Without it the
//! build fails and says so.

use std::path::Path;
use std::process::ExitCode;

const FETCHED: &[&str] = &[
    "../vendor/uplot/uPlot.iife.min.js",
    "../vendor/uplot/uPlot.min.css",
];

fn main() -> ExitCode {
    for file in FETCHED {
        println!("cargo::rerun-if-changed={file}");
    }
    // A change of a template or an asset must rebuild the crate that embeds it.
    println!("cargo::rerun-if-changed=templates");
    println!("cargo::rerun-if-changed=assets");
    if FETCHED.iter().all(|file| Path::new(file).is_file()) {
        ExitCode::SUCCESS
    } else {
        println!("cargo::error=vendor/uplot is missing: run `make setup` first");
        ExitCode::FAILURE
    }
}
