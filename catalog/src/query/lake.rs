//! The lake's views.

use sink::Location;

use crate::db::engine::Session;
use crate::error::Error;
use crate::query::views::QueryViews;
use crate::sql::Ident;
use crate::tables::view::View;

/// Makes the lake's views show the objects of a snapshot of the catalog.
pub(crate) fn bind_lake(
    session: &mut Session<QueryViews>,
    catalog: &Session,
    location: &Location,
) -> Result<(), Error> {
    let revision: u64 = catalog
        .connection
        .query_row("SELECT revision FROM meta", [], |row| row.get(0))?;
    if session.state.revision == Some(revision) {
        return Ok(());
    }
    let mut stale = std::mem::take(&mut session.state.lake);
    let spare = session.connection.try_clone()?;
    for view in View::all(catalog)? {
        let definition = view.definition("TEMP");
        let objects = view.list_objects("TEMP", location);
        let known = stale.remove(&view.name);
        if known.as_ref().is_none_or(|(known, _)| *known != definition) {
            if let Some(unreadable) = view.unreadable_view(&spare, "TEMP", location) {
                session.connection.execute_batch(&unreadable)?;
                let bound = (unreadable, String::new());
                session.state.lake.insert(view.name, bound);
                continue;
            }
            let create = view.create("TEMP", location);
            session.connection.execute_batch(&create)?;
        }
        let bound = (definition, objects);
        if known.as_ref() != Some(&bound) {
            session.connection.execute_batch(&bound.1)?;
        }
        session.state.lake.insert(view.name, bound);
    }
    // These are of replays that are gone.
    for name in stale.keys() {
        let drop = format!("DROP VIEW {}", Ident(name));
        session.connection.execute_batch(&drop)?;
    }
    session.state.revision = Some(revision);
    Ok(())
}
