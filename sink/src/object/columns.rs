//! The one table of columns. It drives the row, the Arrow schema, the builders, the
//! catalog's view and the documentation.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use arrow::array::{
    Array, ArrayBuilder, ArrayRef, BooleanBuilder, FixedSizeBinaryBuilder, Float64Builder,
    Int64Builder, RecordBatch, StringBuilder, TimestampMicrosecondBuilder, UInt32Builder,
    UInt64Builder,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow_schema::extension;
use topic::Timestamp;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// 16 bytes, with Parquet's UUID logical type.
    Uuid,
    /// UTF-8 text.
    Text,
    /// True or false.
    Bool,
    /// A 32-bit count.
    UInt32,
    /// A 64-bit count.
    UInt64,
    /// A whole number, 64 bits.
    Int64,
    /// A number, 64-bit IEEE 754.
    Float64,
    /// A moment, microseconds of UTC.
    Time,
}

impl Type {
    /// The Arrow type.
    #[must_use]
    pub fn arrow(self) -> DataType {
        match self {
            Self::Uuid => DataType::FixedSizeBinary(16),
            Self::Text => DataType::Utf8,
            Self::Bool => DataType::Boolean,
            Self::UInt32 => DataType::UInt32,
            Self::UInt64 => DataType::UInt64,
            Self::Int64 => DataType::Int64,
            Self::Float64 => DataType::Float64,
            Self::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        }
    }

    /// The type's name in DuckDB's SQL.
    #[must_use]
    pub const fn sql(self) -> &'static str {
        match self {
            Self::Uuid => "UUID",
            Self::Text => "VARCHAR",
            Self::Bool => "BOOLEAN",
            Self::UInt32 => "UINTEGER",
            Self::UInt64 => "UBIGINT",
            Self::Int64 => "BIGINT",
            Self::Float64 => "DOUBLE",
            Self::Time => "TIMESTAMP WITH TIME ZONE",
        }
    }
}

/// How a column's values are written before ZSTD.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Each distinct value once, then references: for values that repeat. If too many are
    /// distinct, the writer goes on as with `Plain`.
    Dictionary,
    /// The differences to the value before, bit-packed: for numbers that grow.
    Delta,
    /// One after another.
    Plain,
}

/// One column of the lake.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Its name, in every place.
    pub name: &'static str,
    /// What it holds.
    pub kind: Type,
    /// True if a row may leave it out.
    pub nullable: bool,
    /// How its values are written.
    pub encoding: Encoding,
    /// What it means.
    pub meaning: &'static str,
}

/// An Arrow builder of one column: how it takes a row's value, and how many bytes that
/// takes.
trait Append<V> {
    fn append(&mut self, value: &V);

    /// A value of fixed width; a text weighs its bytes and an offset of four.
    fn weight(_value: &V) -> usize {
        size_of::<V>()
    }
}

fn text_weight(text: Option<&str>) -> usize {
    text.map_or(0, str::len) + size_of::<i32>()
}

macro_rules! appends {
    ($($builder:ty: $value:ty, |$b:ident, $v:ident| $body:expr;)*) => {
        $(impl Append<$value> for $builder {
            fn append(&mut self, $v: &$value) { let $b = self; $body }
        })*
    };
}

appends! {
    FixedSizeBinaryBuilder: [u8; 16], |b, v| b.append_value(v).expect("an id has 16 bytes");
    BooleanBuilder: bool, |b, v| b.append_value(*v);
    UInt32Builder: u32, |b, v| b.append_value(*v);
    UInt64Builder: u64, |b, v| b.append_value(*v);
    Int64Builder: Option<i64>, |b, v| b.append_option(*v);
    Float64Builder: Option<f64>, |b, v| b.append_option(*v);
    TimestampMicrosecondBuilder: Timestamp, |b, v| b.append_value(v.micros());
}

impl<'r> Append<Cow<'r, str>> for StringBuilder {
    fn append(&mut self, value: &Cow<'r, str>) {
        self.append_value(value);
    }

    fn weight(value: &Cow<'r, str>) -> usize {
        text_weight(Some(value))
    }
}

impl<'r> Append<Option<Cow<'r, str>>> for StringBuilder {
    fn append(&mut self, value: &Option<Cow<'r, str>>) {
        self.append_option(value.as_deref());
    }

