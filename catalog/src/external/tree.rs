//! Crawls a tree of foreign Parquet files: files that are new or have changed are read whole,
//! deleted ones are forgotten, and the table's schema is decided over all of them, in one
//! transaction a run.

use std::collections::{BTreeMap, BTreeSet};

use duckdb::{Connection, OptionalExt};
use sink::{UnfitParquet, check_parquet};

use crate::config::{Changes, External};
use crate::db::engine::Session;
use crate::error::{Error, Trouble, sentence};
use crate::external::adoption::Adoption;
use crate::external::fit::{FileColumn, FileShape, Fit, TableColumn, column, fit, is_same};
use crate::external::folder::{FolderKinds, folder_values};
use crate::external::kind::Kind;
use crate::external::kind::probe::Probes;
use crate::external::listing::{Stamp, TreeListing, is_parquet_name, list};
use crate::external::objects::{
    ForeignFile, TreeTable, forget, forget_all, keep_table, left_out, parsed, remember, set_reason,
    sound_files, stamps, table,
};
use crate::external::reach::Reach;
use crate::external::scan::{misfits, scan};
use crate::sql::joined;

/// How many lines a run's detail has at most.
const MAX_DETAIL_LINES: usize = 20;
/// The stamp of a file that could not be asked for: the next run asks again.
const UNREAD: Stamp = (0, 0);

