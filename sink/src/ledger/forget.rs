//! What somebody asked to be erased, and that it is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use topic::{Offset, Partition, Timestamp};

use super::hex_text::hex_text;
use super::partition_keys::by_partition;

/// Somebody asked to be erased: the records below `until` that are the subject's are left out by
/// everybody who knows this entry, and what was committed before is rewritten without them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Forget {
    /// Which request this is; a replay's ledger has it under the same one.
    pub id: ForgetId,
    /// Whose records are to go, or which.
    pub subject: Subject,
    /// Where each partition of the topic ended at the request. What comes later is kept: a customer
    /// who returns is a customer.
    #[serde(deserialize_with = "by_partition")]
    pub until: BTreeMap<Partition, Offset>,
    /// When it was asked for.
    pub asked_at: Timestamp,
}

impl Forget {
    /// Returns true if the offset is below the request's end of its partition.
    #[must_use]
    pub fn reaches(&self, partition: Partition, at: Offset) -> bool {
        self.until.get(&partition).is_some_and(|until| at < *until)
    }
}

/// Whose records are to go, or which. The ledger never says whose: it has a keyed hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    /// Rows of this `visitor_id`.
    Visitor(SubjectHash),
    /// Rows of this `user_id`.
    User(SubjectHash),
    /// The records that a condition in SQL found.
    Records(ForgottenRecords),
}

/// An object of the live lake that lists records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForgottenRecords {
    /// The object's path in the live lake. Its name holds the hash of its content.
    pub path: String,
    /// How many records it lists.
    pub records: u64,
    /// The keyed hash of the condition: the same command goes on with the same request.
    pub condition: SubjectHash,
}

/// What a swap took out for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErasedShare {
    /// The request.
    pub id: ForgetId,
    /// How many rows and dead letters.
    pub taken: u64,
}

/// An erasure is complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Erased {
    /// The request.
    pub id: ForgetId,
    /// The SHA-256 of the certificate, in hexadecimal digits.
    pub certificate: String,
    /// When it was complete.
    pub erased_at: Timestamp,
}

/// What the ledger says of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Forgetting {
    /// The request.
    pub forget: Forget,
    /// Its entry's number.
    pub number: u64,
    /// The entry that says that it is complete, and its number; `None` before.
    pub erased: Option<(u64, Erased)>,
}

/// The identity of a request to be erased: 128 random bits, 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ForgetId(u128);

impl ForgetId {
    /// An identity from 128 random bits.
    #[must_use]
    pub const fn new(random: u128) -> Self {
        Self(random)
    }
}

hex_text!(ForgetId, "not the identity of an erasure");

/// The first 128 bits of HMAC-SHA256 of a subject's name, under the lake's own key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SubjectHash(pub(crate) u128);

hex_text!(SubjectHash, "not a subject's hash");
