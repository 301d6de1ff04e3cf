//! Reads the lines of an access log, in their order.

use std::borrow::Cow;
use std::fmt::Write;

use super::super::batch::LineClick;
use super::cloudfront::FieldNames;
use super::kind::AccessLog;
use super::{alb, combined, s3};
use crate::address::IpPolicy;

/// Reads the lines of one log.
pub(in crate::import) struct LogParser {
    log: AccessLog,
    ip: IpPolicy,
    /// CloudFront's fields.
    names: FieldNames,
}

impl LogParser {
    /// Makes a parser. `fields` are those of a real-time log; `ip` says what is kept of addresses.
    pub(in crate::import) fn new(log: AccessLog, fields: &[String], ip: IpPolicy) -> Self {
        let names = match log {
            AccessLog::CloudFrontRealtime => FieldNames::configured(fields),
            _ => FieldNames::standard(),
        };
        Self { log, ip, names }
    }

    /// Returns the click of a line; `None` if the line only describes the log. The error is why
    /// the line is not of this format.
    pub(in crate::import) fn line(&mut self, line: &[u8]) -> Result<Option<LineClick>, String> {
        let text = self.text(line);
        let is_cloudfront = self.log == AccessLog::CloudFront;
        if is_cloudfront && text.starts_with('#') {
            self.names.directive(&text);
            return Ok(None);
        }
        let entry = match self.log {
            AccessLog::Combined => combined::entry(&text),
            AccessLog::CloudFront | AccessLog::CloudFrontRealtime => self.names.entry(&text),
            AccessLog::Alb => alb::entry(&text),
            AccessLog::S3 => s3::entry(&text),
        }?;
        entry.click(self.ip).map(Some)
    }

    /// The line as text. A byte that is not UTF-8 is escaped as the format escapes bytes.
    fn text<'l>(&self, line: &'l [u8]) -> Cow<'l, str> {
        if let Ok(text) = std::str::from_utf8(line) {
            return Cow::Borrowed(text);
        }
        let sign = match self.log {
            AccessLog::CloudFront | AccessLog::CloudFrontRealtime => "%",
            _ => "\\x",
        };
        let mut text = String::with_capacity(line.len() + 8);
        for chunk in line.utf8_chunks() {
            text.push_str(chunk.valid());
            for byte in chunk.invalid() {
                write!(text, "{sign}{byte:02x}").expect("writing to memory");
            }
        }
        Cow::Owned(text)
    }
}
