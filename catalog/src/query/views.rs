//! The database where people's SQL runs, and the views of its connections.

use std::collections::BTreeMap;
use std::ffi::OsString;

use duckdb::Connection;

use crate::config::Config;
use crate::db::access::Access;
use crate::db::database;
use crate::db::engine::Session;
use crate::error::Error;
use crate::sql::named;

/// Opens the database.
///
/// # Errors
/// [`Error::Unavailable`].
pub(crate) fn open(config: &Config, access: &Access) -> Result<Connection, Error> {
    let mut spill = OsString::from(&config.path);
    spill.push(".query.tmp");
    let limits = database::limits(config.query_memory, config.threads)?
        .with("temp_directory", spill.to_string_lossy())?;
    let connection = Connection::open_in_memory_with_flags(limits)?;
    database::ready(connection, access)
}

/// What the views of one of its connections show.
#[derive(Default)]
pub(crate) struct Desk {
    /// The catalog's revision that the lake's views list; none before the first.
    pub(crate) revision: Option<u64>,
    /// The lake's views, by name: their SQL, and that of the lists they are made over.
    pub(crate) lake: BTreeMap<String, (String, String)>,
    /// The other views, by name: their SQL.
    pub(crate) views: BTreeMap<String, String>,
}

impl Session<Desk> {
    /// Makes a view, unless it is there.
    pub(crate) fn show(&mut self, name: &str, select: &str) -> Result<(), duckdb::Error> {
        let shown = &mut self.kept.views;
        if shown.get(name).is_none_or(|known| known != select) {
            self.connection.execute_batch(&view(name, select))?;
            shown.insert(name.to_owned(), select.to_owned());
        }
        Ok(())
    }
}

/// SQL that makes a view of a connection.
pub(crate) fn view(name: &str, select: &str) -> String {
    format!("CREATE OR REPLACE TEMP VIEW {} AS {select}", named(name))
}
