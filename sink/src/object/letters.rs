//! Dead letters: clicks that cannot become rows, kept with their raw bytes and the reason.

use std::fmt;
use std::sync::{Arc, LazyLock};

use arrow::array::{
    ArrayRef, BinaryBuilder, FixedSizeBinaryBuilder, Int64Builder, RecordBatch, StringBuilder,
    TimestampMicrosecondBuilder, UInt32Builder, UInt64Builder,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow_schema::extension;
use bytes::Bytes;
use topic::{Offset, Partition, Timestamp};

use crate::Type;

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
    /// The transform itself failed on it: a bug of ours, contained.
    Panic,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 8] = [
        Self::NoValue,
        Self::NotAnEnvelope,
        Self::UnknownVersion,
        Self::NotAnObject,
        Self::WrongType,
        Self::BadTime,
        Self::OutOfRange,
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
    /// Its id, where that could be read.
    pub event_id: Option<[u8; 16]>,
    /// Which item of an event that holds several, from 0; `None` where the event is one record.
    pub item: Option<u32>,
    /// Why it is here.
    pub reason: Reason,
    /// What exactly was wrong, and where.
    pub detail: String,
    /// The record's value, byte for byte.
    pub raw: Option<Bytes>,
}

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("partition", Type::UInt32.arrow(), false),
        Field::new("offset", Type::UInt64.arrow(), false),
        Field::new("appended_at", Type::Time.arrow(), false),
        Field::new("event_id", Type::Uuid.arrow(), true).with_extension_type(extension::Uuid),
        Field::new("item", Type::Int64.arrow(), true),
        Field::new("reason", Type::Text.arrow(), false),
        Field::new("detail", Type::Text.arrow(), false),
        Field::new("raw", DataType::Binary, true),
    ]))
});

/// The Arrow schema of dead letters.
#[must_use]
pub fn schema() -> SchemaRef {
    SCHEMA.clone()
}

/// The letters' columns, in the order of the schema.
pub(crate) fn rows(partition: Partition, letters: &[DeadLetter]) -> RecordBatch {
    let mut partitions = UInt32Builder::new();
    let mut offsets = UInt64Builder::new();
    let mut times = TimestampMicrosecondBuilder::new().with_timezone("UTC");
    let mut ids = FixedSizeBinaryBuilder::new(16);
    let mut items = Int64Builder::new();
    let mut reasons = StringBuilder::new();
    let mut details = StringBuilder::new();
    let mut raws = BinaryBuilder::new();
    for letter in letters {
        partitions.append_value(partition.0);
        offsets.append_value(letter.offset.0);
        times.append_value(letter.appended_at.micros());
        match letter.event_id {
            Some(id) => ids.append_value(id).expect("an id has 16 bytes"),
            None => ids.append_null(),
        }
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
