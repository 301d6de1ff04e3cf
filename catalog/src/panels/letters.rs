//! The dead letters: how many each reason and source has, and the newest as samples.

use serde::Serialize;
use sink::{Location, Offset, Partition, Timestamp};

use crate::db::engine::Session;
use crate::error::Error;
use crate::tables::select;
use crate::tables::table::Table;

/// How many objects with dead letters are read, newest first. Each is a file to open.
const MAX_OBJECTS: usize = 500;
/// How many bytes of the record a sample has.
const SAMPLE_BYTES: usize = 400;

/// The dead letters of one reason and one source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Letters {
    /// The reason, of a closed list.
    pub reason: String,
    /// Who sent them, as their envelopes say; empty for records that are no envelopes.
    pub source: String,
    /// How many there are.
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
    /// When the record was appended to the topic.
    pub appended_at: Timestamp,
    /// What is wrong with it, in words.
    pub detail: String,
    /// The record's first bytes; what is not UTF-8 is replaced.
    pub raw: String,
}

/// The dead letters of the newest objects that have some, by reason and source, most frequent first,
/// with `samples` of each. The flag is true if older objects have dead letters that are not counted.
pub(crate) fn letters(
    session: &Session,
    location: &Location,
    samples: usize,
) -> Result<(Vec<Letters>, bool), Error> {
    let newest = |count: usize| {
        format!(
            "SELECT letters FROM objects WHERE dead_letters > 0
             ORDER BY appended_at DESC, path LIMIT {count}"
        )
    };
    let cut = session.texts(&newest(MAX_OBJECTS + 1))?.len() > MAX_OBJECTS;
    let condition = match cut {
        true => format!("letters IN ({})", newest(MAX_OBJECTS)),
        false => "true".to_owned(),
    };
    let pieces = select::pieces(session, Table::Letters, "", &condition)?;
    let rows = Table::Letters.of(&pieces, location);
    let mut statement = session.connection.prepare(&format!(
        "SELECT reason, source, count(*) OVER (PARTITION BY reason, source)::UBIGINT AS letters,
            \"partition\", \"offset\", epoch_us(appended_at), detail, raw[1:{SAMPLE_BYTES}]
         FROM (SELECT *, coalesce(TRY(json_extract_string(decode(raw), '$.source')), '') AS source
            FROM {rows})
         QUALIFY row_number() OVER (
            PARTITION BY reason, source ORDER BY appended_at DESC, \"partition\", \"offset\" DESC
         ) <= {}
         ORDER BY letters DESC, reason, source, appended_at DESC, \"partition\", \"offset\" DESC",
        samples.max(1)
    ))?;
    let mut found = statement.query([])?;
    let mut reasons: Vec<Letters> = Vec::new();
    while let Some(row) = found.next()? {
        let (reason, source, count) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let is_of = |last: &Letters| last.reason == reason && last.source == source;
        if !reasons.last().is_some_and(is_of) {
            reasons.push(Letters {
                reason,
                source,
                count,
                samples: Vec::new(),
            });
        }
        let raw: Option<Vec<u8>> = row.get(7)?;
        let letter = Letter {
            partition: Partition(row.get(3)?),
            offset: Offset(row.get(4)?),
            appended_at: Timestamp::from_micros(row.get(5)?),
            detail: row.get::<_, Option<String>>(6)?.unwrap_or_default(),
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
}
