//! What the catalog lists, for those who check the lake against it: the objects, and whether
//! given ids have arrived.

use std::collections::BTreeMap;

use duckdb::{Row, params};
use sink::audit::{ListedObject, Listing};
use sink::{Counts, Footer, ObjectName, Offset, Partition, ReplayName, Timestamp};

use crate::catalog::Catalog;
use crate::db::engine::{Mode, PATIENCE, Session};
use crate::error::Error;
use crate::registry::state::place;
use crate::tables::table::Table;

/// A registered object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its name; [`ObjectName::path`] is its place in its lake.
    pub name: ObjectName,
    /// Its size in bytes.
    pub bytes: u64,
    /// Whether its columns are exactly those that this program writes.
    pub current: bool,
    /// What it says of itself.
    pub footer: Footer,
}

impl Catalog {
    /// The live lake's registered objects, by partition and first offset.
    ///
    /// # Errors
    /// The database's.
    pub async fn objects(&self) -> Result<Vec<Object>, Error> {
        self.objects_of(None).await
    }

    /// The registered objects of a replay, or (none) of the live lake.
    ///
    /// # Errors
    /// The database's.
    pub async fn objects_of(&self, replay: Option<&ReplayName>) -> Result<Vec<Object>, Error> {
        let (replay, folder) = place(replay);
        let work = move |session: &mut Session| {
            let mut statement = session.connection.prepare(
                "SELECT path, bytes, footer, current FROM objects WHERE replay = ?
                 ORDER BY partition, \"first\"",
            )?;
            objects(statement.query([replay])?, &folder)
        };
        self.inner.engine.run(Mode::Read, PATIENCE, work).await
    }

    /// The live lake's `n` objects that were appended last, newest first.
    ///
    /// # Errors
    /// The database's.
    pub async fn newest(&self, n: usize) -> Result<Vec<Object>, Error> {
        self.read(move |session| {
            let mut statement = session.connection.prepare(
                "SELECT path, bytes, footer, current FROM objects WHERE replay = ''
                 ORDER BY objects.appended_at DESC, path DESC LIMIT ?",
            )?;
            objects(statement.query([n as u64])?, "")
        })
        .await
    }

    /// All that the catalog says of the objects of a replay, or (none) of the live lake, and
    /// how far each partition is registered, for the audit. Paths are those in that lake.
    ///
    /// # Errors
    /// The database's. What its rows say wrongly is the audit's to find.
    pub async fn listing(&self, replay: Option<&ReplayName>) -> Result<Listing, Error> {
        let (replay, folder) = place(replay);
        let work = move |session: &mut Session| {
            let connection = &session.connection;
            let mut listing = Listing::default();
            let mut statement = connection
                .prepare("SELECT partition, registered_end FROM partitions WHERE replay = ?")?;
            let mut rows = statement.query([&replay])?;
            while let Some(row) = rows.next()? {
                let end = Offset(row.get(1)?);
                listing.ends.insert(Partition(row.get(0)?), end);
            }
            let mut statement = connection.prepare(
                "SELECT path, bytes, footer, partition, \"first\", \"end\", epoch_us(appended_at),
                    \"rows\", dead_letters, duplicates, dropped, absent, differing, letters,
                    epoch_us(occurred_least), epoch_us(occurred_greatest), window_cut,
                    configuration
                 FROM objects WHERE replay = ? ORDER BY path",
            )?;
            let mut rows = statement.query([&replay])?;
            while let Some(row) = rows.next()? {
                listing.objects.push(ListedObject {
                    path: within(&folder, row.get(0)?),
                    bytes: row.get::<_, Option<u64>>(1)?.unwrap_or_default(),
                    footer: described(row, &folder),
                });
            }
            Ok(listing)
        };
        self.inner.engine.run(Mode::Read, PATIENCE, work).await
    }

