//! The lake's tables as SQL: over explicit lists of objects, and the same columns whatever
//! the objects hold.

use duckdb::Connection;
use sink::{COLUMNS, Location, Type};

use crate::Error;
use crate::desk::Desk;
use crate::engine::Session;
use crate::error::sentence;
use crate::remote::quoted;

/// The columns of dead letters, and their types.
const LETTERS: [(&str, &str); 7] = [
    ("partition", "UINTEGER"),
    ("offset", "UBIGINT"),
    ("appended_at", Type::Time.sql()),
    ("event_id", "UUID"),
    ("reason", "VARCHAR"),
    ("detail", "VARCHAR"),
    ("raw", "BLOB"),
];

/// One of the lake's tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    Clicks,
    Letters,
}

impl Table {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Clicks => "clicks",
            Self::Letters => "dead_letters",
        }
    }

    /// Its columns, and their types.
    pub(crate) fn columns(self) -> Vec<(&'static str, &'static str)> {
        match self {
            Self::Clicks => COLUMNS
                .iter()
                .map(|column| (column.name, column.kind.sql()))
                .collect(),
            Self::Letters => LETTERS.to_vec(),
        }
    }

    /// The rows of the pieces, as an SQL table. Empty, with its types, where there is none.
    pub(crate) fn of(self, pieces: &[Piece], location: &Location) -> String {
        let parts = parts(pieces);
        let lists: Vec<String> = parts
            .iter()
            .map(|part| list(location, &part.paths))
            .collect();
        self.over(&parts, &lists)
    }

    /// The table over parts whose objects SQL expressions list: those with exactly this
    /// program's columns, which are opened as they are read, and those of other versions,
    /// whose columns are looked up in each.
    fn over(self, parts: &[Part], lists: &[String]) -> String {
        let columns = self.columns();
        let typed: Vec<String> = columns
            .iter()
            .map(|(name, kind)| format!(r#"NULL::{kind} AS "{name}""#))
            .collect();
        let names: Vec<String> = columns
            .iter()
            .map(|(name, _)| format!(r#""{name}""#))
            .collect();
        let names = names.join(", ");
        let empty = format!("SELECT {} WHERE false", typed.join(", "));
        let select = |(part, list): (&Part, &String)| {
            let rows = if part.current {
                format!("read_parquet({list}, hive_partitioning = false)")
            } else {
                // The empty table lends its columns to objects that lack them.
                format!(
                    "({empty} UNION ALL BY NAME SELECT * FROM \
                     read_parquet({list}, union_by_name = true, hive_partitioning = false))"
                )
            };
            let within = part.within.join(" OR ");
            let within = if within.is_empty() { "true" } else { &within };
            format!("SELECT {names} FROM {rows} WHERE {within}")
        };
        let mut selects: Vec<String> = parts.iter().zip(lists).map(select).collect();
        if selects.is_empty() {
            selects.push(empty);
        }
        format!("({})", selects.join(" UNION ALL "))
    }
}

/// What is shown of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) path: String,
    /// Whether its columns are exactly those that this program writes.
    current: bool,
    /// How many rows of it are shown.
    pub(crate) rows: u64,
    /// Where not all of it is: the lake it is in, the partition, from which offset, to which.
    cut: Option<(String, u32, u64, u64)>,
}

impl Piece {
    /// All of an object.
    pub(crate) const fn whole(path: String, current: bool, rows: u64) -> Self {
        Self {
            path,
            current,
            rows,
            cut: None,
        }
    }

    /// The rows `first..end` of an object of the lake of that name.
    pub(crate) const fn cut(
        path: String,
        current: bool,
        rows: u64,
        lake: String,
        partition: u32,
        (first, end): (u64, u64),
    ) -> Self {
        Self {
            path,
            current,
            rows,
            cut: Some((lake, partition, first, end)),
        }
    }
}

/// Pieces in groups of no more than so many rows, or of one piece.
pub(crate) fn slices(pieces: &[Piece], most: u64) -> impl Iterator<Item = &[Piece]> {
    let mut rest = pieces;
    std::iter::from_fn(move || {
        let slice;
        (slice, rest) = rest.split_at(fitting(rest, most, |piece| piece.rows));
        (!slice.is_empty()).then_some(slice)
    })
}

/// How many come first whose rows are no more than so many together, or the first one.
pub(crate) fn fitting<T>(all: &[T], most: u64, rows: impl Fn(&T) -> u64) -> usize {
    let mut sum = 0;
    let fits = |one: &&T| {
        sum += rows(one);
        sum <= most
    };
    all.iter().take_while(fits).count().max(1).min(all.len())
}

/// Objects that are read together.
#[derive(Debug, Default)]
struct Part {
    /// The lake they are in, where they are cut: in one lake an offset stands once, so that
    /// ranges of offsets say what is shown of each.
    lake: Option<String>,
    current: bool,
    paths: Vec<String>,
    /// SQL of the ranges.
    within: Vec<String>,
}

/// Sorts pieces into what can be read together; empty parts are left out.
fn parts(pieces: &[Piece]) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for piece in pieces {
        let lake = piece.cut.as_ref().map(|(lake, ..)| lake);
        let same = |part: &Part| part.lake.as_ref() == lake && part.current == piece.current;
        let at = parts.iter().position(same).unwrap_or_else(|| {
            parts.push(Part {
                lake: lake.cloned(),
                current: piece.current,
                ..Part::default()
            });
            parts.len() - 1
        });
        let part = &mut parts[at];
        // An object out of whose middle something is cut has two pieces.
        if part.paths.last() != Some(&piece.path) {
            part.paths.push(piece.path.clone());
        }
        if let Some((_, partition, first, end)) = &piece.cut {
            part.within.push(format!(
                r#"("partition" = {partition} AND "offset" >= {first} AND "offset" < {end})"#
            ));
        }
    }
    // Whichever object came first, a view over the same parts has one text.
    parts.sort_by(|a, b| (&a.lake, !a.current).cmp(&(&b.lake, !b.current)));
    parts
}

/// A view, and the macros through which it names its objects. So it is bound when it is read,
/// and a longer list needs no new view.
pub(crate) struct View {
    name: String,
    table: Table,
    parts: Vec<Part>,
    /// Whether it is a replay's own.
    replayed: bool,
}

impl View {
    fn new(name: String, table: Table, pieces: &[Piece], replayed: bool) -> Self {
        Self {
            name,
            replayed,
            table,
            parts: parts(pieces),
        }
    }

    /// A macro's name. A replay's ends no other view's: what follows `__` is a number.
    fn list(&self, number: usize) -> String {
        format!("{}__{number}", self.name)
    }

    /// SQL that makes the macros list the objects.
    pub(crate) fn objects(&self, temp: &str, location: &Location) -> String {
        self.macros(temp, location, usize::MAX)
    }

    /// … or the first so many of each part.
    fn macros(&self, temp: &str, location: &Location, most: usize) -> String {
        let parts = self.parts.iter().enumerate();
        let macros = parts.map(|(number, part)| {
            format!(
                "CREATE OR REPLACE {temp} MACRO {}() AS {};",
                self.list(number),
                list(location, &part.paths[..part.paths.len().min(most)])
            )
        });
        macros.collect()
    }

    /// SQL of the view alone.
    fn text(&self, temp: &str) -> String {
        let calls: Vec<String> = (0..self.parts.len())
            .map(|number| format!("{}()", self.list(number)))
            .collect();
        let over = self.table.over(&self.parts, &calls);
        format!(
            "CREATE OR REPLACE {temp} VIEW {} AS FROM {over};",
            self.name
        )
    }

    /// SQL of the view of a replay of which an object cannot be opened, none where all can be:
    /// it says why when it is read, and takes no other table down. `spare` is a connection
    /// outside of any transaction, since what fails in one ends it.
    pub(crate) fn excuse(
        &self,
        spare: &Connection,
        temp: &str,
        location: &Location,
    ) -> Option<String> {
        if !self.replayed || self.parts.is_empty() {
            return None;
        }
        let tried = spare.execute_batch(&self.create("TEMP", location));
        let why = sentence(&tried.err()?);
        let name = &self.name;
        tracing::warn!(table = %name, why, "an object of the replay cannot be read");
        let empty = self.table.over(&[], &[]);
        let why = quoted(&format!(
            "{name} cannot be read, `clickweir audit` names what is damaged: {why}"
        ));
        Some(format!(
            "CREATE OR REPLACE {temp} VIEW {name} AS FROM {empty} UNION ALL BY NAME \
             SELECT NULL AS \"offset\" WHERE error({why})::BOOLEAN;"
        ))
    }

    /// SQL that makes the view. Making it opens one object of each list, which is why the
    /// macros list only that one meanwhile.
    pub(crate) fn create(&self, temp: &str, location: &Location) -> String {
        format!("{}{}", self.macros(temp, location, 1), self.text(temp))
    }
}

/// A path as a pattern that means nothing but itself.
pub(crate) fn plain(path: &str) -> String {
    let mut plain = String::with_capacity(path.len());
    for letter in path.chars() {
        match letter {
            '*' | '?' | '[' => plain.extend(['[', letter, ']']),
            letter => plain.push(letter),
        }
    }
    plain
}

/// Absolute names of the lake's paths, as a list in SQL.
fn list(location: &Location, paths: &[String]) -> String {
    let quote = |path: &String| quoted(&plain(&location.absolute(path)));
    let quoted: Vec<String> = paths.iter().map(quote).collect();
    format!("[{}]", quoted.join(", "))
}

impl Session<Desk> {
    /// Makes the lake's views show the objects of a snapshot of the catalog's own database.
    pub(crate) fn bind_lake(
        &mut self,
        catalog: &Session,
        location: &Location,
    ) -> Result<(), Error> {
        let revision: u64 =
            catalog
                .connection
                .query_row("SELECT revision FROM meta", [], |row| row.get(0))?;
        if self.kept.revision == Some(revision) {
            return Ok(());
        }
        let mut stale = std::mem::take(&mut self.kept.lake);
        let spare = self.connection.try_clone()?;
        for view in catalog.views()? {
            let (text, objects) = (view.text("TEMP"), view.objects("TEMP", location));
            let known = stale.remove(&view.name);
            if known.as_ref().is_none_or(|(known, _)| *known != text) {
                if let Some(excuse) = view.excuse(&spare, "TEMP", location) {
                    self.connection.execute_batch(&excuse)?;
                    self.kept.lake.insert(view.name, (excuse, String::new()));
                    continue;
                }
                self.connection
                    .execute_batch(&view.create("TEMP", location))?;
            }
            if known.as_ref() != Some(&(text.clone(), objects.clone())) {
                self.connection.execute_batch(&objects)?;
            }
            self.kept.lake.insert(view.name, (text, objects));
        }
        // The lake became another topic's, and its replays are gone.
        for name in stale.keys() {
            self.connection
                .execute_batch(&format!("DROP VIEW {name}"))?;
        }
        self.kept.revision = Some(revision);
        Ok(())
    }
}

impl Session {
    /// `clicks` and `dead_letters`, and those of each replay, `clicks_NAME` and
    /// `dead_letters_NAME`.
    pub(crate) fn views(&self) -> Result<Vec<View>, Error> {
        let mut views = Vec::new();
        for table in [Table::Clicks, Table::Letters] {
            let pieces = self.pieces(table, "true")?;
            views.push(View::new(table.name().to_owned(), table, &pieces, false));
            for replay in self.paths("SELECT DISTINCT replay FROM replays ORDER BY ALL")? {
                let pieces = self.pieces_of(table, &replay, "true")?;
                views.push(View::new(
                    format!("{}_{replay}", table.name()),
                    table,
                    &pieces,
                    true,
                ));
            }
        }
        Ok(views)
    }

    /// What `shown` lists of a table and an SQL condition holds for.
    pub(crate) fn pieces(&self, table: Table, condition: &str) -> Result<Vec<Piece>, Error> {
        self.listed(table, "shown", condition)
    }

    /// The objects of a lake, empty for the live one, for which an SQL condition holds.
    pub(crate) fn pieces_of(
        &self,
        table: Table,
        replay: &str,
        condition: &str,
    ) -> Result<Vec<Piece>, Error> {
        let objects = format!("(SELECT *, false AS cut FROM objects WHERE replay = '{replay}')");
        self.listed(table, &objects, condition)
    }

    fn listed(&self, table: Table, from: &str, condition: &str) -> Result<Vec<Piece>, Error> {
        // Dead letters are few: their columns are looked up in each object.
        let (path, current, counted) = match table {
            Table::Clicks => ("path", "current", "\"rows\""),
            Table::Letters => ("letters", "false", "dead_letters"),
        };
        let mut statement = self.connection.prepare(&format!(
            r#"SELECT {path}, {current}, cut, replay, partition, "first", "end", {counted} FROM {from}
               WHERE {counted} > 0 AND ({condition}) ORDER BY replay, partition, "first""#
        ))?;
        let pieces = statement.query_map([], |row| {
            let (path, current, rows) = (row.get(0)?, row.get(1)?, row.get(7)?);
            Ok(if row.get(2)? {
                let range = (row.get(5)?, row.get(6)?);
                Piece::cut(path, current, rows, row.get(3)?, row.get(4)?, range)
            } else {
                Piece::whole(path, current, rows)
            })
        })?;
        Ok(pieces.collect::<Result<_, _>>()?)
    }

    /// A column of text.
    pub(crate) fn paths(&self, sql: &str) -> Result<Vec<String>, Error> {
        let mut statement = self.connection.prepare(sql)?;
        let rows = statement.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invariant_7_a_list_means_what_it_says() {
        let folder = Location::Folder("/a [b]/it's*".into());
        assert_eq!(
            list(&folder, &["x?.parquet".to_owned()]),
            "['/a [[]b]/it''s[*]/x[?].parquet']"
        );
    }
}
