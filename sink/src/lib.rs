//! Rows become Parquet objects, and an object is the commit.
//!
//! Here are the lake's columns, names, footers and ledger; the open [`Batch`] and the
//! [`SealedBatch`]; the one conditional create that commits it ([`Lake::commit`]); the
//! [`tips`] that say where the lake continues; the replays, lakes below the lake, and the
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
mod batch;
mod bucket;
mod columns;
mod commit;
mod config;
mod contents;
mod error;
mod footer;
mod lake;
mod ledger;
mod letters;
mod names;
mod object;
mod probe;
mod replay;
mod stretch;
mod tips;

pub use batch::{Batch, SealedBatch};
pub use columns::{COLUMNS, Column, Encoding, Row, Type, schema};
pub use commit::Outcome;
pub use config::{Config, S3};
pub use contents::{Contents, Letter, Rows};
pub use error::Error;
pub use footer::{Counts, Footer};
pub use lake::{Lake, Location, Pool};
pub use ledger::{Entry, Gap, LakeId, Ledger};
pub use letters::{DeadLetter, Reason, schema as letters_schema};
pub use names::{Hour, ObjectName};
pub use replay::{Promotion, Ranges, Replay, ReplayName, Segment, segments};
pub use stretch::Stretch;
pub use tips::{Tip, Tips};
pub use topic::{Identity, Offset, Partition, Timestamp, clock};
