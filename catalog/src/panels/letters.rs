//! The dead letters: how many of each reason, and the newest as samples.

use serde::Serialize;
use sink::{Offset, Partition, Timestamp};

use crate::catalog::Catalog;
use crate::error::Error;
use crate::tables::table::Table;

/// Objects with dead letters that are looked into, newest first: each is a file to open.
const LOOKED_INTO: usize = 500;
/// Bytes that a sample shows of the record.
const SHOWN: usize = 400;

/// What a reason took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Letters {
    /// The reason, of a closed list.
    pub reason: String,
    /// Dead letters of it.
    pub count: u64,
    /// The newest of them, newest first.
    pub samples: Vec<Letter>,
}

/// One dead letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Letter {
    /// The record's partition.
    pub partition: Partition,
    /// The record's offset.
    pub offset: Offset,
    /// When the topic took it.
    pub appended_at: Timestamp,
    /// What is wrong, in words.
    pub detail: String,
    /// The begin of the record, what is not UTF-8 replaced.
    pub raw: String,
}

impl Catalog {
    /// The dead letters of the newest objects that have some, by reason, most frequent first,
    /// with `samples` of each; and whether older objects have some, too, that are not counted.
    ///
    /// # Errors
    /// The database's, and the lake's as the database met it.
    pub async fn letters(&self, samples: usize) -> Result<(Vec<Letters>, bool), Error> {
        let location = self.inner.lake.location().clone();
        self.read(move |session| {
            let newest = session.paths(&format!(
                "SELECT letters FROM objects WHERE dead_letters > 0
                 ORDER BY appended_at DESC, path LIMIT {}",
                LOOKED_INTO + 1
            ))?;
            let cut = newest.len() > LOOKED_INTO;
            let oldest = if cut {
                format!(
                    "letters IN (SELECT letters FROM objects WHERE dead_letters > 0
                     ORDER BY appended_at DESC, path LIMIT {LOOKED_INTO})"
                )
            } else {
                "true".to_owned()
            };
            let pieces = session.pieces(Table::Letters, &oldest)?;
            let rows = Table::Letters.of(&pieces, &location);
            let mut statement = session.connection.prepare(&format!(
                "SELECT reason, count(*) OVER (PARTITION BY reason)::UBIGINT AS letters,
                    \"partition\", \"offset\", epoch_us(appended_at), detail, raw[1:{SHOWN}]
                 FROM {rows}
                 QUALIFY row_number() OVER (
                    PARTITION BY reason ORDER BY appended_at DESC, \"partition\", \"offset\" DESC
                 ) <= {}
                 ORDER BY letters DESC, reason, appended_at DESC, \"partition\", \"offset\" DESC",
                samples.max(1)
            ))?;
            let mut found = statement.query([])?;
            let mut reasons: Vec<Letters> = Vec::new();
            while let Some(row) = found.next()? {
                let (reason, count) = (row.get(0)?, row.get(1)?);
                if reasons.last().is_none_or(|last| last.reason != reason) {
                    reasons.push(Letters {
                        reason,
                        count,
                        samples: Vec::new(),
                    });
                }
                let raw: Option<Vec<u8>> = row.get(6)?;
                let letter = Letter {
                    partition: Partition(row.get(2)?),
                    offset: Offset(row.get(3)?),
                    appended_at: Timestamp::from_micros(row.get(4)?),
                    detail: row.get::<_, Option<String>>(5)?.unwrap_or_default(),
                    raw: String::from_utf8_lossy(&raw.unwrap_or_default()).into_owned(),
                };
                if let Some(last) = reasons.last_mut() {
                    last.samples.push(letter);
                }
            }
            for reason in &mut reasons {
                reason.samples.truncate(samples);
            }
            Ok((reasons, cut))
        })
        .await
    }
}
