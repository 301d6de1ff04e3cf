//! A batch: open while records come, sealed when it is full, old or the hour turns, then
//! encoded as the Parquet objects that the commit creates.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use bytes::Bytes;
use object_store::path::Path;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;
use sha2::{Digest, Sha256};
use topic::{Identity, Offset, Partition, Timestamp};

use super::columns::{Builders, Column, Encoding, schema_of};
use super::footer::{self, FORMAT};
use super::letters;
use super::names::DIGEST_DIGITS;
use crate::{COLUMNS, Counts, DeadLetter, Footer, Hour, LETTER_COLUMNS, ObjectName, Row};

/// Rows are built in pieces of this many: a piece's buffers are as large as what they hold.
/// Those of a whole batch would grow to twice that, and be copied at each growth.
const PIECE_ROWS: usize = 8_192;

/// An open batch of one partition and one hour.
pub struct Batch {
    footer: Footer,
    hour: Hour,
    /// Its first rows.
    pieces: Vec<RecordBatch>,
    /// The rows after those, fewer than [`PIECE_ROWS`].
    builders: Builders,
    letters: Vec<DeadLetter>,
    bytes: usize,
}

impl Batch {
    /// A batch that begins at `first`, in the hour of the first record at or after it.
    /// `configuration` is the hash of what decides rows; `window_cut` says that retention
    /// had cut the range in which duplicates are looked for.
    #[must_use]
    pub fn new(
        topic: Identity,
        configuration: String,
        partition: Partition,
        first: Offset,
        hour: Hour,
        window_cut: bool,
    ) -> Self {
        let footer = Footer {
            format: FORMAT,
            topic,
            partition,
            first,
            end: first,
            appended_at: Timestamp::default(),
            counts: Counts::default(),
            differing: 0,
            letters: None,
            occurred: None,
            window_cut,
            configuration,
            versions: BTreeMap::new(),
            ledger: 0,
        };
        Self {
            footer,
            hour,
            pieces: Vec::new(),
            builders: Builders::new(),
            letters: Vec::new(),
            bytes: 0,
        }
    }

    /// Says in the object of what versions its rows were enriched from, by name.
    #[must_use]
    pub fn with_versions(mut self, versions: &BTreeMap<String, String>) -> Self {
        self.footer.versions.clone_from(versions);
        self
    }

    /// The batch's hour.
    #[must_use]
    pub const fn hour(&self) -> Hour {
        self.hour
    }

    /// Where the batch ends so far.
    #[must_use]
    pub const fn end(&self) -> Offset {
        self.footer.end
    }

    /// How many offsets it covers.
    #[must_use]
    pub const fn offsets(&self) -> u64 {
        self.footer.counts.total()
    }

    /// Its estimated size in memory, in bytes.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.bytes
    }

    /// Takes the row of the record at `row.offset`.
    pub fn push(&mut self, row: &Row<'_>) {
        self.advance(Offset(row.offset), row.appended_at);
        self.footer.counts.rows += 1;
        let (least, greatest) = self
            .footer
            .occurred
            .unwrap_or((row.occurred_at, row.occurred_at));
        self.footer.occurred = Some((least.min(row.occurred_at), greatest.max(row.occurred_at)));
        self.bytes += row.weight();
        self.builders.push(row);
        if self.builders.len() == PIECE_ROWS {
            self.pieces.push(self.builders.finish());
        }
    }

    /// Takes a dead letter in place of the record.
    pub fn reject(&mut self, letter: DeadLetter) {
        self.advance(letter.offset, letter.appended_at);
        self.footer.counts.dead_letters += 1;
        self.bytes += size_of::<DeadLetter>()
            + letter.detail.len()
            + letter.raw.as_ref().map_or(0, Bytes::len);
        self.letters.push(letter);
    }

    /// Counts the record as a duplicate; `differs` if its content is not its twin's.
    pub const fn duplicate(&mut self, offset: Offset, appended_at: Timestamp, differs: bool) {
        self.advance(offset, appended_at);
        self.footer.counts.duplicates += 1;
        self.footer.differing += differs as u64;
    }

    /// Counts the record as left out.
    pub const fn leave_out(&mut self, offset: Offset, appended_at: Timestamp) {
        self.advance(offset, appended_at);
        self.footer.counts.dropped += 1;
    }

    /// Notes that offsets up to `end` hold no record, so that a range ends where it should.
    pub const fn pass(&mut self, end: Offset) {
        self.footer.counts.absent += self.footer.end.distance(end);
        self.footer.end = end;
    }

    /// Offsets grow; skipped ones hold no record.
    const fn advance(&mut self, offset: Offset, appended_at: Timestamp) {
        debug_assert!(offset.0 >= self.footer.end.0, "records come in order");
        self.footer.counts.absent += self.footer.end.distance(offset);
        self.footer.end = offset.next();
        self.footer.appended_at = appended_at;
    }

    /// Closes the batch.
    #[must_use]
    pub fn seal(mut self) -> SealedBatch {
        if self.pieces.is_empty() || self.builders.len() > 0 {
            self.pieces.push(self.builders.finish());
        }
        let name = ObjectName {
            hour: self.hour,
            partition: self.footer.partition,
            first: self.footer.first,
        };
        SealedBatch {
            name,
            footer: self.footer,
            pieces: self.pieces,
            letters: self.letters,
            bytes: self.bytes,
        }
    }
}

