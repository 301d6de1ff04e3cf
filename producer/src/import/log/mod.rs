//! Access logs: a line is a request, or the click that the request carried.
//!
//! Each format only says which of its fields is what; [`entry`] makes the click. A field that is
//! `-` is absent. A field that no column has is a property, under the log's own name with `_` for
//! what is no letter.

mod alb;
mod cloudfront;
mod combined;
mod entry;
mod fields;
mod hit;
mod kind;
mod parser;
mod s3;

pub use kind::AccessLog;
pub(super) use parser::LogParser;

#[cfg(test)]
mod tests;
