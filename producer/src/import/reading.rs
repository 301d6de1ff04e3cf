//! Reads a file as batches of drafts: split into lines, mapped, wrapped in envelopes.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;
use tokio::sync::mpsc;

use super::batch::{BatchBuilder, DraftBatch, LineClick};
use super::csv::CsvReader;
use super::error::Error;
use super::job::{Import, ImportFormat};
use super::lines::{LineReader, Torn};
use super::map::{ColumnMap, MapError, MappedClick, SourceRow};
use super::source::SourceFile;
use crate::accept::edge::Edge;
use crate::accept::identity::{self, ClickIdentity};
use crate::accept::scan::{self, MAX_DEPTH};

/// How many batches are read before they are sent.
pub(super) const AHEAD_BATCHES: usize = 4;

/// Reads the file after line `from` and sends its batches until they are no longer
/// received. Returns the number of records up to `from`.
pub(super) fn read(
    file: &SourceFile,
    import: &Import,
    from: u64,
    edge: &Edge,
    batches: &mpsc::Sender<DraftBatch>,
) -> Result<u64, Error> {
    let builder = BatchBuilder::new(file, edge, batches);
    match (import.format, &import.map) {
        (ImportFormat::Csv, None) => Err(MapError::needed().into()),
        (ImportFormat::Csv, Some(map)) => read_csv(file, map, from, builder),
        (ImportFormat::Ndjson, map) => read_ndjson(file, map.as_ref(), from, builder),
    }
}

fn read_csv(
    file: &SourceFile,
    map: &ColumnMap,
    from: u64,
    mut builder: BatchBuilder<'_>,
) -> Result<u64, Error> {
    let unreadable = |error| file.unreadable(error);
    let mut csv = CsvReader::new(LineReader::new(file.inflated()?));
    let Some(header) = csv.header().map_err(unreadable)? else {
        return Ok(0);
    };
    map.check(&header)?;
    let mut passed = 0;
    while let Some((line, record)) = csv.next().map_err(unreadable)? {
        if line <= from {
            passed += 1;
            continue;
        }
        let end = csv.lines().consumed();
        let click = record.map(|fields| map_record(map, &header, &fields));
        if !builder.push(line, end, click) {
            return Ok(passed);
        }
    }
    builder.flush();
    Ok(passed)
}

fn read_ndjson(
    file: &SourceFile,
    map: Option<&ColumnMap>,
    from: u64,
    mut builder: BatchBuilder<'_>,
) -> Result<u64, Error> {
    let mut lines = LineReader::new(file.inflated()?);
    let mut passed = 0;
    while let Some((line, text)) = lines.next_text().map_err(|error| file.unreadable(error))? {
        if line <= from {
            passed += 1;
            continue;
        }
        let click = text.and_then(|text| parse_object(map, &text));
        if !builder.push(line, lines.consumed(), click) {
            return Ok(passed);
        }
    }
    builder.flush();
    Ok(passed)
}

fn map_record(map: &ColumnMap, header: &[String], fields: &[String]) -> LineClick {
    let cells = header.iter().zip(fields);
    let cells = cells.map(|(name, text)| (name.as_str(), Cow::Borrowed(text.as_str()), None));
    line_click(map.click(&SourceRow {
        cells: cells.collect(),
    }))
}

fn line_click(mapped: MappedClick) -> LineClick {
    let click = RawValue::from_string(mapped.json).expect("the mapping writes JSON");
    (click, mapped.visitor)
}

fn parse_object(map: Option<&ColumnMap>, text: &str) -> Result<LineClick, Torn> {
    let torn = |reason: String| Torn::new(reason, text.as_bytes());
    if !text.starts_with('{') {
        return Err(torn("the line is not an object".into()));
    }
    scan::end(text, MAX_DEPTH).map_err(|fault| torn(fault.reason))?;
    let Some(map) = map else {
        let click: &RawValue =
            serde_json::from_str(text).map_err(|error| torn(error.to_string()))?;
        let visitor = ClickIdentity::of(click)
            .map_err(torn)?
            .visitor
            .map(Cow::into_owned);
        return Ok((click.to_owned(), visitor));
    };
    let fields: BTreeMap<String, &RawValue> =
        serde_json::from_str(text).map_err(|error| torn(error.to_string()))?;
    let cells = fields.iter().map(|(name, raw)| {
        (
            name.as_str(),
            identity::as_text(raw).unwrap_or_default(),
            Some(*raw),
        )
    });
    Ok(line_click(map.click(&SourceRow {
        cells: cells.collect(),
    })))
}
