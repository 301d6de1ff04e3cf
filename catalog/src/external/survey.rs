//! What is in a tree now, beside what is known of it: deleted files, and those that are new or have
//! changed. Of these only the ends are looked at here, within bounds.

use std::collections::BTreeMap;

use sink::{UnfitParquet, check_parquet};

use crate::config::External;
use crate::db::engine::Session;
use crate::error::Error;
use crate::external::listing::{Stamp, TreeListing, is_parquet_name, list};
use crate::external::objects::{ForeignFile, stamps};
use crate::external::reach::Reach;

/// The stamp of a file that could not be read for a reason that may pass: the next run asks again.
pub(super) const UNREAD: Stamp = (0, 0);

/// What a run over a tree has to do.
#[derive(Debug, Default)]
pub(super) struct TreeSurvey {
    /// Why the tree cannot be listed. `None` if it can be.
    pub(super) unlisted: Option<String>,
    /// The kind of table that the tree is, if a log of its own says which of its files count.
    pub(super) table_format: Option<&'static str>,
    /// True if there are no files.
    pub(super) is_empty: bool,
    /// The stamps of the files that were known before.
    pub(super) known: BTreeMap<String, Stamp>,
    /// Known files that are there no more.
    pub(super) gone: Vec<String>,
    /// Files that are to be read whole.
    pub(super) unread: Vec<(String, Stamp)>,
    /// New and changed files that were looked at.
    pub(super) fresh: Vec<ForeignFile>,
    /// How many other things are left out, by why, with an example.
    pub(super) left_out: BTreeMap<&'static str, (u64, String)>,
}

/// Lists a tree and looks at the ends of its new files.
///
/// # Errors
/// The database's.
pub(super) fn survey(
    session: &Session,
    reach: &Reach,
    external: &External,
) -> Result<TreeSurvey, Error> {
    // A failing statement ends its transaction. Of a bucket DuckDB lists the keys alone.
    let spare = session.connection.try_clone()?;
    let listing = match list(&spare, &external.path, is_parquet_name(&external.path)) {
        Ok(listing) => listing,
        Err(why) => {
            return Ok(TreeSurvey {
                unlisted: Some(why),
                ..TreeSurvey::default()
            });
        }
    };
    let known = stamps(&session.connection, &external.name)?;
    let TreeListing {
        files,
        unreachable,
        left_out,
        table_format,
    } = listing;
    let present = |path: &String| files.contains_key(path) || unreachable.contains_key(path);
    let mut survey = TreeSurvey {
        table_format,
        is_empty: files.is_empty() && unreachable.is_empty(),
        gone: known
            .keys()
            .filter(|path| !present(path))
            .cloned()
            .collect(),
        left_out,
        ..TreeSurvey::default()
    };
    for (path, stamp) in files {
        if known.get(&path) == Some(&stamp) {
            continue;
        }
        match look(reach, external, &path, stamp) {
            None => survey.unread.push((path, stamp)),
            Some(file) => survey.fresh.push(file),
        }
    }
    let unreachable = unreachable.into_iter();
    let unreachable = unreachable.map(|(path, why)| unshown(path, UNREAD, why));
    survey.fresh.extend(unreachable);
    survey.known = known;
    Ok(survey)
}

/// Looks at a file's end. `None` if the file is to be read.
fn look(reach: &Reach, external: &External, path: &str, stamp: Stamp) -> Option<ForeignFile> {
    let root = external.path.trim_end_matches('/');
    let is_named = is_parquet_name(path) || path == root;
    let path = path.to_owned();
    let (why, stamp) = match check_parquet(stamp.0, |range| reach.read(&path, range)) {
        Ok(()) => return None,
        Err(UnfitParquet::NoParquet) if is_named => (
            "it does not end as a Parquet file does: it is cut off, or of another format"
                .to_owned(),
            stamp,
        ),
        Err(UnfitParquet::NoParquet) => {
            let why = "it is no Parquet file".to_owned();
            return Some(ForeignFile {
                left_out: true,
                ..unshown(path, stamp, why)
            });
        }
        Err(UnfitParquet::Damaged(why)) => (why, stamp),
        Err(UnfitParquet::Unreadable(why)) => (why, UNREAD),
    };
    Some(unshown(path, stamp, why))
}

/// A file that the table does not show.
pub(super) fn unshown(path: String, stamp: Stamp, why: String) -> ForeignFile {
    ForeignFile {
        path,
        stamp,
        rows: 0,
        columns: Vec::new(),
        reason: Some(why),
        left_out: false,
    }
}
