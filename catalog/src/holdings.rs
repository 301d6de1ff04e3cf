//! What the catalog lists, for those who check the lake against it: the objects, and whether
//! given ids have arrived.

use duckdb::{Row, params};
use sink::audit::{Listed, Listing};
use sink::{Counts, Footer, ObjectName, Offset, Partition, Timestamp};

use crate::engine::{Mode, Session};
use crate::open::PATIENCE;
use crate::{Catalog, Error};

/// A registered object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its name; [`ObjectName::path`] is its place in the lake.
    pub name: ObjectName,
    /// Its size in bytes.
    pub bytes: u64,
    /// Whether its columns are exactly those that this program writes.
    pub current: bool,
    /// What it says of itself.
    pub footer: Footer,
}

impl Catalog {
    /// The registered objects, by partition and first offset.
    ///
    /// # Errors
    /// The database's.
    pub async fn objects(&self) -> Result<Vec<Object>, Error> {
        let work = |session: &mut Session| {
            let mut statement = session.connection.prepare(
                "SELECT path, bytes, footer, current FROM objects ORDER BY partition, \"first\"",
            )?;
            let mut rows = statement.query([])?;
            let mut objects = Vec::new();
            while let Some(row) = rows.next()? {
                let (path, footer): (String, String) = (row.get(0)?, row.get(2)?);
                let damaged = |what: &str| Error::Unavailable(format!("{path} is listed {what}"));
                objects.push(Object {
                    name: ObjectName::parse(&path).ok_or_else(|| damaged("under no name"))?,
                    bytes: row.get(1)?,
                    current: row.get(3)?,
                    footer: serde_json::from_str(&footer)
                        .map_err(|_| damaged("with a footer that cannot be read"))?,
                });
            }
            Ok(objects)
        };
        self.inner.engine.run(Mode::Read, PATIENCE, work).await
    }

    /// All that the catalog says of the lake's objects, and how far each partition is
    /// registered, for the audit.
    ///
    /// # Errors
    /// The database's. What its rows say wrongly is the audit's to find.
    pub async fn listing(&self) -> Result<Listing, Error> {
        let work = |session: &mut Session| {
            let connection = &session.connection;
            let mut listing = Listing::default();
            let mut statement =
                connection.prepare("SELECT partition, registered_end FROM partitions")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let end = Offset(row.get(1)?);
                listing.ends.insert(Partition(row.get(0)?), end);
            }
            let mut statement = connection.prepare(
                "SELECT path, bytes, footer, partition, \"first\", \"end\", epoch_us(appended_at),
                    \"rows\", dead_letters, duplicates, dropped, absent, differing, letters,
                    epoch_us(occurred_least), epoch_us(occurred_greatest), window_cut,
                    configuration
                 FROM objects ORDER BY path",
            )?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                listing.objects.push(Listed {
                    path: row.get(0)?,
                    bytes: row.get::<_, Option<u64>>(1)?.unwrap_or_default(),
                    footer: described(row),
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
            session.bind_views(&location)?;
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
                let mut statement = connection.prepare(
                    "SELECT place FROM asked SEMI JOIN (
                        SELECT event_id FROM clicks
                        UNION ALL SELECT event_id FROM dead_letters WHERE event_id IS NOT NULL
                     ) held ON asked.id::UUID = held.event_id",
                )?;
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

/// The footer that a row of `objects` holds as a whole, where its columns say the same.
fn described(row: &Row<'_>) -> Result<Footer, String> {
    let json: Option<String> = row.get(2).map_err(|error| error.to_string())?;
    let footer: Footer = serde_json::from_str(json.as_deref().unwrap_or_default())
        .map_err(|error| format!("its footer cannot be read: {error}"))?;
    let columns = columns(row, &footer).map_err(|error| format!("its columns: {error}"))?;
    if columns == footer {
        Ok(footer)
    } else {
        Err("its columns and its footer disagree".to_owned())
    }
}

/// The footer that the columns of such a row tell; what has no column is `whole`'s.
fn columns(row: &Row<'_>, whole: &Footer) -> Result<Footer, duckdb::Error> {
    let moment =
        |at| Ok::<_, duckdb::Error>(row.get::<_, Option<i64>>(at)?.map(Timestamp::from_micros));
    let counts = Counts {
        rows: row.get(7)?,
        dead_letters: row.get(8)?,
        duplicates: row.get(9)?,
        dropped: row.get(10)?,
        absent: row.get(11)?,
    };
    Ok(Footer {
        partition: Partition(row.get(3)?),
        first: Offset(row.get(4)?),
        end: Offset(row.get(5)?),
        appended_at: moment(6)?.unwrap_or_default(),
        counts,
        differing: row.get(12)?,
        letters: row.get(13)?,
        occurred: moment(14)?.zip(moment(15)?),
        window_cut: row.get(16)?,
        configuration: row.get(17)?,
        ..whole.clone()
    })
}