    fn weight(value: &Option<Cow<'r, str>>) -> usize {
        text_weight(value.as_deref())
    }
}

/// Rows that a builder has room for when it is made; it doubles as it must. Few, since a batch
/// is open for each of many partitions, and 40 columns' room for Arrow's own 1,024 rows is 200 kB.
const ROOM_ROWS: usize = 64;

/// An empty builder.
trait Begin {
    fn begin() -> Self;
}

macro_rules! begins {
    ($($builder:ty = $new:expr;)*) => {
        $(impl Begin for $builder {
            fn begin() -> Self { $new }
        })*
    };
}

begins! {
    FixedSizeBinaryBuilder = Self::with_capacity(ROOM_ROWS, 16);
    BooleanBuilder = Self::with_capacity(ROOM_ROWS);
    UInt32Builder = Self::with_capacity(ROOM_ROWS);
    UInt64Builder = Self::with_capacity(ROOM_ROWS);
    Int64Builder = Self::with_capacity(ROOM_ROWS);
    Float64Builder = Self::with_capacity(ROOM_ROWS);
    TimestampMicrosecondBuilder = Self::with_capacity(ROOM_ROWS).with_timezone("UTC");
    StringBuilder = Self::with_capacity(ROOM_ROWS, ROOM_ROWS);
}

macro_rules! columns {
    ($($name:ident: $value:ty, $kind:ident, $nullable:literal, $encoding:ident, $builder:ty, $meaning:literal;)*) => {
        /// One row of the lake, borrowed from the record where possible.
        #[derive(Debug, Clone, PartialEq)]
        pub struct Row<'r> {
            $(#[doc = $meaning] pub $name: $value,)*
        }

        impl Row<'_> {
            /// The row's size in the builders, in bytes.
            pub(crate) fn weight(&self) -> usize {
                0 $(+ <$builder>::weight(&self.$name))*
            }
        }

        /// Every column, in the order of the schema.
        pub const COLUMNS: &[Column] = &[
            $(Column {
                name: stringify!($name),
                kind: Type::$kind,
                nullable: $nullable,
                encoding: Encoding::$encoding,
                meaning: $meaning,
            },)*
        ];

        /// The builders of one open batch.
        pub(crate) struct Builders { $($name: $builder,)* }

        impl Builders {
            pub(crate) fn new() -> Self {
                Self { $($name: <$builder>::begin(),)* }
            }

            pub(crate) fn push(&mut self, row: &Row<'_>) {
                $(self.$name.append(&row.$name);)*
            }

            /// How many rows they hold.
            pub(crate) fn len(&self) -> usize {
                self.event_id.len()
            }

            /// What they hold, in buffers no larger than that. They are empty then.
            pub(crate) fn finish(&mut self) -> RecordBatch {
                let mut columns = vec![$(Arc::new(self.$name.finish()) as ArrayRef,)*];
                for column in &mut columns {
                    column.shrink_to_fit();
                }
                RecordBatch::try_new(schema(), columns)
                    .expect("builders and schema come from one table")
            }
        }
    };
}

