//! Apache's and nginx's combined format, also with a virtual host in front, and the common one.
//!
//! `203.0.113.9 - ada [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 12 "REFERRER" "AGENT"`

use super::entry::{LogEntry, clf_time, present, present_owned, url_text};
use super::fields::FieldReader;
use crate::address;

const NO_TIME: &str = "the line has no time in brackets, as [17/May/2015:10:05:03 +0000]";

/// Reads a line.
pub(super) fn entry(line: &str) -> Result<LogEntry, String> {
    let (head, rest) = line.split_once(" [").ok_or(NO_TIME)?;
    let (time, rest) = rest.split_once(']').ok_or(NO_TIME)?;
    let mut entry = LogEntry::at(clf_time(time)?);
    set_head(&mut entry, head)?;
    if !rest.trim_start().starts_with('"') {
        return Err("the line has no request in quotes behind its time".into());
    }
    let mut fields = FieldReader::new(rest);
    entry.set_request(&fields.bytes()?.unwrap_or_default());
    let status = fields.text()?.ok_or("the line has no status")?;
    entry.set_status(present_owned(Some(status)))?;
    let bytes = present_owned(fields.text()?);
    entry.put_number("bytes", bytes);
    let referrer = fields.bytes()?.map(|raw| url_text(&raw));
    entry.referrer = present_owned(referrer);
    entry.user_agent = present_owned(fields.text()?);
    set_extra(&mut entry, &mut fields)?;
    Ok(entry)
}

/// Reads what a site adds to the format. A list of addresses is mostly what a proxy forwarded.
fn set_extra(entry: &mut LogEntry, fields: &mut FieldReader<'_>) -> Result<(), String> {
    let mut extra = Vec::new();
    while let Some(field) = fields.text()? {
        match field.split(',').all(|hop| is_address(hop.trim())) {
            true if entry.forwarded.is_none() => entry.forwarded = Some(field),
            // It obeys no policy there, so it is not kept.
            true => {}
            false if present(&field).is_some() => extra.push(field),
            false => {}
        }
    }
    entry.put("extra", present_owned(Some(extra.join(" "))));
    Ok(())
}

/// Reads what is before the time: client, identity and user, after a virtual host in some logs.
fn set_head(entry: &mut LogEntry, head: &str) -> Result<(), String> {
    let mut words = head.trim_start().splitn(3, ' ');
    let (first, second) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let (Some(mut rest), false) = (words.next(), first.is_empty()) else {
        return Err("the line has not three fields before its time".into());
    };
    let mut client = first;
    let mut identity = second;
    if !is_address(first)
        && is_address(second)
        && let Some((third, user)) = rest.split_once(' ')
    {
        (client, identity, rest) = (second, third, user);
        match first.rsplit_once(':') {
            Some((host, "443")) => set_host(entry, "https", host),
            Some((host, "80")) => set_host(entry, "http", host),
            _ => entry.put("host", present(first).map(str::to_owned)),
        }
    }
    entry.client = present(client).map(str::to_owned);
    entry.put("identity", present(identity).map(str::to_owned));
    entry.user = present(rest.trim()).map(str::to_owned);
    Ok(())
}

fn is_address(word: &str) -> bool {
    address::parse(word).is_some()
}

fn set_host(entry: &mut LogEntry, scheme: &str, host: &str) {
    entry.scheme = Some(scheme.into());
    entry.host = Some(host.into());
}
