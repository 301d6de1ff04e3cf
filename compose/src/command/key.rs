//! `clickweir key`: a new key for a source of clicks.

use std::process::ExitCode;

use crate::print;

/// Prints what a file of keys says of a new key on the standard output, so that it can be appended
/// to the file, and the key itself, which is kept nowhere, beside it.
pub(crate) fn key(name: &str) -> anyhow::Result<ExitCode> {
    let (key, hash) = producer::generate_key();
    print::note(&format!(
        "the key of {name} is {key}; it is shown once. Append the lines to the file that \
         producer.keys names; running edges take them within seconds"
    ));
    print::answer(&format!("[[key]]\nname = {name:?}\nhashes = [\"{hash}\"]"))?;
    Ok(ExitCode::SUCCESS)
}
