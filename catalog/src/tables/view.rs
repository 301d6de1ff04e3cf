//! A view over one of the lake's tables.

use duckdb::Connection;
use serde::{Deserialize, Serialize};
use sink::Location;

use crate::db::engine::Session;
use crate::error::{Error, sentence};
use crate::sql::{Ident, failing};
use crate::tables::piece::{Piece, ReadGroup, groups};
use crate::tables::select::pieces;
use crate::tables::table::Table;

/// A view, and the macros that list its objects. The view is bound when it is read, so a longer
/// list does not need a new view.
pub(crate) struct View {
    pub(crate) name: String,
    table: Table,
    groups: Vec<ReadGroup>,
    /// True if it is a replay's own.
    replayed: bool,
}

impl View {
    fn new(name: String, table: Table, pieces: &[Piece], replayed: bool) -> Self {
        Self {
            name,
            replayed,
            table,
            groups: groups(pieces),
        }
    }

    /// `clicks` and `dead_letters`, and those of each replay, `clicks_NAME` and
    /// `dead_letters_NAME`.
    pub(crate) fn all(session: &Session) -> Result<Vec<Self>, Error> {
        let replays = session.texts("SELECT DISTINCT replay FROM replays ORDER BY ALL")?;
        let mut views = Vec::new();
        for table in Table::ALL {
            let name = table.name();
            let shown = pieces(session, table, "", "true")?;
            views.push(Self::new(name.to_owned(), table, &shown, false));
            for replay in &replays {
                let objects = pieces(session, table, replay, "true")?;
                views.push(Self::new(format!("{name}_{replay}"), table, &objects, true));
            }
        }
        Ok(views)
    }

    /// A macro's name. A replay's name cannot end like one: what follows `__` is a number.
    fn list_macro(&self, number: usize) -> Ident<String> {
        Ident(format!("{}__{number}", self.name))
    }

    /// SQL that makes the macros list all objects.
    pub(crate) fn list_objects(&self, temp: &str, location: &Location) -> String {
        self.macros(temp, location, usize::MAX)
    }

    /// SQL that makes the macros list the first so many of each group.
    fn macros(&self, temp: &str, location: &Location, count: usize) -> String {
        let groups = self.groups.iter().enumerate();
        let macros = groups.map(|(number, group)| {
            format!(
                "CREATE OR REPLACE {temp} MACRO {}() AS {};",
                self.list_macro(number),
                group.first(location, count)
            )
        });
        macros.collect()
    }

    /// SQL of the view alone.
    pub(crate) fn definition(&self, temp: &str) -> String {
        let calls: Vec<String> = (0..self.groups.len())
            .map(|number| format!("{}()", self.list_macro(number)))
            .collect();
        format!(
            "CREATE OR REPLACE {temp} VIEW {} AS FROM {};",
            Ident(&self.name),
            self.table.over(&self.groups, &calls)
        )
    }

    /// SQL that makes the view. DuckDB opens one object of each list for it, so the macros list
    /// only that one meanwhile.
    pub(crate) fn create(&self, temp: &str, location: &Location) -> String {
        format!(
            "{}{}",
            self.macros(temp, location, 1),
            self.definition(temp)
        )
    }

    /// SQL of its [`FailingView`], with the reason, if an object cannot be opened. `None` if all can be.
    /// `spare` is a connection outside of any transaction, since a failing statement ends one.
    pub(crate) fn unreadable_view(
        &self,
        spare: &Connection,
        temp: &str,
        location: &Location,
    ) -> Option<String> {
        let failing = self.failing_view()?;
        let tried = spare.execute_batch(&self.create("TEMP", location));
        let why = sentence(&tried.err()?);
        let name = &self.name;
        tracing::warn!(table = %name, why, "an object of the replay cannot be read");
        Some(failing.create(temp, &why))
    }

    /// What takes its place if it cannot be opened. `None` unless it is a replay's own and has
    /// objects: the live lake's views fail by themselves.
    pub(crate) fn failing_view(&self) -> Option<FailingView> {
        let own = self.replayed && !self.groups.is_empty();
        own.then(|| FailingView {
            name: self.name.clone(),
            nothing: self.table.over(&[], &[]),
        })
    }
}

/// A view that fails with a reason when it is read.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct FailingView {
    name: String,
    /// SQL of no rows with the view's columns.
    nothing: String,
}

impl FailingView {
    /// SQL that makes the view.
    pub(crate) fn create(&self, temp: &str, why: &str) -> String {
        let Self { name, nothing } = self;
        let why = format!("{name} cannot be read, `clickweir audit` names what is damaged: {why}");
        format!(
            "CREATE OR REPLACE {temp} VIEW {} AS FROM {nothing} UNION ALL BY NAME \
             (SELECT nothing AS \"offset\" FROM ({}));",
            Ident(name),
            failing(&why)
        )
    }
}
