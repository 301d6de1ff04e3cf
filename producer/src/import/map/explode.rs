//! The list of a line that holds several events.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::row::SourceRow;

/// An item's fields.
pub(super) type ItemFields<'r> = BTreeMap<String, &'r RawValue>;

/// The objects of a column's list; `None` if it holds anything else, or nothing.
pub(super) fn items_of<'r>(row: &'r SourceRow<'_>, column: &str) -> Option<Vec<ItemFields<'r>>> {
    let (_, text, raw) = row.cells.iter().find(|(name, ..)| *name == column)?;
    // A cell of a CSV file is text that may be JSON.
    let list = raw.map_or(&**text, RawValue::get);
    let items: Vec<ItemFields<'r>> = serde_json::from_str(list).ok()?;
    (!items.is_empty()).then_some(items)
}
