//! The files that a log's rotation leaves beside it: `access.log.1`, `access.log-20261122.gz`.

use std::cmp::Reverse;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::super::source::inflated;

const COMPRESSED: [&str; 2] = [".gz", ".zst"];

/// A file that a rotation left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RotatedFile {
    pub(super) path: PathBuf,
    pub(super) device: u64,
    pub(super) inode: u64,
    /// When it was last written to, and its number: of two the younger is greater.
    pub(super) age: (i64, i64, Reverse<u64>),
}

impl RotatedFile {
    /// The log itself, as the youngest of them.
    pub(super) fn of(log: &Path, file: &File) -> io::Result<Self> {
        let found = file.metadata()?;
        Ok(Self {
            path: log.to_owned(),
            device: found.dev(),
            inode: found.ino(),
            age: (found.mtime(), found.mtime_nsec(), Reverse(0)),
        })
    }
}

/// Returns what rotations of a log left beside it, the oldest first.
pub(super) fn rotated(log: &Path) -> io::Result<Vec<RotatedFile>> {
    let (Some(folder), Some(name)) = (log.parent(), log.file_name().and_then(|name| name.to_str()))
    else {
        return Ok(Vec::new());
    };
    let folder = match folder.as_os_str().is_empty() {
        true => Path::new("."),
        false => folder,
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let file_name = entry.file_name();
        let Some(number) = file_name.to_str().and_then(|file| number(name, file)) else {
            continue;
        };
        // It may go away at any moment.
        let Ok(metadata) = fs::metadata(entry.path()) else {
            continue;
        };
        if metadata.is_file() {
            found.push(RotatedFile {
                path: entry.path(),
                device: metadata.dev(),
                inode: metadata.ino(),
                age: (metadata.mtime(), metadata.mtime_nsec(), Reverse(number)),
            });
        }
    }
    found.sort_by_key(|file| file.age);
    Ok(found)
}

/// Opens such a file. One that was compressed is inflated to a file without a name.
pub(super) fn open(file: &RotatedFile) -> io::Result<File> {
    let opened = File::open(&file.path)?;
    let name = file.path.to_string_lossy();
    if !COMPRESSED.iter().any(|ending| name.ends_with(ending)) {
        return Ok(opened);
    }
    let mut plain = tempfile::tempfile()?;
    io::copy(&mut inflated(&opened)?, &mut plain)?;
    Ok(plain)
}

/// The number or date behind a log's name; `None` if this is another file.
fn number(log: &str, file: &str) -> Option<u64> {
    let rest = file.strip_prefix(log)?.strip_prefix(['.', '-', '_'])?;
    let rest = COMPRESSED
        .iter()
        .find_map(|ending| rest.strip_suffix(ending))
        .unwrap_or(rest);
    let is_part = |letter: char| letter.is_ascii_digit() || matches!(letter, '-' | '_' | 'T' | ':');
    if !rest.starts_with(|first: char| first.is_ascii_digit()) || !rest.chars().all(is_part) {
        return None;
    }
    let digits: String = rest.chars().filter(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_rotation_names_is_taken() {
        let check = |file: &str, expect: Option<u64>| {
            assert_eq!(number("access.log", file), expect, "{file}");
        };
        check("access.log.1", Some(1));
        check("access.log.10.gz", Some(10));
        check("access.log-20261122", Some(20_261_122));
        check("access.log-2026-11-22_21.zst", None.or(Some(2_026_112_221)));
        check("access.log", None);
        check("access.log.bak", None);
        check("access.log.1.swp", None);
        check("access.log1", None);
        check("other.log.1", None);
    }
}