columns! {
    event_id: [u8; 16], Uuid, false, Plain, FixedSizeBinaryBuilder,
        "the event's id: a UUID as it is, other text as the first 16 bytes of its SHA-256";
    id_generated: bool, Bool, false, Dictionary, BooleanBuilder,
        "whether the edge made the id, so that a client's retry could not be told from a new click";
    item: Option<i64>, Int64, true, Dictionary, Int64Builder,
        "which item of an event that holds several, from 0; NULL where the event is one row";
    retried: bool, Bool, false, Dictionary, BooleanBuilder,
        "whether the client said that it sent the click again";
    sample_rate: Option<f64>, Float64, true, Dictionary, Float64Builder,
        "the share of visitors whose clicks are kept; NULL where all are";
    partition: u32, UInt32, false, Dictionary, UInt32Builder,
        "the topic's partition";
    offset: u64, UInt64, false, Delta, UInt64Builder,
        "the record's offset in its partition";
    appended_at: Timestamp, Time, false, Delta, TimestampMicrosecondBuilder,
        "when the topic took the click; its hour names the partition path";
    received_at: Timestamp, Time, false, Delta, TimestampMicrosecondBuilder,
        "when the edge had the click";
    occurred_at: Timestamp, Time, false, Delta, TimestampMicrosecondBuilder,
        "when the client says it happened; received_at where it does not say";
    occurred_at_given: bool, Bool, false, Dictionary, BooleanBuilder,
        "whether the client said when";
    action: Cow<'r, str>, Text, false, Dictionary, StringBuilder,
        "what was done: view, buy, …; `unknown` where the click does not say";
    product_id: Option<Cow<'r, str>>, Text, true, Dictionary, StringBuilder,
        "the product";
    product_name: Option<Cow<'r, str>>, Text, true, Dictionary, StringBuilder,
        "the product's name as the client showed it";
    category: Option<Cow<'r, str>>, Text, true, Dictionary, StringBuilder,
        "the product's category";
    quantity: Option<i64>, Int64, true, Dictionary, Int64Builder,
        "how many; negative for what came back";
    price: Option<f64>, Float64, true, Dictionary, Float64Builder,
        "the price of one";
    currency: Option<Cow<'r, str>>, Text, true, Dictionary, StringBuilder,
        "the price's currency";
    order_id: Option<Cow<'r, str>>, Text, true, Dictionary, StringBuilder,
        "the order or invoice";
    visitor_id: Option<Cow<'r, str>>, Text, true, Dictionary, StringBuilder,
        "the visitor; one visitor's clicks keep their order";
    session_id: Option<Cow<'r, str>>, Text, true, Dictionary, StringBuilder,
        "the visit";
    user_id: Option<Cow<'r, str>>, Text, true, Dictionary, StringBuilder,
        "the account";
    url: Option<Cow<'r, str>>, Text, true, Dictionary, StringBuilder,
        "the page's address, without user info";
    path: Option<Cow<'r, str>>, Text, true, Dictionary, StringBuilder,
        "the address's path";
    referrer: Option<Cow<'r, str>>, Text, true, Dictionary, StringBuilder,
        "the page before";
    utm_source: Option<Cow<'r, str>>, Text, true, Dictionary, StringBuilder,
        "campaign: where from";
    utm_medium: Option<Cow<'r, str>>, Text, true, Dictionary, StringBuilder,
        "campaign: by what";
    utm_campaign: Option<Cow<'r, str>>, Text, true, Dictionary, StringBuilder,
        "campaign: its name";
    utm_term: Option<Cow<'r, str>>, Text, true, Dictionary, StringBuilder,
        "campaign: the searched words";
    utm_content: Option<Cow<'r, str>>, Text, true, Dictionary, StringBuilder,
        "campaign: which variant";
    user_agent: Option<Cow<'r, str>>, Text, true, Dictionary, StringBuilder,
        "what the client calls itself";
    browser: Option<Cow<'r, str>>, Text, true, Dictionary, StringBuilder,
        "the browser's family";
    os: Option<Cow<'r, str>>, Text, true, Dictionary, StringBuilder,
        "the operating system";
    device: Option<Cow<'r, str>>, Text, true, Dictionary, StringBuilder,
        "pc, smartphone, mobilephone, appliance or crawler";
    is_bot: bool, Bool, false, Dictionary, BooleanBuilder,
        "whether the user agent is empty or a crawler's";
    ip: Option<Cow<'r, str>>, Text, true, Dictionary, StringBuilder,
        "the address, cut to its network unless configured otherwise";
    country: Option<Cow<'r, str>>, Text, true, Dictionary, StringBuilder,
        "the country";
    region: Option<Cow<'r, str>>, Text, true, Dictionary, StringBuilder,
        "the region";
    city: Option<Cow<'r, str>>, Text, true, Dictionary, StringBuilder,
        "the city";
    properties: Option<Cow<'r, str>>, Text, true, Plain, StringBuilder,
        "everything else that the client sent, as a JSON object";
}

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let fields: Vec<Field> = COLUMNS
        .iter()
        .map(|column| {
            let field = Field::new(column.name, column.kind.arrow(), column.nullable);
            match column.kind {
                Type::Uuid => field.with_extension_type(extension::Uuid),
                _ => field,
            }
        })
        .collect();
    Arc::new(Schema::new(fields))
});

/// The lake's Arrow schema.
#[must_use]
pub fn schema() -> SchemaRef {
    SCHEMA.clone()
}
