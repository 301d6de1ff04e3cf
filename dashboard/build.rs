//! The chart library is fetched once by `make setup`, not kept in the repository; without it
//! the build says what to type.

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
    // A template or an asset that changes must rebuild what embeds it.
    println!("cargo::rerun-if-changed=templates");
    println!("cargo::rerun-if-changed=assets");
    if FETCHED.iter().all(|file| Path::new(file).is_file()) {
        ExitCode::SUCCESS
    } else {
        println!("cargo::error=run `make setup` first: vendor/uplot is not there");
        ExitCode::FAILURE
    }
}
