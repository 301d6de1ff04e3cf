//! One record of the file, and the click that is made of it.

use std::borrow::Cow;

use serde_json::value::RawValue;

/// One record of the file.
pub(crate) struct SourceRow<'r> {
    /// Each cell's column, text and, if the file is NDJSON, raw value.
    pub(crate) cells: Vec<(&'r str, Cow<'r, str>, Option<&'r RawValue>)>,
}

impl SourceRow<'_> {
    /// Returns the text of a column; an empty one if the record lacks it.
    pub(super) fn text(&self, column: &str) -> &str {
        let cell = self.cells.iter().find(|(name, ..)| *name == column);
        cell.map_or("", |(_, text, _)| text)
    }
}

/// A text that is not of the type that its rule names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Misfit {
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
    /// The texts that were sent as they are, because they are not of their type.
    pub(crate) misfits: Vec<Misfit>,
}
