//! JSON that the edge writes of what a client sent in another form.

use serde_json::value::RawValue;

use crate::accept::pixel::write_text;

/// An object that is being written.
pub(super) struct ObjectText(Vec<u8>);

impl ObjectText {
    pub(super) fn new() -> Self {
        Self(vec![b'{'])
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.len() == 1
    }

    /// Adds a field that is text. Bytes that are not UTF-8 stay for the edge to replace.
    pub(super) fn text(&mut self, name: &[u8], value: &[u8]) {
        self.name(name);
        write_text(&mut self.0, value);
    }

    /// Adds a field that is a number if its text is one of JSON.
    pub(super) fn number(&mut self, name: &[u8], value: &[u8]) {
        match as_number(value) {
            Some(number) => self.json(name, number.get().as_bytes()),
            None => self.text(name, value),
        }
    }

    /// Adds a field whose value is JSON.
    pub(super) fn json(&mut self, name: &[u8], value: &[u8]) {
        self.name(name);
        self.0.extend_from_slice(value);
    }

    fn name(&mut self, name: &[u8]) {
        if !self.is_empty() {
            self.0.push(b',');
        }
        write_text(&mut self.0, name);
        self.0.push(b':');
    }

    pub(super) fn end(mut self) -> Vec<u8> {
        self.0.push(b'}');
        self.0
    }
}

/// Elements as an array of JSON.
pub(super) fn array(elements: &[Vec<u8>]) -> Vec<u8> {
    let mut json = vec![b'['];
    json.extend_from_slice(&elements.join(&b','));
    json.push(b']');
    json
}

fn as_number(value: &[u8]) -> Option<&RawValue> {
    let is_number = value
        .first()
        .is_some_and(|first| *first == b'-' || first.is_ascii_digit());
    match is_number {
        true => serde_json::from_slice(value).ok(),
        false => None,
    }
}
