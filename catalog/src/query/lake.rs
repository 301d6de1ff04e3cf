//! The lake's tables, bound.

use sink::Location;

use crate::db::engine::Session;
use crate::error::Error;
use crate::query::views::Desk;

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
