//! The tables that other engines are told of, each as the list of its objects.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sink::{Column, Timestamp};

use crate::db::engine::Session;
use crate::error::Error;
use crate::sql::Literal;
use crate::tables::table::Table;

/// A value that bounds a column from below or above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColumnBound {
    Int(i32),
    Long(i64),
    Moment(Timestamp),
}

impl ColumnBound {
    /// The value as Iceberg has it: little-endian, moments in microseconds.
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        match self {
            Self::Int(number) => number.to_le_bytes().to_vec(),
            Self::Long(number) => number.to_le_bytes().to_vec(),
            Self::Moment(moment) => moment.micros().to_le_bytes().to_vec(),
        }
    }
}

/// An object of a published table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublishedObject {
    /// Its path in the lake.
    pub(crate) path: String,
    pub(crate) bytes: u64,
    pub(crate) rows: u64,
    /// The day on which the newest of its records arrived, as `2026-11-27`.
    pub(crate) day: String,
    /// The least and the greatest values of columns, by the columns' ids.
    pub(crate) least: Vec<(u16, ColumnBound)>,
    pub(crate) greatest: Vec<(u16, ColumnBound)>,
}

/// A published table.
#[derive(Debug, Clone)]
pub(crate) struct PublishedTable {
    pub(crate) name: String,
    pub(crate) columns: &'static [Column],
    /// Those that have rows.
    pub(crate) objects: Vec<PublishedObject>,
    /// The end of each partition of which it knows; none for a replay, which may be begun anew.
    pub(crate) ends: BTreeMap<u32, u64>,
    /// How many swaps it shows.
    pub(crate) swaps: u64,
}

impl PublishedTable {
    pub(crate) fn rows(&self) -> u64 {
        self.objects.iter().map(|object| object.rows).sum()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.objects.iter().map(|object| object.bytes).sum()
    }
}

/// The sizes of objects of dead letters, which no footer says; `None` for one that is gone.
pub(crate) type LetterSizes = HashMap<String, Option<u64>>;

/// What one snapshot of the catalog has to publish.
pub(crate) struct PublishedTables {
    pub(crate) tables: Vec<PublishedTable>,
    /// The objects of dead letters whose size is not known: it is asked of the store.
    pub(crate) unmeasured: BTreeSet<String>,
    /// How many swaps the snapshot shows.
    swaps: u64,
}

impl PublishedTables {
    /// Reads `clicks` and `dead_letters`, and those of each replay.
    pub(crate) fn read(session: &Session, sizes: &LetterSizes) -> Result<Self, Error> {
        let mut published = Self {
            tables: Vec::new(),
            unmeasured: BTreeSet::new(),
            swaps: session
                .connection
                .query_row("SELECT swaps FROM meta", [], |row| row.get(0))?,
        };
        let replays = session.texts("SELECT DISTINCT replay FROM replays ORDER BY ALL")?;
        for table in Table::ALL {
            for replay in std::iter::once("").chain(replays.iter().map(String::as_str)) {
                published.add(session, table, replay, sizes)?;
            }
        }
        Ok(published)
    }

    fn add(
        &mut self,
        session: &Session,
        table: Table,
        replay: &str,
        sizes: &LetterSizes,
    ) -> Result<(), Error> {
        let name = match replay {
            "" => table.name().to_owned(),
            replay => format!("{}_{replay}", table.name()),
        };
        let (path, counted, bytes) = match table {
            Table::Clicks => ("path", "\"rows\"", "bytes"),
            Table::Letters => ("letters", "dead_letters", "NULL"),
        };
        let mut statement = session.connection.prepare(&format!(
            r#"SELECT {path}, {bytes}::UBIGINT, {counted}::UBIGINT,
                  strftime(appended_at AT TIME ZONE 'UTC', '%Y-%m-%d'), partition::INTEGER,
                  "first"::BIGINT, "end"::BIGINT, epoch_us(occurred_least),
                  epoch_us(occurred_greatest)
               FROM objects WHERE replay = {} AND {counted} > 0 ORDER BY 4, 5, 6, 1"#,
            Literal(replay)
        ))?;
        let mut rows = statement.query([])?;
        let mut objects = Vec::new();
        while let Some(row) = rows.next()? {
            let path: String = row.get(0)?;
            let known: Option<u64> = row.get(1)?;
            let bytes = match (known, sizes.get(&path)) {
                (Some(bytes), _) => bytes,
                (None, Some(Some(bytes))) => *bytes,
                (None, Some(None)) => {
                    tracing::warn!(table = %name, path, "an object is gone: other engines see the state before");
                    return Ok(());
                }
                (None, None) => {
                    self.unmeasured.insert(path.clone());
                    0
                }
            };
            let bounds = |offset: Option<i64>, occurred: Option<i64>| {
                let partition: Option<i32> = row.get(4)?;
                let bounds = [
                    ("partition", partition.map(ColumnBound::Int)),
                    ("offset", offset.map(ColumnBound::Long)),
                    (
                        "occurred_at",
                        occurred.map(|at| ColumnBound::Moment(Timestamp::from_micros(at))),
                    ),
                ];
                let known = bounds.into_iter().filter_map(|(name, bound)| {
                    let column = table.columns().iter().find(|column| column.name == name)?;
                    Some((column.id, bound?))
                });
                Ok::<_, duckdb::Error>(known.collect())
            };
            let (first, end): (Option<i64>, Option<i64>) = (row.get(5)?, row.get(6)?);
            objects.push(PublishedObject {
                path,
                bytes,
                rows: row.get(2)?,
                day: row.get(3)?,
                least: bounds(first, row.get(7)?)?,
                greatest: bounds(end.map(|end| end - 1), row.get(8)?)?,
            });
        }
        let ends = match replay {
            "" => live_ends(session)?,
            _ => BTreeMap::new(),
        };
        self.tables.push(PublishedTable {
            name,
            columns: table.columns(),
            objects,
            ends,
            swaps: self.swaps,
        });
        Ok(())
    }
}

fn live_ends(session: &Session) -> Result<BTreeMap<u32, u64>, Error> {
    let sql = "SELECT partition, registered_end FROM partitions WHERE replay = ''";
    let mut statement = session.connection.prepare(sql)?;
    let ends = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(ends.collect::<Result<_, _>>()?)
}