/// One run. It writes what is known of the files afterwards; the caller keeps the run.
pub(super) fn crawl(
    session: &Session,
    spare: &Connection,
    reach: &Reach,
    external: &External,
) -> Result<Adoption, Error> {
    let connection = &session.connection;
    let name = &external.name;
    let mut crawl = TreeCrawl {
        connection,
        spare,
        reach,
        external,
        run: Adoption {
            name: name.clone(),
            ..Adoption::default()
        },
        lines: Vec::new(),
    };
    match list(spare, &external.path, is_parquet_name(&external.path)) {
        Ok(listing) => match listing.table_format {
            Some(format) => crawl.refuse(format)?,
            None => crawl.adopt(listing)?,
        },
        // What is known stays.
        Err(why) => crawl.lines.push(why),
    }
    let TreeCrawl {
        mut run, mut lines, ..
    } = crawl;
    (run.adopted, run.rows, run.quarantined) = connection.query_row(
        "SELECT (count(*) FILTER (reason IS NULL))::UBIGINT,
            coalesce(sum(\"rows\") FILTER (reason IS NULL), 0)::UBIGINT,
            (count(*) FILTER (reason IS NOT NULL AND NOT left_out))::UBIGINT
         FROM external_objects WHERE name = ?",
        [name],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    let more = lines.len().saturating_sub(MAX_DETAIL_LINES);
    lines.truncate(MAX_DETAIL_LINES);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    run.detail = lines.join("\n");
    Ok(run)
}

/// A run under way.
struct TreeCrawl<'c> {
    connection: &'c Connection,
    /// A connection outside of the transaction, which a failing statement would end.
    spare: &'c Connection,
    reach: &'c Reach,
    external: &'c External,
    run: Adoption,
    lines: Vec<String>,
}

impl TreeCrawl<'_> {
    /// Shows nothing of a tree whose files do not all count.
    fn refuse(&mut self, format: &str) -> Result<(), Error> {
        let (connection, name) = (self.connection, &self.external.name);
        let why = format!(
            "{} is a table of {format}, whose own log says which of its files count, and that log is not read: write the table out as plain Parquet, and name that folder",
            self.external.path
        );
        self.run.gone = forget_all(connection, name)?;
        let refused = TreeTable {
            columns: Vec::new(),
            refused: Some(why.clone()),
        };
        keep_table(connection, name, &refused)?;
        self.lines.push(why);
        Ok(())
    }

    /// Forgets deleted files, looks at new and changed ones, and decides the schema anew.
    fn adopt(&mut self, listing: TreeListing) -> Result<(), Error> {
        let (connection, name) = (self.connection, &self.external.name);
        let known = stamps(connection, name)?;
        let TreeListing {
            files,
            unreachable,
            left_out,
            ..
        } = listing;
        if files.is_empty() && unreachable.is_empty() {
            let root = self.external.path.trim_end_matches('/');
            self.lines
                .push(format!("there are no Parquet files at {root}"));
        }
        let present = |path: &str| files.contains_key(path) || unreachable.contains_key(path);
        for path in known.keys().filter(|path| !present(path)) {
            forget(connection, name, path)?;
            self.run.gone += 1;
        }
        let mut fresh = Vec::new();
        for (path, stamp) in files {
            let before = known.get(&path);
            if before == Some(&stamp) {
                continue;
            }
            let file = self.look(path, stamp);
            if file.stamp != UNREAD || before != Some(&UNREAD) {
                self.run.found += 1;
            }
            fresh.push(file);
        }
        for (path, why) in unreachable {
            self.run.found += u64::from(!known.contains_key(&path));
            fresh.push(unshown(path, UNREAD, why));
        }
        for file in &fresh {
            remember(connection, name, file)?;
        }
        if self.run.found + self.run.gone > 0 || !fresh.is_empty() {
            self.decide(&fresh)?;
            self.say_misfits(&fresh)?;
        }
        self.say_left_out(left_out)
    }

    /// Looks at a file: at its end first, then at every row.
    fn look(&self, path: String, stamp: Stamp) -> ForeignFile {
        let root = self.external.path.trim_end_matches('/');
        let is_named = is_parquet_name(&path) || path == root;
        let read = |range| self.reach.read(&path, range);
        let (why, stamp) = match check_parquet(stamp.0, read) {
            Ok(()) => return self.read(path, stamp),
            Err(UnfitParquet::NoParquet) if is_named => (
                "it does not end as a Parquet file does: it is cut off, or of another format"
                    .to_owned(),
                stamp,
            ),
            Err(UnfitParquet::NoParquet) => {
                let why = "it is no Parquet file".to_owned();
                return ForeignFile {
                    left_out: true,
                    ..unshown(path, stamp, why)
                };
            }
            Err(UnfitParquet::Damaged(why)) => (why, stamp),
            Err(UnfitParquet::Unreadable(why)) => (why, UNREAD),
        };
        unshown(path, stamp, why)
    }

    /// Reads a file whole: its footer may be sound and its rows damaged.
    fn read(&self, path: String, stamp: Stamp) -> ForeignFile {
        match contents(self.spare, &path) {
            Ok((columns, rows)) => ForeignFile {
                rows,
                columns,
                reason: None,
                ..unshown(path, stamp, String::new())
            },
            Err(error) => {
                let passing =
                    path.starts_with("s3://") && Trouble::from(&error) == Trouble::Failing;
                let stamp = if passing { UNREAD } else { stamp };
                unshown(path, stamp, sentence(&error))
            }
        }
    }

    /// Decides the schema over all files that could be read, and which of them the table shows.
    fn decide(&mut self, fresh: &[ForeignFile]) -> Result<(), Error> {
        let (connection, name) = (self.connection, &self.external.name);
        let before = table(connection, name)?;
        let files = sound_files(connection, name)?;
        let mut folders = FolderKinds::default();
        let (mut shapes, mut places) = (Vec::<FileShape>::new(), BTreeMap::new());
        for (path, json, _) in &files {
            folders.add(&folder_values(path));
            let place = *places.entry(json).or_insert(shapes.len());
            if place == shapes.len() {
                shapes.push(FileShape {
                    columns: parsed(json)?,
                    files: 0,
                    first: path.clone(),
                });
            }
            shapes[place].files += 1;
        }
        let fit = fit(&shapes, &folders, &before.columns, self.external.changes);
        for (path, json, reason) in &files {
            let now = fit.reasons[places[json]].as_ref();
            if now != reason.as_ref() {
                set_reason(connection, name, path, now.map(String::as_str))?;
            }
            match now {
                Some(why) if now != reason.as_ref() => {
                    self.lines.push(format!("quarantined {path}: {why}"));
                }
                None if reason.is_some() => self.lines.push(format!("{path} fits now")),
                _ => {}
            }
        }
        for file in fresh.iter().filter(|file| !file.left_out) {
            if let Some(reason) = &file.reason {
                self.lines
                    .push(format!("quarantined {}: {reason}", file.path));
            }
        }
        self.say_changes(&before.columns, &fit, fresh);
        let columns = fit.columns;
        let refused = None;
        keep_table(connection, name, &TreeTable { columns, refused })
    }

    /// Says how many values of new files the types that the configuration says do not hold.
    fn say_misfits(&mut self, fresh: &[ForeignFile]) -> Result<(), Error> {
        let read = fresh.iter().filter(|file| file.reason.is_none());
        let paths: BTreeSet<&str> = read.map(|file| file.path.as_str()).collect();
        if paths.is_empty() || self.external.types.is_empty() {
            return Ok(());
        }
        let lines = misfits(self.connection, self.spare, self.external, &paths)?;
        self.lines.extend(lines);
        Ok(())
    }

    /// Says which columns are new, have another type or are left out.
    fn say_changes(&mut self, before: &[TableColumn], fit: &Fit, fresh: &[ForeignFile]) {
        let since = |name: &str| {
            let has = |file: &&ForeignFile| {
                let folders = folder_values(&file.path);
                column(&file.columns, name).is_some()
                    || folders.iter().any(|one| is_same(&one.key, name))
            };
            fresh.iter().find(has).map(|file| file.path.as_str())
        };
        for TableColumn { name, kind, .. } in fit.columns.iter().filter(|_| !before.is_empty()) {
            match before.iter().find(|known| is_same(&known.name, name)) {
                Some(known) if known.kind == *kind => {}
                Some(known) => self.lines.push(format!(
                    "column {name} becomes {kind}, it was {}",
                    known.kind
                )),
                None => {
                    let since = since(name).unwrap_or("files that fit now");
                    self.lines
                        .push(format!("new column {name} {kind}, since {since}"));
                }
            }
        }
        let left_out = fit.left_out.iter();
        let new = left_out.filter_map(|(column, _)| Some((column, since(&column.name)?)));
        match self.external.changes {
            Changes::Ignore => {
                let count = new.count();
                if count > 0 {
                    let columns = if count == 1 {
                        "column is"
                    } else {
                        "columns are"
                    };
                    self.lines
                        .push(format!("{count} {columns} left out, as `changes` says"));
                }
            }
            Changes::Add | Changes::Log => {
                for (FileColumn { name, kind }, path) in new {
                    self.lines
                        .push(format!("column {name} {kind} of {path} is left out"));
                }
            }
        }
    }

    /// Says what is left out, unless the run before said the same.
    fn say_left_out(
        &mut self,
        mut others: BTreeMap<&'static str, (u64, String)>,
    ) -> Result<(), Error> {
        let (connection, name) = (self.connection, &self.external.name);
        let (count, example) = left_out(connection, name)?;
        if let Some(example) = example {
            others.insert("that are no Parquet files", (count, example));
        }
        self.run.left_out = others.values().map(|(count, _)| count).sum();
        let newest = "SELECT left_out FROM external_runs WHERE name = ?
             ORDER BY started_at DESC LIMIT 1";
        let known: Option<u64> = connection
            .query_row(newest, [name], |row| row.get(0))
            .optional()?;
        if known.unwrap_or(0) == self.run.left_out {
            return Ok(());
        }
        if others.is_empty() {
            self.lines.push("nothing is left out any more".to_owned());
        }
        for (why, (count, example)) in others {
            self.lines
                .push(format!("left out {count} files {why}, such as {example}"));
        }
        Ok(())
    }
}

/// A file that the table does not show.
fn unshown(path: String, stamp: Stamp, why: String) -> ForeignFile {
    ForeignFile {
        path,
        stamp,
        rows: 0,
        columns: Vec::new(),
        reason: Some(why),
        left_out: false,
    }
}

/// A file's columns with what its values are, and how many rows it has.
fn contents(spare: &Connection, path: &str) -> Result<(Vec<FileColumn>, u64), duckdb::Error> {
    let from = scan(&[path.to_owned()], false);
    let mut statement = spare.prepare(&format!(
        "SELECT column_name, column_type FROM (DESCRIBE FROM {from})"
    ))?;
    let columns = statement.query_map([], |row| {
        let kind: String = row.get(1)?;
        Ok((row.get(0)?, Kind::parse(&kind)))
    })?;
    let columns: Vec<(String, Kind)> = columns.collect::<Result<_, _>>()?;
    let mut probes = Probes::default();
    for (name, kind) in &columns {
        probes.ask(name, kind);
    }
    let asked: Vec<String> = probes.select().collect();
    // The hash reads every value.
    let sql = format!(
        "SELECT count(*)::UBIGINT, bit_xor(hash(t)), {} FROM {from} t",
        joined(&asked, ", ")
    );
    let (rows, answers) = spare.query_row(&sql, [], |row| {
        let answers = (2..2 + asked.len()).map(|place| row.get::<_, bool>(place));
        Ok((row.get(0)?, answers.collect::<Result<Vec<bool>, _>>()?))
    })?;
    let mut answers = answers.into_iter();
    let told = columns.into_iter().map(|(name, kind)| FileColumn {
        kind: Probes::told(&kind, &mut answers),
        name,
    });
    Ok((told.collect(), rows))
}
