//! The access log of an Application Load Balancer.

use super::entry::{LogEntry, present_owned};
use super::fields::FieldReader;

/// The fields, in their order; what comes after them is named by its number.
const FIELDS: [&str; 33] = [
    "type",
    "time",
    "elb",
    "client",
    "target",
    "request_processing_time",
    "target_processing_time",
    "response_processing_time",
    "status",
    "target_status",
    "received_bytes",
    "bytes",
    "request",
    "user_agent",
    "ssl_cipher",
    "ssl_protocol",
    "target_group_arn",
    "request_id",
    "domain_name",
    "chosen_cert_arn",
    "matched_rule_priority",
    "request_creation_time",
    "actions_executed",
    "redirect_url",
    "error_reason",
    "target_port_list",
    "target_status_code_list",
    "classification",
    "classification_reason",
    "conn_trace_id",
    "transformed_host",
    "transformed_uri",
    "request_transform_status",
];
/// How many of them each line has.
const LEAST_FIELDS: usize = 13;
const TYPES: [&str; 6] = ["http", "https", "h2", "grpcs", "ws", "wss"];

/// Reads a line.
pub(super) fn entry(line: &str) -> Result<LogEntry, String> {
    let mut entry = LogEntry::default();
    let mut fields = FieldReader::new(line);
    for (number, name) in FIELDS.into_iter().enumerate() {
        if name == "request" {
            let request = fields.bytes()?.ok_or_else(|| too_few(number))?;
            entry.set_request(&request);
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
    let rest = Some(fields.rest().to_owned());
    entry.put("extra", present_owned(rest));
    Ok(entry)
}

fn set(entry: &mut LogEntry, name: &str, text: String) -> Result<(), String> {
    if name == "type" && !TYPES.contains(&text.as_str()) {
        return Err(format!("{text:?} is no type of a load balancer's request"));
    }
    if name == "time" {
        let time = chrono::DateTime::parse_from_rfc3339(&text);
        let time = time.map_err(|_| "the time is not written as 2018-07-02T22:23:00.186641Z")?;
        entry.time = Some(time.to_utc());
        return Ok(());
    }
    let text = present_owned(Some(text));
    match name {
        "client" => entry.client = text,
        "status" => entry.set_status(text)?,
        "user_agent" => entry.user_agent = text,
        "request_processing_time"
        | "target_processing_time"
        | "response_processing_time"
        | "target_status"
        | "received_bytes"
        | "bytes" => entry.put_number(name, text),
        _ => entry.put(name, text),
    }
    Ok(())
}

fn too_few(count: usize) -> String {
    format!("the line has {count} fields, and a load balancer writes at least {LEAST_FIELDS}")
}
