//! The lake: rows become Parquet objects, and one atomic create of an object is the commit.
//!
//! Start at [`Lake`], a store with a place in it. A worker fills a [`Batch`] of one partition and
//! one hour, seals it, and commits it ([`Lake::commit`]); [`Tips`] say where each partition
//! continues. What is not a batch is an [`Entry`] of the ledger, and a [`Ledger`] is all entries
//! folded: whose lake it is, which losses were accepted, which replays are promoted, and which
//! objects a [`Swap`] has replaced.
//! [`audit`] compares the lake with the topic and the catalog.
//!
//! The files, from the ground up: `object/` is what an object holds and how it is written and
//! read; `ledger/` the entries and their fold; `lake/` the store, the commit and the tips;
//! `rewrite/` how objects take the place of others, by which `compact/` merges small ones,
//! `retention/` takes out old rows, `repair.rs` rebuilds what is damaged and `replay/` promotes
//! lakes below the lake; `audit/` and `backup/` are on top.
//!
//! This crate knows no brokers, no DuckDB and no HTTP: watermarks and the catalog's list are
//! parameters.
//!
//! Invariants:
//! - 2: a batch becomes visible by one atomic create of one object, and by nothing else.
//! - 3: an object holds `[first, end)` of one partition and begins where a committed one,
//!   `origin` or a `gap` ended.
//! - 4: `end - first = rows + dead letters + duplicates + dropped + absent`, in the footer.
//! - 5: nothing in an object depends on the wall clock or on chance.

pub mod audit;
mod backup;
mod compact;
mod config;
mod error;
mod forget;
mod lake;
mod ledger;
mod object;
mod repair;
mod replay;
mod retention;
mod rewrite;

pub use backup::config::BackupConfig;
pub use backup::manifest::Backup;
pub use backup::prune::Pruned;
pub use backup::restore::{RestoreScene, Restored};
pub use backup::run::{BackedUp, BackupScene};
pub use backup::store::BackupStore;
pub use backup::take::CopyProgress;
pub use compact::scene::{Compacted, CompactionLimits, CompactionScene};
pub use compact::tally::{LakeTally, ObjectTally, PeriodTally};
pub use config::{CompactionConfig, Config, Encryption, GRACE, S3};
pub use error::Error;
pub use forget::certificate::{CERTIFICATE_KEY, ErasureCertificate, SignedCertificate};
pub use forget::erase::ErasureScene;
pub use forget::keys::{LakeKeys, SubjectKey};
pub use forget::records::RecordList;
pub use forget::rule::{DropRule, Forgotten};
pub use forget::scan::SubjectShare;
pub use forget::sign::SigningKey;
pub use lake::Lake;
pub use lake::commit::Outcome;
pub use lake::folder::Obstacle;
pub use lake::foreign::ForeignBucket;
pub use lake::location::Location;
pub use lake::pool::{CoreShare, Pool};
pub use lake::published::PublishedFile;
pub use lake::tips::{Tip, Tips};
pub use ledger::coverage::{Coverage, Covered};
pub use ledger::entry::{Entry, Knowledge};
pub use ledger::fold::{Gap, Ledger};
pub use ledger::forget::{
    Erased, ErasedShare, Forget, ForgetId, Forgetting, ForgottenRecords, Subject, SubjectHash,
};
pub use ledger::id::LakeId;
pub use ledger::maker::{Made, Making};
pub use ledger::replayed::{Promotion, Ranges, ReplayName, ReplayOrigin};
pub use ledger::swap::{
    CoveredRange, RangeCounts, Removal, ReplacedObject, RowDigest, Swap, SwapLetters, SwapMaker,
    SwapObject,
};
pub use object::batch::{Batch, SealedBatch};
pub use object::columns::{COLUMNS, Column, Encoding, Row, Type, schema};
pub use object::contents::{Contents, LetterRecord, RowRecords};
pub use object::footer::{Counts, Footer};
pub use object::identity::row_identity;
pub use object::letters::{DeadLetter, LETTER_COLUMNS, Reason, schema as letters_schema};
pub use object::names::{Hour, ObjectName};
pub use object::pending_rows::PendingRows;
pub use object::read::ColumnSet;
pub use object::thrift::{UnfitParquet, check_parquet};
pub use repair::LakeHole;
pub use retention::rule::RetentionRule;
pub use retention::scene::{Expired, RetentionScene};
pub use rewrite::choice::RowRule;
pub use topic::{
    Identity, Offset, Partition, Timestamp, Unit, Watermarks, clock, id_text, uuid_bytes, uuid_text,
};
