//! Pieces of the JSON that a mapping writes.

/// Writes a member's name into an object that is begun.
pub(in crate::import) fn push_name(json: &mut String, name: &str) {
    if !json.ends_with('{') {
        json.push(',');
    }
    push_quoted(json, name);
    json.push(':');
}

/// Writes a text.
pub(in crate::import) fn push_quoted(json: &mut String, text: &str) {
    json.push_str(&serde_json::to_string(text).expect("text is always a JSON string"));
}
