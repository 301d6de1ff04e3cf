//! Files of text as a worker reads them: their cells are gathered, and then get types.

use duckdb::Connection;

use crate::config::External;
use crate::error::Error;
use crate::external::cells::dialect::CsvFile;
use crate::external::cells::guess::CellPlan;
use crate::external::cells::json::{self, JsonColumn, JsonColumns};
use crate::external::cells::raw::{RawTable, TypedFile};
use crate::external::cells::text::{self, OpenFile};

/// The rows of a CSV file.
pub(crate) fn csv(
    connection: &Connection,
    external: &External,
    open: OpenFile<'_>,
) -> Result<TypedFile, Error> {
    let file = CsvFile { open, external };
    let dialect = file.dialect().map_err(Error::Invalid)?;
    let mut records = file.rows(&dialect).map_err(Error::Invalid)?;
    let mut raw = RawTable::new(connection, &dialect.names)?;
    while let Some((_, record)) = records.next_record().map_err(Error::Invalid)? {
        raw.push(record.iter().map(Option::as_deref))?;
    }
    let plans = vec![CellPlan::Guessed { numbers: false }; dialect.names.len()];
    let mut typed = raw.finish(external, &plans)?;
    typed.notes.splice(0..0, dialect.notes);
    Ok(typed)
}

/// The rows of a JSON file.
pub(crate) fn json(
    connection: &Connection,
    external: &External,
    open: OpenFile<'_>,
) -> Result<TypedFile, Error> {
    let text = || text::open(open, external).map_err(Error::Invalid);
    let mut columns = JsonColumns::default();
    json::rows(text()?, &mut |row| columns.add(&row)).map_err(Error::Invalid)?;
    if columns.columns.is_empty() {
        return Err(Error::Invalid("its objects have no keys".to_owned()));
    }
    let names: Vec<String> = columns.columns.iter().map(|one| one.name.clone()).collect();
    let mut raw = RawTable::new(connection, &names)?;
    let mut failed = None;
    let read = json::rows(text()?, &mut |row| {
        let cells = columns.cells(row)?;
        let pushed = raw.push(cells.iter().map(Option::as_deref));
        pushed.map_err(|error| {
            let why = error.to_string();
            failed = Some(error);
            why
        })
    });
    if let Some(error) = failed {
        return Err(error);
    }
    read.map_err(Error::Invalid)?;
    let plans: Vec<CellPlan> = columns.columns.iter().map(JsonColumn::plan).collect();
    raw.finish(external, &plans)
}
