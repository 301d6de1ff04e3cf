//! The files of a tree: those that may be its table's, and what is left out.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::time::UNIX_EPOCH;

use duckdb::Connection;

use crate::error::{Trouble, sentence};
use crate::sql::{Glob, Literal, file};

/// A file's size in bytes, and when it was written, in microseconds. If they differ from those
/// before, the file has changed.
pub(super) type Stamp = (u64, i64);

/// What a tree holds now.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct TreeListing {
    /// The files that may hold rows, by path.
    pub(super) files: BTreeMap<String, Stamp>,
    /// Files that cannot even be asked for, and why.
    pub(super) unreachable: BTreeMap<String, String>,
    /// How many other things are left out, by why, with an example.
    pub(super) left_out: BTreeMap<&'static str, (u64, String)>,
    /// The kind of table that the tree is, if a log of its own says which of its files count.
    pub(super) table_format: Option<&'static str>,
}

const HIDDEN: &str = "whose names begin with _ or a dot";
const LINK: &str = "that are links to folders";
const UNREADABLE: &str = "that cannot be looked into";
const NOT_UTF8: &str = "whose names are not UTF-8";

impl TreeListing {
    /// Sorts a file in, by its path and the part of it below the root.
    fn sort_in(&mut self, path: String, below: &str, stamp: Stamp) {
        self.table_format = self.table_format.or_else(|| table_format(below));
        match is_hidden(below) {
            true => self.leave_out(HIDDEN, path),
            false => {
                self.files.insert(path, stamp);
            }
        }
    }

    fn leave_out(&mut self, why: &'static str, path: String) {
        self.left_out.entry(why).or_insert((0, path)).0 += 1;
    }
}

/// Lists a tree, or the one file that its path names. The error says why it cannot be listed; a
/// tree that is not there is empty.
pub(super) fn list(spare: &Connection, root: &str, is_file: bool) -> Result<TreeListing, String> {
    let root = root.trim_end_matches('/');
    let mut listing = TreeListing::default();
    let listed = match root.starts_with("s3://") {
        true => list_bucket(spare, root, is_file, &mut listing),
        false => list_folder(root, &mut listing),
    };
    listed.map_err(|why| format!("{root} cannot be listed: {why}"))?;
    Ok(listing)
}

/// Names that Spark does not read: of unfinished files, and of what writers keep for themselves.
/// A folder `_year=2026` is a column.
fn is_hidden(below: &str) -> bool {
    below.split('/').any(|part| {
        part.starts_with('.')
            || (part.starts_with('_') && !part.contains('='))
            || part.ends_with("._COPYING_")
    })
}

/// The table whose log a file is part of.
fn table_format(below: &str) -> Option<&'static str> {
    let (folder, name) = below.rsplit_once('/').unwrap_or(("", below));
    let within = |log: &str| folder.split('/').any(|part| part == log);
    let ends = |end: &str| name.ends_with(end);
    if within("_delta_log") && (ends(".json") || ends(".parquet")) {
        Some("Delta")
    } else if within("metadata") && (ends(".metadata.json") || name == "version-hint.text") {
        Some("Iceberg")
    } else if within(".hoodie") {
        Some("Hudi")
    } else if name.starts_with("ducklake-") && ends(".parquet") {
        Some("DuckLake")
    } else {
        None
    }
}

/// Lists a folder. Links to files are followed; links to folders may lead in a circle.
fn list_folder(root: &str, listing: &mut TreeListing) -> Result<(), String> {
    match fs::metadata(root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.to_string()),
        Ok(found) if found.is_file() => {
            listing.files.insert(root.to_owned(), stamp(&found));
            return Ok(());
        }
        Ok(_) => {}
    }
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if folder == root => return Err(error.to_string()),
            Err(_) => {
                listing.leave_out(UNREADABLE, folder);
                continue;
            }
        };
        for entry in entries {
            let entry = entry.map_err(|error| error.to_string())?;
            let Some(path) = entry.path().to_str().map(str::to_owned) else {
                listing.leave_out(NOT_UTF8, entry.path().to_string_lossy().into_owned());
                continue;
            };
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_folder {
                folders.push(path);
                continue;
            }
            match fs::metadata(Path::new(&path)) {
                Ok(found) if found.is_dir() => listing.leave_out(LINK, path),
                Ok(found) if found.is_file() => {
                    let below = path.strip_prefix(root).unwrap_or(&path).to_owned();
                    listing.sort_in(path, below.trim_start_matches('/'), stamp(&found));
                }
                Ok(_) | Err(_) => listing.leave_out(UNREADABLE, path),
            }
        }
    }
    Ok(())
}

