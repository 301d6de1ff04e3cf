//! Real parts (Kafka, an object store, a browser) that a machine may lack.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Returns true if a test can use a real part. If `why_not` says what is missing, prints it in one
/// line; under CI that is a failure.
///
/// # Panics
/// If a part is missing and `CI=true`.
#[must_use]
pub fn have(part: &str, why_not: Option<String>) -> bool {
    let Some(why_not) = why_not else { return true };
    assert!(env("CI").as_deref() != Some("true"), "no {part}: {why_not}");
    left_out(part, &why_not);
    false
}

/// The project's folder, if `compose/setup.sh SET` made what these tests need, which is called
/// `part`.
///
/// # Panics
/// As [`have`].
#[must_use]
pub fn fetched(set: &str, part: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let made = Command::new("bash")
        .args(["compose/setup.sh", set])
        .current_dir(&root)
        .output();
    let why_not = match made {
        Ok(made) if made.status.success() => None,
        Ok(made) => Some(String::from_utf8_lossy(&made.stderr).into_owned()),
        Err(error) => Some(error.to_string()),
    };
    have(part, why_not).then(|| root.canonicalize().expect("the folder is there"))
}

/// Prints one line: this test runs without a part.
pub fn left_out(part: &str, why: &str) {
    // Written past the test harness's capture, so that every run says what it left out.
    let _ = writeln!(std::io::stderr(), "skipped, no {part}: {why}");
}

/// An environment variable of the test run.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "the tests are started by a person or CI, not by compose"
)]
pub fn env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
