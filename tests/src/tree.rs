//! Files of a folder, and of all that are below it.

use std::fs;
use std::path::{Path, PathBuf};

/// The files below a folder, in order.
///
/// # Panics
/// If it cannot be read.
#[must_use]
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("the folder is read").path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found.sort();
    found
}