    /// Whether each of the ids is that of a row or of a dead letter.
    ///
    /// # Errors
    /// The database's, and the lake's as the database met it.
    pub async fn present(&self, ids: &[[u8; 16]]) -> Result<Vec<bool>, Error> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let location = self.inner.lake.location().clone();
        let ids = ids.to_vec();
        let work = move |session: &mut Session| {
            let rows = |table: Table| {
                let pieces = session.pieces(table, "true")?;
                Ok::<_, Error>(table.of(&pieces, &location))
            };
            let (clicks, letters) = (rows(Table::Clicks)?, rows(Table::Letters)?);
            let connection = &session.connection;
            connection
                .execute_batch("CREATE OR REPLACE TEMP TABLE asked (place UBIGINT, id BLOB)")?;
            let mut appender = connection.appender("asked")?;
            for (place, id) in ids.iter().enumerate() {
                appender.append_row(params![place as u64, id.as_slice()])?;
            }
            appender.flush()?;
            drop(appender);
            let mut there = vec![false; ids.len()];
            {
                let mut statement = connection.prepare(&format!(
                    "SELECT place FROM asked SEMI JOIN (
                        SELECT event_id FROM {clicks}
                        UNION ALL SELECT event_id FROM {letters} WHERE event_id IS NOT NULL
                     ) held ON asked.id::UUID = held.event_id"
                ))?;
                let mut rows = statement.query([])?;
                while let Some(row) = rows.next()? {
                    let place: u64 = row.get(0)?;
                    let place = usize::try_from(place).expect("places are indices of a slice");
                    there[place] = true;
                }
            }
            connection.execute_batch("DROP TABLE asked")?;
            Ok(there)
        };
        self.inner.engine.run(Mode::Read, PATIENCE, work).await
    }
}

impl Session {
    /// Where each partition of the live lake is registered up to.
    pub(crate) fn ends(&self) -> Result<BTreeMap<Partition, Offset>, Error> {
        let mut statement = self
            .connection
            .prepare("SELECT partition, registered_end FROM partitions WHERE replay = ''")?;
        let ends =
            statement.query_map([], |row| Ok((Partition(row.get(0)?), Offset(row.get(1)?))))?;
        Ok(ends.collect::<Result<_, _>>()?)
    }
}

/// The footer that a row of `objects` holds as a whole, where its columns say the same.
fn objects(mut rows: duckdb::Rows<'_>, folder: &str) -> Result<Vec<Object>, Error> {
    let mut objects = Vec::new();
    while let Some(row) = rows.next()? {
        let (path, footer): (String, String) = (row.get(0)?, row.get(2)?);
        let damaged = |what: &str| Error::Unavailable(format!("{path} is listed {what}"));
        objects.push(Object {
            name: path
                .strip_prefix(folder)
                .and_then(ObjectName::parse)
                .ok_or_else(|| damaged("under no name"))?,
            bytes: row.get(1)?,
            current: row.get(3)?,
            footer: serde_json::from_str(&footer)
                .map_err(|_| damaged("with a footer that cannot be read"))?,
        });
    }
    Ok(objects)
}

fn described(row: &Row<'_>, folder: &str) -> Result<Footer, String> {
    let json: Option<String> = row.get(2).map_err(|error| error.to_string())?;
    let footer: Footer = serde_json::from_str(json.as_deref().unwrap_or_default())
        .map_err(|error| format!("its footer cannot be read: {error}"))?;
    let columns = columns(row, &footer, folder).map_err(|error| format!("its columns: {error}"))?;
    if columns == footer {
        Ok(footer)
    } else {
        Err("its columns and its footer disagree".to_owned())
    }
}

/// The footer that the columns of such a row tell; what has no column is `whole`'s.
fn columns(row: &Row<'_>, whole: &Footer, folder: &str) -> Result<Footer, duckdb::Error> {
    let moment =
        |at| Ok::<_, duckdb::Error>(row.get::<_, Option<i64>>(at)?.map(Timestamp::from_micros));
    let counts = Counts {
        rows: row.get(7)?,
        dead_letters: row.get(8)?,
        duplicates: row.get(9)?,
        dropped: row.get(10)?,
        absent: row.get(11)?,
    };
    let letters: Option<String> = row.get(13)?;
    Ok(Footer {
        partition: Partition(row.get(3)?),
        first: Offset(row.get(4)?),
        end: Offset(row.get(5)?),
        appended_at: moment(6)?.unwrap_or_default(),
        counts,
        differing: row.get(12)?,
        letters: letters.map(|path| within(folder, path)),
        occurred: moment(14)?.zip(moment(15)?),
        window_cut: row.get(16)?,
        configuration: row.get(17)?,
        ..whole.clone()
    })
}

/// A path without the folder of its lake.
fn within(folder: &str, path: String) -> String {
    match path.strip_prefix(folder) {
        Some(within) => within.to_owned(),
        None => path,
    }
}
