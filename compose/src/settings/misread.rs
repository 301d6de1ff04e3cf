//! What a configuration says that cannot be read, as a sentence.

use figment::error::{Actual, Error, Kind, OneOf};
use figment::{Figment, Metadata};

use super::shown::{SECRETS, shown, source};

/// Which key, where it is set, and what is wrong with its value.
pub(super) fn sentence(figment: &Figment, error: &Error) -> String {
    let key = error.path.join(".");
    let place = error
        .metadata
        .as_ref()
        .map(|metadata| place(metadata, &key));
    let place = place.unwrap_or_default();
    let value = match figment.find_value(&key) {
        Ok(_) if SECRETS.contains(&&*key) => "the value".to_owned(),
        Ok(value) if value.as_dict().is_none() => shown(&value),
        _ => "the value".to_owned(),
    };
    let why = match &error.kind {
        Kind::Message(why) if key.is_empty() => match meant(why) {
            Some(meant) => format!("it is not {meant}"),
            None => why.trim_end().to_owned(),
        },
        Kind::Message(why) => match meant(why) {
            Some(meant) => format!("{value} is not {meant}"),
            None => format!("{value}: {why}"),
        },
        Kind::InvalidType(Actual::Map, _) => "it is a section, not a value".to_owned(),
        Kind::InvalidType(_, expected) => format!("{value} is not {}", plain(expected)),
        Kind::InvalidValue(_, expected) => format!("{value} is not {}", plain(expected)),
        Kind::UnknownVariant(given, known) => format!("`{given}` is not {}", OneOf(known)),
        Kind::UnknownField(given, known) => {
            format!("there is no key `{given}`, but {}", OneOf(known))
        }
        Kind::MissingField(name) => format!("the key `{name}` is missing"),
        other => other.to_string(),
    };
    let key = if key.is_empty() {
        key
    } else {
        format!(" {key}")
    };
    format!("configuration{key}{place}: {why}")
}

/// Where a key is set; empty for the defaults.
pub(super) fn place(metadata: &Metadata, key: &str) -> String {
    let file = metadata
        .source
        .as_ref()
        .and_then(|source| source.file_path());
    match (source(metadata), file) {
        ("file", Some(file)) => format!(" in {}", file.display()),
        ("environment", _) => {
            let name = key.to_uppercase().replace('.', "__");
            format!(" in the environment (CLICKWEIR__{name})")
        }
        ("flag", _) => " in --set".to_owned(),
        _ => String::new(),
    }
}

/// What a key takes, by what a library says of a text that it cannot read.
fn meant(why: &str) -> Option<&'static str> {
    if why.contains("socket address") {
        Some("an address with its port, such as 127.0.0.1:8080")
    } else if why.contains("valid UTF-8") {
        Some("UTF-8: save the file as UTF-8")
    } else {
        None
    }
}

/// What a key takes, in words that are not Rust's.
fn plain(expected: &str) -> &str {
    match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number, which may be negative",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a duration" => "a duration such as 5s",
        "parsable string" => "a size such as 64MiB",
        name if name.starts_with("struct ") => "a section",
        other => other,
    }
}
