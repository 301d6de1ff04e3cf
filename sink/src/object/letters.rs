//! Dead letters: clicks that cannot become rows, kept with their raw bytes and the reason.

use std::fmt;
use std::sync::{Arc, LazyLock};

use arrow::array::{
    ArrayRef, BinaryBuilder, Int32Builder, Int64Builder, RecordBatch, StringBuilder,
    TimestampMicrosecondBuilder,
};
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use topic::{Offset, Partition, Timestamp};

use super::columns::{Column, column_list, schema_of};

/// Why a click cannot become a row. Closed: a new reason is a new variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The record has no value.
    NoValue,
    /// The record is not an envelope of ours.
    NotAnEnvelope,
    /// The envelope is of a version or a wire format that this program does not know.
    UnknownVersion,
    /// The click is not a JSON object.
    NotAnObject,
    /// A field has another type than its column.
    WrongType,
    /// `occurred_at` is unparsable, before 2000 or over an hour after the edge had the click.
    BadTime,
    /// A number is beyond what its column holds.
    OutOfRange,
    /// The event's id is longer than an id may be.
    BadId,
    /// The transform itself failed on it: a bug of ours, contained.
    Panic,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 9] = [
        Self::NoValue,
        Self::NotAnEnvelope,
        Self::UnknownVersion,
        Self::NotAnObject,
        Self::WrongType,
        Self::BadTime,
        Self::OutOfRange,
        Self::BadId,
        Self::Panic,
    ];

    /// The reason's name in the table.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoValue => "no_value",
            Self::NotAnEnvelope => "not_an_envelope",
            Self::UnknownVersion => "unknown_version",
            Self::NotAnObject => "not_an_object",
            Self::WrongType => "wrong_type",
            Self::BadTime => "bad_time",
            Self::OutOfRange => "out_of_range",
            Self::BadId => "bad_id",
            Self::Panic => "panic",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A click that cannot become a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its offset in the partition.
    pub offset: Offset,
    /// When the topic took it.
    pub appended_at: Timestamp,
    /// Its event's id as the lake keeps it, of any length; `None` if it could not be read.
    pub event_id: Option<String>,
    /// Which item of an event that holds several, from 0; `None` where the event is one record.
    pub item: Option<u32>,
    /// Why it is here.
    pub reason: Reason,
    /// What exactly was wrong, and where.
    pub detail: String,
    /// The record's value, byte for byte.
    pub raw: Option<Bytes>,
}

/// The columns of dead letters, in the order of their schema.
pub const LETTER_COLUMNS: &[Column] = column_list! {
    1 partition: Int32, false, Dictionary, "the topic's partition";
    2 offset: Int64, false, Delta, "the record's offset in its partition";
    3 appended_at: Time, false, Delta, "when the topic took it";
    4 event_id: Text, true, Plain, "the event's id; NULL if it could not be read";
    5 item: Int64, true, Dictionary,
        "which item of an event that holds several, from 0; NULL where the event is one record";
    6 reason: Text, false, Dictionary, "why it is no row";
    7 detail: Text, false, Dictionary, "what exactly was wrong, and where";
    8 raw: Bytes, true, Plain, "the record's value, byte for byte";
};

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| schema_of(LETTER_COLUMNS));

/// The Arrow schema of dead letters.
#[must_use]
pub fn schema() -> SchemaRef {
    SCHEMA.clone()
}

/// The letters' columns, in the order of the schema.
pub(crate) fn rows(partition: Partition, letters: &[DeadLetter]) -> RecordBatch {
    let mut partitions = Int32Builder::new();
    let mut offsets = Int64Builder::new();
    let mut times = TimestampMicrosecondBuilder::new().with_timezone("UTC");
    let mut ids = StringBuilder::new();
    let mut items = Int64Builder::new();
    let mut reasons = StringBuilder::new();
    let mut details = StringBuilder::new();
    let mut raws = BinaryBuilder::new();
    for letter in letters {
        partitions.append_value(partition.0.cast_signed());
        offsets.append_value(letter.offset.0.cast_signed());
        times.append_value(letter.appended_at.micros());
        ids.append_option(letter.event_id.as_deref());
        items.append_option(letter.item.map(i64::from));
        reasons.append_value(letter.reason.name());
        details.append_value(&letter.detail);
        raws.append_option(letter.raw.as_deref());
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(partitions.finish()),
        Arc::new(offsets.finish()),
        Arc::new(times.finish()),
        Arc::new(ids.finish()),
        Arc::new(items.finish()),
        Arc::new(reasons.finish()),
        Arc::new(details.finish()),
        Arc::new(raws.finish()),
    ];
    RecordBatch::try_new(schema(), columns).expect("builders and schema have the same columns")
}
