//! One record of the file, and the click that is made of it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::accept::fields;

/// A column, its text, and its raw value if the file is JSON.
pub(crate) type Cell<'r> = (&'r str, Cow<'r, str>, Option<&'r RawValue>);

/// One record of the file.
pub(crate) struct SourceRow<'r> {
    /// Its cells; of an item, its own before those of its line.
    pub(crate) cells: Vec<Cell<'r>>,
    /// How many of them are an item's own; `None` if the row is a whole line.
    item_cells: Option<usize>,
}

impl<'r> SourceRow<'r> {
    /// A whole line.
    pub(crate) fn new(cells: Vec<Cell<'r>>) -> Self {
        Self {
            cells,
            item_cells: None,
        }
    }

    /// The row of a JSON object.
    pub(crate) fn of_object(fields: &'r BTreeMap<String, &'r RawValue>) -> Self {
        Self::new(object_cells(fields).collect())
    }

    /// The line without a column.
    pub(super) fn without(&'r self, column: &str) -> Self {
        let kept = self.cells.iter().filter(|(name, ..)| *name != column);
        Self::new(kept.map(borrowed).collect())
    }

    /// An item of this line.
    pub(super) fn below(&'r self, item: &'r BTreeMap<String, &'r RawValue>) -> Self {
        let line = self.cells.iter().map(borrowed);
        Self {
            cells: object_cells(item).chain(line).collect(),
            item_cells: Some(item.len()),
        }
    }

    /// The cells that its line does not have.
    pub(super) fn own(&self) -> &[Cell<'r>] {
        &self.cells[..self.item_cells.unwrap_or(self.cells.len())]
    }

    /// Returns true if the row is a whole line.
    pub(super) fn is_line(&self) -> bool {
        self.item_cells.is_none()
    }

    /// Returns the text of a column; an empty one if the record lacks it.
    pub(super) fn text(&self, column: &str) -> &str {
        let mut cells = self.cells.iter();
        let cell = cells.find(|(name, text, _)| *name == column && !text.trim().is_empty());
        cell.map_or("", |(_, text, _)| text)
    }
}

fn object_cells<'r>(fields: &'r BTreeMap<String, &'r RawValue>) -> impl Iterator<Item = Cell<'r>> {
    fields.iter().map(|(name, raw)| {
        let text = fields::as_text(raw).unwrap_or_default();
        (name.as_str(), text, Some(*raw))
    })
}

fn borrowed<'r>((name, text, raw): &'r Cell<'_>) -> Cell<'r> {
    (name, Cow::Borrowed(text), *raw)
}

/// A text that is not of the type that its rule names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// The item that it is of; `None` if it is the line's.
    pub(crate) item: Option<u32>,
    /// The click's field.
    pub(crate) field: String,
    /// What the text is not, without the text.
    pub(crate) why: String,
    /// The text.
    pub(crate) text: String,
}

/// A click that was made from a row.
pub(crate) struct MappedClick {
    pub(crate) json: String,
    /// `None` if the row names no visitor.
    pub(crate) visitor: Option<String>,
    /// How many items it holds, each of which becomes a record; 0 if it is one record.
    pub(crate) items: usize,
    /// The texts that were sent as they are, because they are not of their type.
    pub(crate) misfits: Vec<Misfit>,
}

impl MappedClick {
    /// Notes a text that is not of its type, if it is none.
    pub(super) fn add_misfit(
        &mut self,
        item: Option<u32>,
        field: &str,
        why: Option<String>,
        text: &str,
    ) {
        self.misfits.extend(why.map(|why| Misfit {
            item,
            field: field.to_owned(),
            why,
            text: text.to_owned(),
        }));
    }
}
