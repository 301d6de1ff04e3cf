//! The lake's tables as SQL: over explicit lists of objects, and the same columns whatever
//! the objects hold.

use duckdb::Connection;
use sink::Location;

use crate::db::engine::Session;
use crate::error::{Error, sentence};
use crate::sql::quoted;
use crate::tables::piece::{Part, Piece, list, parts};
use crate::tables::table::Table;

/// A view, and the macros through which it names its objects. So it is bound when it is read,
/// and a longer list needs no new view.
pub(crate) struct View {
    pub(crate) name: String,
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
    pub(crate) fn text(&self, temp: &str) -> String {
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
}
