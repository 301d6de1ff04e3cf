//! Fuzzing of everything that reads what others write: requests to the edge, records of the topic,
//! files to import, files of rules and of keys.
//!
//! An input is one of the corpus, changed a few times at random. It goes the way that it goes in the
//! product: over a socket into a served edge, from a file into an import, from a record into a row. A
//! seed plays the same inputs again.

mod budget;
mod corpus;
mod files;
mod mutate;
mod outcome;
mod records;
mod requests;
mod settings;

use std::path::Path;

use anyhow::Result;
use tokio::time::Instant;

pub use budget::FuzzBudget;
use mutate::Mutator;
use outcome::shown;

/// What is fuzzed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FuzzTarget {
    /// Heads and bodies of requests, in every client's format, and the rows of what is taken.
    Requests,
    /// Values of records, as an edge or anybody else may have written them.
    Records,
    /// Files to import: CSV, JSON and access logs, with their mappings.
    Files,
    /// Files of rules and of keys, and mappings.
    Settings,
}

/// Fuzzes a target and returns the number of inputs. `data` is the folder of the shared data, from
/// which the corpus is larger.
///
/// # Errors
/// If an input has an outcome that none may have. The error shows the input, and the seed plays it
/// again.
pub fn run(target: FuzzTarget, data: Option<&Path>, seed: u64, budget: FuzzBudget) -> Result<u64> {
    let mut mutator = Mutator::new(seed, corpus::words());
    match target {
        FuzzTarget::Requests => requests::run(&mut mutator, &corpus::requests(data), budget),
        FuzzTarget::Records => each(mutator, &corpus::records(data), budget, records::check),
        FuzzTarget::Files => {
            let mut files = files::FileCheck::new()?;
            each(mutator, &corpus::files(data), budget, |file| {
                files.check(file)
            })
        }
        FuzzTarget::Settings => {
            let settings = settings::SettingsCheck::new()?;
            each(mutator, &corpus::settings(), budget, |text| {
                settings.check(text)
            })
        }
    }
}

/// Checks changed inputs one by one until the budget is spent.
fn each(
    mut mutator: Mutator,
    corpus: &[Vec<u8>],
    budget: FuzzBudget,
    mut check: impl FnMut(&[u8]) -> Result<()>,
) -> Result<u64> {
    let (mut inputs, since) = (0, Instant::now());
    while !budget.is_spent(inputs, since) {
        let input = mutator.change_one_of(corpus);
        check(&input).map_err(|error| error.context(shown(&input)))?;
        inputs += 1;
    }
    Ok(inputs)
}
