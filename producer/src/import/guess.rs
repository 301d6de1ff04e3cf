//! Which format a file has, where its beginning leaves no doubt.

use std::io::{self, Read};
use std::path::Path;

use super::decoded::decoded;
use super::error::Error;
use super::job::ImportFormat;
use super::log::{AccessLog, LogParser};
use super::source::{inflated, open_regular};
use crate::address::IpPolicy;

/// How much of a file is read.
const GUESSED_BYTES: u64 = 64 << 10;
/// How many lines are looked at before it counts as unknown: the first may be broken.
const MAX_LINES: usize = 10;

/// Returns the format of a file; `None` if its beginning may be of several.
///
/// # Errors
/// [`Error::Read`] if it cannot be read.
pub fn guess(file: &Path) -> Result<Option<ImportFormat>, Error> {
    let read = || -> io::Result<String> {
        let handle = open_regular(file)?;
        let mut beginning = Vec::new();
        let text = decoded(inflated(&handle)?, None)?;
        text.take(GUESSED_BYTES).read_to_end(&mut beginning)?;
        Ok(String::from_utf8_lossy(&beginning).into_owned())
    };
    let beginning = read().map_err(|error| Error::Read {
        path: file.display().to_string(),
        error,
    })?;
    Ok(of_text(&beginning))
}

/// Returns the format of a text that begins so.
fn of_text(beginning: &str) -> Option<ImportFormat> {
    let lines = beginning.lines().map(str::trim);
    let mut lines = lines.filter(|line| !line.is_empty()).take(MAX_LINES);
    lines.find_map(of_line)
}

fn of_line(line: &str) -> Option<ImportFormat> {
    if let Some(names) = line.strip_prefix("#Fields:") {
        let is_cloudfront = names.contains("x-edge-") || names.contains("cs-uri-stem");
        return is_cloudfront.then_some(ImportFormat::Log(AccessLog::CloudFront));
    }
    if line.starts_with('{') || line.starts_with("[{") {
        return Some(ImportFormat::Ndjson);
    }
    let logs = [AccessLog::Alb, AccessLog::S3, AccessLog::Combined];
    let is_read = |log: &AccessLog| {
        let mut parser = LogParser::new(*log, &[], IpPolicy::None);
        matches!(parser.line(line.as_bytes()), Ok(Some(_)))
    };
    let mut found = logs.into_iter().filter(is_read);
    let log = found.next()?;
    found.next().is_none().then_some(ImportFormat::Log(log))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_says_the_format_where_it_is_sure() {
        let check = |beginning: &str, expect: Option<ImportFormat>| {
            assert_eq!(of_text(beginning), expect, "{beginning}");
        };
        let log = |log| Some(ImportFormat::Log(log));
        check(
            "#Version: 1.0\n#Fields: date time x-edge-location\n",
            log(AccessLog::CloudFront),
        );
        check("#Fields: date time s-ip cs-method\n", None);
        check("\n{\"a\":1}\n", Some(ImportFormat::Ndjson));
        check("[{\"a\":1}]", Some(ImportFormat::Ndjson));
        check(
            "torn\n10.0.0.1 - - [17/May/2015:10:05:03 +0000] \"GET / HTTP/1.1\" 200 5 \"-\" \"a\"\n",
            log(AccessLog::Combined),
        );
        check("a,b\n1,2\n", None);
        check("", None);
    }
}
