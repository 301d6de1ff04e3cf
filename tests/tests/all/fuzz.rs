//! A short run of the fuzzing. `make fuzz` runs longer.

use std::time::Duration;

use tests::clickweir::data;
use tests::fuzz::{FuzzBudget, FuzzTarget, run};
use tests::real::env;

/// How many inputs a target has in a short run.
const INPUTS: u64 = 10_000;
/// The seed of a short run, the same each time: a run that fails can be played again.
const SEED: u64 = 13;

/// Fuzzes a target: with the seed of CLICKWEIR_SEED, and for as long as CLICKWEIR_FUZZ_SECONDS says.
#[expect(clippy::print_stderr, reason = "a long run says how far it came")]
fn fuzz(target: FuzzTarget) {
    let number = |name: &str| env(name).map(|text| text.parse::<u64>().expect(name));
    let seed = number("CLICKWEIR_SEED").unwrap_or(SEED);
    let budget = match number("CLICKWEIR_FUZZ_SECONDS") {
        Some(seconds) => FuzzBudget::Time(Duration::from_secs(seconds)),
        None => FuzzBudget::Inputs(INPUTS),
    };
    match run(target, data().as_deref(), seed, budget) {
        Ok(inputs) => eprintln!("{target:?}: {inputs} inputs of seed {seed}, no finding"),
        Err(error) => panic!("{target:?}, CLICKWEIR_SEED={seed}: {error:#}"),
    }
}

#[test]
fn fuzzed_requests_are_answered_and_what_is_kept_becomes_a_row_or_a_letter() {
    fuzz(FuzzTarget::Requests);
}

#[test]
fn fuzzed_records_become_rows_or_letters() {
    fuzz(FuzzTarget::Records);
}

#[test]
fn fuzzed_files_are_read_or_refused() {
    fuzz(FuzzTarget::Files);
}

#[test]
fn fuzzed_settings_are_taken_or_refused() {
    fuzz(FuzzTarget::Settings);
}
