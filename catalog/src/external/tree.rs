//! Crawls a tree of foreign Parquet files: files that are new or have changed are read whole by a
//! worker, deleted ones are forgotten, and the table's schema is decided over all of them, in one
//! transaction a run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use duckdb::{Connection, OptionalExt};

use crate::config::{Changes, External};
use crate::error::{Error, Trouble};
use crate::external::adoption::Adoption;
use crate::external::fit::{FileColumn, FileShape, Fit, TableColumn, column, fit, is_same};
use crate::external::folder::{FolderKinds, folder_values};
use crate::external::listing::Stamp;
use crate::external::misfit::MisfitCount;
use crate::external::objects::{
    ForeignFile, TreeTable, forget, forget_all, keep_table, left_out, parsed, remember, set_reason,
    sound_files, table,
};
use crate::external::run::{AdoptionRun, spoiled};
use crate::external::scan::misfits;
use crate::external::survey::{TreeSurvey, UNREAD, survey, unshown};
use crate::query::worker::talk::Part;
use crate::query::worker::wire::ForeignSource;
use crate::sql::joined;

/// How many lines a run's detail has at most.
const MAX_DETAIL_LINES: usize = 20;

/// One run.
///
/// # Errors
/// The database's, and [`Error::Unavailable`] or [`Error::Busy`] if no worker could be had.
pub(super) async fn crawl(run: &AdoptionRun) -> Result<Adoption, Error> {
    let (reach, external) = (Arc::clone(&run.reach), Arc::clone(&run.external));
    let mut survey = run
        .look(move |session| survey(session, &reach, &external))
        .await?;
    for (path, stamp) in std::mem::take(&mut survey.unread) {
        let file = read(run, path, stamp).await?;
        survey.fresh.push(file);
    }
    survey.fresh.sort_by(|one, other| one.path.cmp(&other.path));
    let (result, external, start) = (run.result(), Arc::clone(&run.external), run.start);
    let (mut result, counts) = run
        .write(move |session| {
            let (result, counts) = adopt(&session.connection, &external, survey, result)?;
            // Where more is to be read for its history, it is kept afterwards.
            match counts.is_empty() {
                true => Ok((start.keep(session, result)?, counts)),
                false => Ok((result, counts)),
            }
        })
        .await?;
    if counts.is_empty() {
        return Ok(result);
    }
    let said = match run.read(ForeignSource::Misfits(counts)).await {
        Ok(parts) => parts.into_iter().find_map(|part| match part {
            Part::Notes(notes) => Some(notes.join("\n")),
            _ => None,
        }),
        Err(error) => {
            let why = spoiled(error)?.why;
            Some(format!("what `types` does not hold was not counted: {why}"))
        }
    };
    let lines = [result.detail, said.unwrap_or_default()];
    let lines = lines.iter().filter(|text| !text.is_empty());
    result.detail = joined(lines, "\n");
    run.finish(move |_| Ok(result)).await
}

/// Has a file read whole. One that ends its reader costs itself, and the next one gets another.
async fn read(run: &AdoptionRun, path: String, stamp: Stamp) -> Result<ForeignFile, Error> {
    let source = ForeignSource::Parquet { path: path.clone() };
    let spoiled = match run.read(source).await {
        Ok(parts) => {
            let found = parts.into_iter().find_map(|part| match part {
                Part::File(columns, rows) => Some((columns, rows)),
                _ => None,
            });
            let (columns, rows) =
                found.ok_or_else(|| Error::Unavailable(format!("nothing was said of {path}")))?;
            return Ok(ForeignFile {
                rows,
                columns,
                reason: None,
                ..unshown(path, stamp, String::new())
            });
        }
        Err(error) => spoiled(error)?,
    };
    let passing = path.starts_with("s3://")
        && matches!(Trouble::of(&spoiled.why), Trouble::Failing | Trouble::Gone);
    let stamp = match spoiled.again || passing {
        true => UNREAD,
        false => stamp,
    };
    Ok(unshown(path, stamp, spoiled.why))
}

/// Writes what was found.
fn adopt(
    connection: &Connection,
    external: &External,
    mut survey: TreeSurvey,
    run: Adoption,
) -> Result<(Adoption, Vec<MisfitCount>), Error> {
    let name = &external.name;
    let mut crawl = TreeCrawl {
        connection,
        external,
        run,
        lines: Vec::new(),
        counts: Vec::new(),
    };
    match (survey.unlisted.take(), survey.table_format) {
        // What is known stays.
        (Some(why), _) => crawl.lines.push(why),
        (None, Some(format)) => crawl.refuse(format)?,
        (None, None) => crawl.adopt(survey)?,
    }
    let TreeCrawl {
        mut run,
        mut lines,
        counts,
        ..
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
    Ok((run, counts))
}

/// A run under way.
struct TreeCrawl<'c> {
    connection: &'c Connection,
    external: &'c External,
    run: Adoption,
    lines: Vec<String>,
    /// What a worker is asked afterwards.
    counts: Vec<MisfitCount>,
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

    /// Forgets deleted files, remembers new and changed ones, and decides the schema anew.
    fn adopt(&mut self, survey: TreeSurvey) -> Result<(), Error> {
        let (connection, name) = (self.connection, &self.external.name);
        if survey.is_empty {
            let root = self.external.path.trim_end_matches('/');
            self.lines
                .push(format!("there are no Parquet files at {root}"));
        }
        for path in &survey.gone {
            forget(connection, name, path)?;
            self.run.gone += 1;
        }
        let fresh = &survey.fresh;
        for file in fresh {
            let again = file.stamp == UNREAD && survey.known.get(&file.path) == Some(&UNREAD);
            self.run.found += u64::from(!again);
            remember(connection, name, file)?;
        }
        if self.run.gone > 0 || !fresh.is_empty() {
            self.decide(fresh)?;
            self.count_misfits(fresh)?;
        }
        self.say_left_out(survey.left_out)
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

    /// Has the values of new files counted that the types which the configuration says do not hold.
    fn count_misfits(&mut self, fresh: &[ForeignFile]) -> Result<(), Error> {
        let read = fresh.iter().filter(|file| file.reason.is_none());
        let paths: BTreeSet<&str> = read.map(|file| file.path.as_str()).collect();
        if paths.is_empty() || self.external.types.is_empty() {
            return Ok(());
        }
        let (counts, lines) = misfits(self.connection, self.external, &paths)?;
        self.counts = counts;
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
