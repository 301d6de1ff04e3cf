//! The one table of columns. It drives the row, the Arrow schema, the builders, the
//! catalog's view and the documentation.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use arrow::array::{
    Array, ArrayBuilder, ArrayRef, BooleanBuilder, Float64Builder, Int32Builder, Int64Builder,
    RecordBatch, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;
use topic::Timestamp;

/// What a column holds. These are the types that every reader of Parquet has, and every format of
/// tables: no unsigned number, no bytes of a fixed length, no UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// UTF-8 text.
    Text,
    /// Bytes of any length. Dead letters alone have them.
    Bytes,
    /// True or false.
    Bool,
    /// A whole number, 32 bits.
    Int32,
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
            Self::Text => DataType::Utf8,
            Self::Bytes => DataType::Binary,
            Self::Bool => DataType::Boolean,
            Self::Int32 => DataType::Int32,
            Self::Int64 => DataType::Int64,
            Self::Float64 => DataType::Float64,
            Self::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        }
    }

    /// The type's name in DuckDB's SQL.
    #[must_use]
    pub const fn sql(self) -> &'static str {
        match self {
            Self::Text => "VARCHAR",
            Self::Bytes => "BLOB",
            Self::Bool => "BOOLEAN",
            Self::Int32 => "INTEGER",
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
    /// Its Parquet field id: what it is known by for ever, whatever its name becomes. The id of a
    /// column that is given up is never given again.
    pub id: u16,
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

/// The Arrow schema of these columns, with their field ids as Parquet's metadata have them.
pub(crate) fn schema_of(columns: &[Column]) -> SchemaRef {
    let fields = columns.iter().map(|column| {
        let id = (PARQUET_FIELD_ID_META_KEY.to_owned(), column.id.to_string());
        Field::new(column.name, column.kind.arrow(), column.nullable).with_metadata([id].into())
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
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
    BooleanBuilder: bool, |b, v| b.append_value(*v);
    Int32Builder: u32, |b, v| b.append_value(v.cast_signed());
    Int64Builder: u64, |b, v| b.append_value(v.cast_signed());
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
/// is open for each of many partitions, and 43 columns' room for Arrow's own 1,024 rows is 200 kB.
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
    BooleanBuilder = Self::with_capacity(ROOM_ROWS);
    Int32Builder = Self::with_capacity(ROOM_ROWS);
    Int64Builder = Self::with_capacity(ROOM_ROWS);
    Float64Builder = Self::with_capacity(ROOM_ROWS);
    TimestampMicrosecondBuilder = Self::with_capacity(ROOM_ROWS).with_timezone("UTC");
    StringBuilder = Self::with_capacity(ROOM_ROWS, ROOM_ROWS);
}

/// A table of columns: each with its field id, its name, what it holds, whether it may be left out,
/// how it is written and what it means.
macro_rules! column_list {
    ($($id:literal $name:ident: $kind:ident, $nullable:literal, $encoding:ident, $meaning:literal;)*) => {
        &[
            $($crate::object::columns::Column {
                id: $id,
                name: stringify!($name),
                kind: $crate::object::columns::Type::$kind,
                nullable: $nullable,
                encoding: $crate::object::columns::Encoding::$encoding,
                meaning: $meaning,
            },)*
        ]
    };
}
pub(crate) use column_list;

macro_rules! columns {
    ($($id:literal $name:ident: $value:ty, $kind:ident, $nullable:literal, $encoding:ident, $builder:ty, $meaning:literal;)*) => {
        /// One row of the lake, borrowed from the record where possible.
        #[derive(Debug, Clone, Default, PartialEq)]
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
        pub const COLUMNS: &[Column] = column_list! {
            $($id $name: $kind, $nullable, $encoding, $meaning;)*
        };

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
    1 event_id: Cow<'r, str>, Text, false, Plain, StringBuilder,
        "the event's id: the client's own text, with a UUID in small letters; at most 200 bytes";
    2 id_generated: bool, Bool, false, Dictionary, BooleanBuilder,
        "whether the edge made the id, so that a client's retry could not be told from a new click";
    3 item: Option<i64>, Int64, true, Dictionary, Int64Builder,
        "which item of an event that holds several, from 0; NULL where the event is one row";
    4 retried: bool, Bool, false, Dictionary, BooleanBuilder,
        "whether the client said that it sent the click again";
    5 sample_rate: Option<f64>, Float64, true, Dictionary, Float64Builder,
        "the share of visitors whose clicks are kept; NULL where all are";
    6 partition: u32, Int32, false, Dictionary, Int32Builder,
        "the topic's partition";
    7 offset: u64, Int64, false, Delta, Int64Builder,
        "the record's offset in its partition";
    8 appended_at: Timestamp, Time, false, Delta, TimestampMicrosecondBuilder,
        "when the topic took the click; its hour names the partition path";
    9 received_at: Timestamp, Time, false, Delta, TimestampMicrosecondBuilder,
        "when the edge had the click";
    10 occurred_at: Timestamp, Time, false, Delta, TimestampMicrosecondBuilder,
        "when the client says it happened; received_at where it does not say";
    11 occurred_at_given: bool, Bool, false, Dictionary, BooleanBuilder,
        "whether the client said when";
    12 action: Cow<'r, str>, Text, false, Dictionary, StringBuilder,
        "what was done: view, buy, …; `unknown` where the click does not say";
    13 product_id: Option<Cow<'r, str>>, Text, true, Dictionary, StringBuilder,
        "the product";
    14 product_name: Option<Cow<'r, str>>, Text, true, Dictionary, StringBuilder,
        "the product's name as the client showed it";
    15 category: Option<Cow<'r, str>>, Text, true, Dictionary, StringBuilder,
        "the product's category";
    16 quantity: Option<i64>, Int64, true, Dictionary, Int64Builder,
        "how many; negative for what came back";
    17 price: Option<f64>, Float64, true, Dictionary, Float64Builder,
        "the price of one";
    18 currency: Option<Cow<'r, str>>, Text, true, Dictionary, StringBuilder,
        "the price's currency";
    19 order_id: Option<Cow<'r, str>>, Text, true, Dictionary, StringBuilder,
        "the order or invoice";
    20 visitor_id: Option<Cow<'r, str>>, Text, true, Dictionary, StringBuilder,
        "the visitor; one visitor's clicks keep their order";
    21 session_id: Option<Cow<'r, str>>, Text, true, Dictionary, StringBuilder,
        "the visit";
    22 user_id: Option<Cow<'r, str>>, Text, true, Dictionary, StringBuilder,
        "the account";
    23 url: Option<Cow<'r, str>>, Text, true, Dictionary, StringBuilder,
        "the page's address, without user info";
    24 path: Option<Cow<'r, str>>, Text, true, Dictionary, StringBuilder,
        "the address's path";
    25 referrer: Option<Cow<'r, str>>, Text, true, Dictionary, StringBuilder,
        "the page before";
    26 utm_source: Option<Cow<'r, str>>, Text, true, Dictionary, StringBuilder,
        "campaign: where from";
    27 utm_medium: Option<Cow<'r, str>>, Text, true, Dictionary, StringBuilder,
        "campaign: by what";
    28 utm_campaign: Option<Cow<'r, str>>, Text, true, Dictionary, StringBuilder,
        "campaign: its name";
    29 utm_term: Option<Cow<'r, str>>, Text, true, Dictionary, StringBuilder,
        "campaign: the searched words";
    30 utm_content: Option<Cow<'r, str>>, Text, true, Dictionary, StringBuilder,
        "campaign: which variant";
    31 user_agent: Option<Cow<'r, str>>, Text, true, Dictionary, StringBuilder,
        "what the client calls itself";
    32 browser: Option<Cow<'r, str>>, Text, true, Dictionary, StringBuilder,
        "the browser's family";
    33 os: Option<Cow<'r, str>>, Text, true, Dictionary, StringBuilder,
        "the operating system";
    34 device: Option<Cow<'r, str>>, Text, true, Dictionary, StringBuilder,
        "pc, smartphone, tablet, appliance or crawler";
    35 is_bot: bool, Bool, false, Dictionary, BooleanBuilder,
        "whether the user agent is empty or a crawler's";
    36 ip: Option<Cow<'r, str>>, Text, true, Dictionary, StringBuilder,
        "the address, cut to its network unless configured otherwise";
    37 country: Option<Cow<'r, str>>, Text, true, Dictionary, StringBuilder,
        "the country";
    38 region: Option<Cow<'r, str>>, Text, true, Dictionary, StringBuilder,
        "the region";
    39 city: Option<Cow<'r, str>>, Text, true, Dictionary, StringBuilder,
        "the city";
    40 properties: Option<Cow<'r, str>>, Text, true, Plain, StringBuilder,
        "everything else that the client sent, as a JSON object";
    41 browser_version: Option<Cow<'r, str>>, Text, true, Dictionary, StringBuilder,
        "the browser's version, as it says it";
    42 os_version: Option<Cow<'r, str>>, Text, true, Dictionary, StringBuilder,
        "the operating system's version";
    43 device_model: Option<Cow<'r, str>>, Text, true, Dictionary, StringBuilder,
        "the device's maker and model";
    44 bot: Option<Cow<'r, str>>, Text, true, Dictionary, StringBuilder,
        "the program's name, if it is a bot";
    45 bot_class: Option<Cow<'r, str>>, Text, true, Dictionary, StringBuilder,
        "what the bot is for";
    46 click_id: Option<Cow<'r, str>>, Text, true, Dictionary, StringBuilder,
        "the id that an advertiser's site gave the click";
    47 click_id_kind: Option<Cow<'r, str>>, Text, true, Dictionary, StringBuilder,
        "the parameter that had it";
    48 channel: Option<Cow<'r, str>>, Text, true, Dictionary, StringBuilder,
        "the kind of way by which the visitor came to the page";
    49 channel_source: Option<Cow<'r, str>>, Text, true, Dictionary, StringBuilder,
        "the site or campaign that the visitor came from";
}

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| schema_of(COLUMNS));

/// The lake's Arrow schema.
#[must_use]
pub fn schema() -> SchemaRef {
    SCHEMA.clone()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::LETTER_COLUMNS;

    /// Every id that was ever given, and to what. A column may take another name; an id is never given
    /// again, since the objects that were written keep it.
    const CLICK_IDS: &str = "\
        1 event_id, 2 id_generated, 3 item, 4 retried, 5 sample_rate, 6 partition, \
        7 offset, 8 appended_at, 9 received_at, 10 occurred_at, 11 occurred_at_given, \
        12 action, 13 product_id, 14 product_name, 15 category, 16 quantity, 17 price, \
        18 currency, 19 order_id, 20 visitor_id, 21 session_id, 22 user_id, 23 url, \
        24 path, 25 referrer, 26 utm_source, 27 utm_medium, 28 utm_campaign, 29 utm_term, \
        30 utm_content, 31 user_agent, 32 browser, 33 os, 34 device, 35 is_bot, 36 ip, \
        37 country, 38 region, 39 city, 40 properties, 41 browser_version, 42 os_version, \
        43 device_model, 44 bot, 45 bot_class, 46 click_id, 47 click_id_kind, 48 channel, \
        49 channel_source";
    const LETTER_IDS: &str = "\
        1 partition, 2 offset, 3 appended_at, 4 event_id, 5 item, 6 reason, 7 detail, 8 raw";

    #[test]
    fn a_column_keeps_its_number_for_ever() {
        for (columns, golden) in [(COLUMNS, CLICK_IDS), (LETTER_COLUMNS, LETTER_IDS)] {
            let given = columns.iter().map(|one| format!("{} {}", one.id, one.name));
            assert_eq!(given.collect::<Vec<_>>().join(", "), golden);
            let ids: HashSet<u16> = columns.iter().map(|one| one.id).collect();
            assert_eq!(ids.len(), columns.len(), "no id is given twice");
            assert!(!ids.contains(&0), "Iceberg's ids begin at 1");
        }
    }

    #[test]
    fn the_ids_are_in_the_parquet_schema_and_every_reader_has_the_types() {
        use parquet::arrow::ArrowSchemaConverter;
        use parquet::basic::{LogicalType, TimeUnit as Unit, Type as Physical};
        for columns in [COLUMNS, LETTER_COLUMNS] {
            let schema = schema_of(columns);
            let parquet = ArrowSchemaConverter::new().convert(&schema).unwrap();
            for (column, written) in columns.iter().zip(parquet.root_schema().get_fields()) {
                let info = written.get_basic_info();
                assert_eq!(info.id(), i32::from(column.id), "{}", column.name);
                let logical = info.logical_type_ref();
                match (column.kind, written.get_physical_type()) {
                    (Type::Text, Physical::BYTE_ARRAY) => {
                        assert_eq!(logical, Some(&LogicalType::String), "{}", column.name);
                    }
                    (Type::Time, Physical::INT64) => assert!(
                        matches!(
                            logical,
                            Some(LogicalType::Timestamp {
                                is_adjusted_to_u_t_c: true,
                                unit: Unit::MICROS
                            })
                        ),
                        "{}: {logical:?}",
                        column.name
                    ),
                    (Type::Bytes, Physical::BYTE_ARRAY)
                    | (Type::Bool, Physical::BOOLEAN)
                    | (Type::Int32, Physical::INT32)
                    | (Type::Int64, Physical::INT64)
                    | (Type::Float64, Physical::DOUBLE) => {
                        assert_eq!(logical, None, "{}", column.name);
                    }
                    other => panic!("{}: {other:?}", column.name),
                }
            }
        }
        assert!(COLUMNS.iter().all(|column| column.kind != Type::Bytes));
    }
}