/// A batch that takes no more records, on its way to the lake.
pub struct SealedBatch {
    name: ObjectName,
    footer: Footer,
    /// Its rows; one piece at least.
    pieces: Vec<RecordBatch>,
    letters: Vec<DeadLetter>,
    bytes: usize,
}

/// What the commit writes: bytes and names, the same at every try.
pub(crate) struct Encoded {
    pub(crate) name: ObjectName,
    pub(crate) footer: Footer,
    pub(crate) object: Bytes,
    pub(crate) letters: Option<(Path, Bytes)>,
}

impl SealedBatch {
    /// Its partition.
    #[must_use]
    pub const fn partition(&self) -> Partition {
        self.footer.partition
    }

    /// Its name in the lake.
    #[must_use]
    pub const fn name(&self) -> ObjectName {
        self.name
    }

    /// Where its range ends.
    #[must_use]
    pub const fn end(&self) -> Offset {
        self.footer.end
    }

    /// Returns true if retention had cut the range in which its duplicates were looked for.
    #[must_use]
    pub const fn window_cut(&self) -> bool {
        self.footer.window_cut
    }

    /// Its estimated size in memory, in bytes.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.bytes
    }

    /// How many dead letters of each reason it holds, by the reason's name.
    #[must_use]
    pub fn letters_by_reason(&self) -> BTreeMap<&'static str, u64> {
        let mut counts = BTreeMap::new();
        for letter in &self.letters {
            *counts.entry(letter.reason.name()).or_default() += 1;
        }
        counts
    }

    /// Its footer and its rows.
    pub(crate) fn into_pieces(self) -> (Footer, Vec<RecordBatch>) {
        (self.footer, self.pieces)
    }

    /// Writes Parquet; its maker has read so many entries of the `ledger`. Heavy: call it off the
    /// event loop.
    pub(crate) fn encode(self, ledger: u64) -> Encoded {
        let Self {
            name,
            mut footer,
            pieces,
            letters,
            ..
        } = self;
        let letters = (!letters.is_empty()).then(|| {
            let (digest, object) =
                letters_object(letters::rows(footer.partition, &letters), Vec::new());
            (name.letters(&digest), object)
        });
        footer.ledger = ledger;
        footer.letters = letters.as_ref().map(|(path, _)| path.to_string());
        let mut object = parquet(COLUMNS, pieces, footer.metadata());
        footer::stamp(&mut object);
        Encoded {
            name,
            footer,
            object: object.into(),
            letters,
        }
    }
}

/// The object of these letters, and the digits of its hash that its name holds.
pub(crate) fn letters_object(rows: RecordBatch, metadata: Vec<KeyValue>) -> (String, Bytes) {
    let is_swapped = !metadata.is_empty();
    let mut bytes = parquet(LETTER_COLUMNS, vec![rows], metadata);
    if is_swapped {
        footer::stamp(&mut bytes);
    }
    let mut digest = format!("{:x}", Sha256::digest(&bytes));
    digest.truncate(DIGEST_DIGITS);
    (digest, bytes.into())
}

/// The largest dictionary, in bytes: some ten thousand names of products. A column with more
/// values than that is soon written plainly instead of being looked up value by value.
const DICTIONARY_BYTES: usize = 256 << 10;

/// How every file is written: ZSTD(3), statistics, dictionaries for values that repeat. Its types
/// are Parquet's own, so Arrow's schema is not in it as well. Who writes ends the row groups.
pub(super) fn writer_options(columns: &[Column], metadata: Vec<KeyValue>) -> ArrowWriterOptions {
    let level = ZstdLevel::try_new(3).expect("3 is a level of zstd");
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_created_by(concat!("clickweir version ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_key_value_metadata((!metadata.is_empty()).then_some(metadata))
        .set_dictionary_page_size_limit(DICTIONARY_BYTES)
        .set_max_row_group_row_count(None);
    for column in columns {
        let path = ColumnPath::from(column.name);
        let repeats = column.encoding == Encoding::Dictionary;
        if column.encoding == Encoding::Delta {
            let delta = parquet::basic::Encoding::DELTA_BINARY_PACKED;
            properties = properties.set_column_encoding(path.clone(), delta);
        }
        properties = properties.set_column_dictionary_enabled(path, repeats);
    }
    ArrowWriterOptions::new()
        .with_properties(properties.build())
        .with_skip_arrow_metadata(true)
}

/// One Parquet file of one row group.
pub(crate) fn parquet(
    columns: &[Column],
    pieces: impl IntoIterator<Item = RecordBatch>,
    metadata: Vec<KeyValue>,
) -> Vec<u8> {
    let options = writer_options(columns, metadata);
    let mut writer = ArrowWriter::try_new_with_options(Vec::new(), schema_of(columns), options)
        .expect("every column of the table has a Parquet type");
    // Each piece is freed as soon as it is written.
    for rows in pieces {
        writer.write(&rows).expect("writing to memory");
    }
    writer.into_inner().expect("writing to memory")
}
