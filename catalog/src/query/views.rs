//! The views of a connection to the query database.

use std::collections::BTreeMap;

use crate::db::engine::Session;
use crate::sql::Ident;

/// The views that a connection has.
#[derive(Default)]
pub(crate) struct QueryViews {
    /// The catalog's revision that the lake's views list. `None` before the first.
    pub(crate) revision: Option<u64>,
    /// The lake's views, by name: their SQL, and that of the lists of their objects.
    pub(crate) lake: BTreeMap<String, (String, String)>,
    /// The other views, by name: their SQL.
    others: BTreeMap<String, String>,
}

/// Makes a view, unless the connection has it already.
pub(crate) fn show(
    session: &mut Session<QueryViews>,
    name: &str,
    select: &str,
) -> Result<(), duckdb::Error> {
    let views = &mut session.state.others;
    if views.get(name).is_none_or(|known| known != select) {
        session
            .connection
            .execute_batch(&create_view(name, select))?;
        views.insert(name.to_owned(), select.to_owned());
    }
    Ok(())
}

/// SQL that makes a view of a connection.
pub(crate) fn create_view(name: &str, select: &str) -> String {
    format!("CREATE OR REPLACE TEMP VIEW {} AS {select}", Ident(name))
}