fn stamp(found: &fs::Metadata) -> Stamp {
    let modified = found.modified().ok();
    let since = modified.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let micros = since.map_or(0, |since| since.as_micros());
    (found.len(), i64::try_from(micros).unwrap_or(i64::MAX))
}

/// Lists what is below a prefix of a bucket.
fn list_bucket(
    spare: &Connection,
    root: &str,
    is_file: bool,
    listing: &mut TreeListing,
) -> Result<(), String> {
    let pattern = Literal(format!("{}/**", Glob(root)));
    let stamps = |of: &Literal<String>| {
        let sql = format!(
            "SELECT filename, size, coalesce(epoch_us(last_modified), 0) FROM read_blob({of})"
        );
        let mut statement = spare.prepare(&sql)?;
        let files = statement.query_map([], |row| {
            let size: i64 = row.get(1)?;
            Ok((row.get(0)?, (size.unsigned_abs(), row.get(2)?)))
        })?;
        files.collect::<Result<Vec<(String, Stamp)>, duckdb::Error>>()
    };
    let below = |path: &str| {
        let below = path.strip_prefix(root).unwrap_or(path);
        below.trim_start_matches('/').to_owned()
    };
    // A folder may be called so, too.
    if is_file
        && let Ok(found) = stamps(&file(root))
        && !found.is_empty()
    {
        listing.files.extend(found);
        return Ok(());
    }
    match stamps(&pattern) {
        Ok(files) => {
            for (path, stamp) in files {
                let below = below(&path);
                listing.sort_in(path, &below, stamp);
            }
            return Ok(());
        }
        Err(error) if Trouble::from(&error) == Trouble::Missing => return Ok(()),
        // One odd key fails them all: ask for each.
        Err(_) => {}
    }
    let names = format!("SELECT file FROM glob({pattern})");
    let names = || {
        let mut statement = spare.prepare(&names)?;
        let names = statement.query_map([], |row| row.get(0))?;
        names.collect::<Result<Vec<String>, duckdb::Error>>()
    };
    for path in names().map_err(|error| sentence(&error))? {
        let below = below(&path);
        match stamps(&file(&path)) {
            Ok(found) => match found.into_iter().next() {
                Some((_, stamp)) => listing.sort_in(path, &below, stamp),
                None => listing.leave_out(UNREADABLE, path),
            },
            Err(_) if is_hidden(&below) => listing.leave_out(HIDDEN, path),
            Err(error) => {
                let why = format!("its name cannot be asked for: {}", sentence(&error));
                listing.unreachable.insert(path, why);
            }
        }
    }
    Ok(())
}

/// Returns true if the name says that the file is Parquet.
pub(super) fn is_parquet_name(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    [".parquet", ".parq", ".pq"]
        .iter()
        .any(|end| lower.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b05_names_are_hidden_as_spark_means_it() {
        for name in [
            "_temporary/0/a.parquet",
            "year=1/.a.parquet.crc",
            "_SUCCESS",
            "_metadata",
            "_common_metadata",
            ".tmp/a.parquet",
            "a.parquet._COPYING_",
        ] {
            assert!(is_hidden(name), "{name}");
        }
        for name in [
            "_year=2019/a.parquet",
            "region=eu/_batch=1/a.parquet",
            "a_b/_c=/d",
            "a.parquet",
        ] {
            assert!(!is_hidden(name), "{name}");
        }
    }

    #[test]
    fn b27_a_table_with_a_log_is_told_by_its_files() {
        let check = |below: &str, expect| assert_eq!(table_format(below), expect, "{below}");
        check("_delta_log/00000000000000000000.json", Some("Delta"));
        check("sub/_delta_log/0.checkpoint.parquet", Some("Delta"));
        check("metadata/v1.metadata.json", Some("Iceberg"));
        check("db/t/metadata/version-hint.text", Some("Iceberg"));
        check(".hoodie/hoodie.properties", Some("Hudi"));
        check(
            "main/t/ducklake-0192b4c5-0000-7000-8000-000000000000.parquet",
            Some("DuckLake"),
        );
        check("metadata/part-0.parquet", None);
        check("part-0.parquet", None);
        check("year=1/00000-1-clickhouse.parquet", None);
    }
}
