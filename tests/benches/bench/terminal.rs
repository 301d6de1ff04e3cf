//! What a bench says while it runs.

use std::io::Write;

/// Prints a line.
pub(crate) fn say(line: &str) {
    // The reader may be gone; the bench then ends with its next error.
    let _ = writeln!(std::io::stdout(), "{line}");
}
