//! The server access log of an S3 bucket.

use super::entry::{LogEntry, clf_time, present_owned, url_text};
use super::fields::FieldReader;

/// The fields, in their order; what comes after them is kept as it is.
const FIELDS: [&str; 26] = [
    "bucket_owner",
    "bucket",
    "time",
    "client",
    "requester",
    "request_id",
    "operation",
    "key",
    "request",
    "status",
    "error_code",
    "bytes",
    "object_size",
    "total_time",
    "turn_around_time",
    "referrer",
    "user_agent",
    "version_id",
    "host_id",
    "signature_version",
    "cipher_suite",
    "authentication_type",
    "host_header",
    "tls_version",
    "access_point_arn",
    "acl_required",
];
/// How many of them each line has.
const LEAST_FIELDS: usize = 17;

/// Reads a line.
pub(super) fn entry(line: &str) -> Result<LogEntry, String> {
    let mut entry = LogEntry::default();
    let mut fields = FieldReader::new(line);
    for (number, name) in FIELDS.into_iter().enumerate() {
        if name == "time" && !fields.rest().starts_with('[') {
            return Err("the line has no time in brackets behind the bucket's name".into());
        }
        if matches!(name, "request" | "referrer") {
            let raw = fields.bytes()?.ok_or_else(|| too_few(number))?;
            match name {
                "request" => entry.set_request(&raw),
                _ => entry.referrer = present_owned(Some(url_text(&raw))),
            }
            continue;
        }
        let Some(text) = fields.text()? else {
            if number < LEAST_FIELDS {
                return Err(too_few(number));
            }
            break;
        };
        set(&mut entry, name, text)?;
    }
    if entry.host.is_some() {
        entry.scheme.get_or_insert_with(|| "http".into());
    }
    let rest = Some(fields.rest().to_owned());
    entry.put("extra", present_owned(rest));
    Ok(entry)
}

fn set(entry: &mut LogEntry, name: &str, text: String) -> Result<(), String> {
    if name == "time" {
        entry.time = Some(clf_time(&text)?);
        return Ok(());
    }
    let text = present_owned(Some(text));
    match name {
        "client" => entry.client = text,
        "status" => entry.set_status(text)?,
        "user_agent" => entry.user_agent = text,
        "host_header" => entry.host = text,
        "cipher_suite" | "tls_version" => {
            if text.is_some() {
                entry.scheme = Some("https".into());
            }
            entry.put(name, text);
        }
        "bytes" | "object_size" | "total_time" | "turn_around_time" => {
            entry.put_number(name, text);
        }
        _ => entry.put(name, text),
    }
    Ok(())
}

fn too_few(count: usize) -> String {
    format!("the line has {count} fields, and S3 writes at least {LEAST_FIELDS}")
}
