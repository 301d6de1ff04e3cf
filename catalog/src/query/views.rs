//! The views of a worker's connection.

use std::collections::BTreeMap;

use duckdb::Connection;

use crate::error::{Error, sentence};
use crate::query::worker::wire::{Binding, LakeView};
use crate::sql::Ident;

/// The views that a connection has.
#[derive(Default)]
pub(crate) struct QueryViews {
    /// The lake's views, by name: their SQL, and that of the lists of their objects.
    lake: BTreeMap<String, (String, String)>,
    /// The other views, by name: their SQL.
    others: BTreeMap<String, String>,
}

impl QueryViews {
    /// Makes the views that a statement may name. `spare` is a connection outside of the
    /// transaction, since a failing statement ends one.
    ///
    /// # Errors
    /// The database's, and [`Error::Invalid`] for an external table that cannot be read.
    pub(crate) fn bind(
        &mut self,
        connection: &Connection,
        spare: &Connection,
        names: Binding,
    ) -> Result<(), Error> {
        for (name, select) in &names.tables {
            self.show(connection, name, select)?;
        }
        if let Some(views) = names.lake {
            self.bind_lake(connection, spare, views)?;
        }
        for (name, select) in &names.live {
            self.show(connection, name, select)?;
        }
        for external in &names.externals {
            let (name, select) = (&external.name, &external.select);
            let tried = || spare.execute_batch(&create_view(name, select));
            if !external.named && tried().is_err() {
                continue;
            }
            self.show(connection, name, select).map_err(|error| {
                let why = sentence(&error);
                Error::Invalid(format!("external table {name}: {why}"))
            })?;
        }
        Ok(())
    }

    /// Makes the lake's views show these lists of objects, and drops those that are gone.
    fn bind_lake(
        &mut self,
        connection: &Connection,
        spare: &Connection,
        views: Vec<LakeView>,
    ) -> Result<(), Error> {
        let mut stale = std::mem::take(&mut self.lake);
        for view in views {
            let known = stale.remove(&view.name);
            if known
                .as_ref()
                .is_none_or(|(known, _)| *known != view.definition)
            {
                if let Some(unreadable) = unreadable(spare, &view) {
                    connection.execute_batch(&unreadable)?;
                    self.lake.insert(view.name, (unreadable, String::new()));
                    continue;
                }
                connection.execute_batch(&view.create)?;
            }
            let bound = (view.definition, view.objects);
            if known.as_ref() != Some(&bound) {
                connection.execute_batch(&bound.1)?;
            }
            self.lake.insert(view.name, bound);
        }
        // These are of replays that are gone.
        for name in stale.keys() {
            connection.execute_batch(&format!("DROP VIEW {}", Ident(name)))?;
        }
        Ok(())
    }

    /// Makes a view, unless the connection has it already.
    fn show(
        &mut self,
        connection: &Connection,
        name: &str,
        select: &str,
    ) -> Result<(), duckdb::Error> {
        if self.others.get(name).is_none_or(|known| known != select) {
            connection.execute_batch(&create_view(name, select))?;
            self.others.insert(name.to_owned(), select.to_owned());
        }
        Ok(())
    }
}

/// SQL of the view that takes the place of one that cannot be opened. `None` if it can be.
fn unreadable(spare: &Connection, view: &LakeView) -> Option<String> {
    let instead = view.unreadable.as_ref()?;
    let error = spare.execute_batch(&view.create).err()?;
    Some(instead.create("TEMP", &sentence(&error)))
}

/// SQL that makes a view of a connection.
fn create_view(name: &str, select: &str) -> String {
    format!("CREATE OR REPLACE TEMP VIEW {} AS {select}", Ident(name))
}
