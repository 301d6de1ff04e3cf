//! What the catalog lists, for those who check the lake against it: the objects, rows that
//! stand twice, and whether given ids have arrived.

use duckdb::params;
use sink::{Footer, ObjectName, ReplayName};

use crate::engine::{Mode, Session};
use crate::open::PATIENCE;
use crate::{Catalog, Error};

/// The catalog's name of a replay, and the prefix of its objects' paths; both are empty for
/// the live lake.
pub(crate) fn place(replay: Option<&ReplayName>) -> (String, String) {
    replay.map_or_else(Default::default, |name| {
        (name.to_string(), format!("{}/", name.folder()))
    })
}

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
            let mut rows = statement.query([replay])?;
            let mut objects = Vec::new();
            while let Some(row) = rows.next()? {
                let (path, footer): (String, String) = (row.get(0)?, row.get(2)?);
                let damaged = |what: &str| Error::Unavailable(format!("{path} is listed {what}"));
                objects.push(Object {
                    name: path
                        .strip_prefix(&folder)
                        .and_then(ObjectName::parse)
                        .ok_or_else(|| damaged("under no name"))?,
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

    /// How many rows stand in the lake beyond the first of their partition and offset.
    ///
    /// # Errors
    /// The database's, and the lake's as the database met it.
    pub async fn doubled(&self) -> Result<u64, Error> {
        let location = self.inner.lake.location().clone();
        let work = move |session: &mut Session| {
            session.bind_views(&location)?;
            Ok(session.connection.query_row(
                "SELECT coalesce(sum(n - 1), 0)::UBIGINT FROM (
                    SELECT count(*) AS n FROM clicks GROUP BY partition, \"offset\" HAVING n > 1)",
                [],
                |row| row.get(0),
            )?)
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
