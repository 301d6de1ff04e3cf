//! An answer of a worker on its way into a table of the catalog.

use crate::db::copy::TableWriter;
use crate::db::engine::Session;
use crate::error::Error;
use crate::query::worker::talk::Part;

/// A table that is made anew of what a worker answers. The caller commits.
pub(crate) struct KeptAnswer<'c> {
    catalog: &'c Session,
    table: &'c str,
    /// `None` until the columns come.
    writer: Option<TableWriter<'c>>,
    notes: Vec<String>,
}

impl<'c> KeptAnswer<'c> {
    pub(crate) fn new(catalog: &'c Session, table: &'c str) -> Self {
        Self {
            catalog,
            table,
            writer: None,
            notes: Vec::new(),
        }
    }

    /// Takes a part of the answer.
    ///
    /// # Errors
    /// The catalog's database's.
    pub(crate) fn take(&mut self, part: Part) -> Result<(), Error> {
        match (part, &mut self.writer) {
            (Part::Columns(columns), writer) => {
                *writer = Some(TableWriter::new(self.catalog, self.table, columns)?);
            }
            (Part::Rows(schema, rows), Some(writer)) => writer.push(&schema, rows)?,
            (Part::Rows(..), None) => {
                return Err(Error::Unavailable("rows came before their columns".into()));
            }
            (Part::Notes(notes), _) => self.notes.extend(notes),
            (Part::File(..), _) => {}
        }
        Ok(())
    }

    /// Writes what is left. Returns how many rows the table has, and what people must know of it.
    ///
    /// # Errors
    /// The catalog's database's.
    pub(crate) fn finish(self) -> Result<(u64, Vec<String>), Error> {
        let rows = self.writer.map_or(Ok(0), TableWriter::finish)?;
        Ok((rows, self.notes))
    }
}
