//! RowRecords become Parquet objects, and an object is the commit.
//!
//! Here are the lake's columns, names, footers and ledger; the open [`Batch`] and the
//! [`SealedBatch`]; the one conditional create that commits it ([`Lake::commit`]); the
//! [`Tips`] that say where the lake continues; the replays, lakes below the lake, and the
//! entries that promote them; and the arithmetic [`audit`].
//!
//! This crate knows no brokers, no DuckDB and no HTTP: watermarks and lists that come
//! from elsewhere are handed in.
//!
//! Invariants (the numbers are DESIGN's):
//! - 2: a batch becomes visible by one atomic create of one object, and by nothing else.
//! - 3: an object holds `[first, end)` of one partition and begins where a committed one,
//!   `origin` or a `gap` ended.
//! - 4: `end - first = rows + dead letters + duplicates + dropped + absent`, in the footer.
//! - 5: nothing in an object depends on the wall clock or on chance.

pub mod audit;
mod config;
mod error;
mod lake;
mod ledger;
mod object;
mod replay;

pub use config::{Config, S3};
pub use error::Error;
pub use lake::Lake;
pub use lake::commit::Outcome;
pub use lake::location::Location;
pub use lake::pool::Pool;
pub use lake::tips::{Tip, Tips};
pub use ledger::entry::{Entry, Promotion, Ranges, ReplayName, ReplayOrigin};
pub use ledger::fold::{Gap, Ledger};
pub use ledger::id::LakeId;
pub use object::batch::{Batch, SealedBatch};
pub use object::columns::{COLUMNS, Column, Encoding, Row, Type, schema};
pub use object::contents::{Contents, LetterRecord, RowRecords};
pub use object::footer::{Counts, Footer};
pub use object::letters::{DeadLetter, Reason, schema as letters_schema};
pub use object::names::{Hour, ObjectName};
pub use object::pending_rows::PendingRows;
pub use replay::{PromotedRange, promoted_ranges};
pub use topic::{Identity, Offset, Partition, Timestamp, clock};
