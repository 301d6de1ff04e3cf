//! What earlier runs registered, read from the database.

use sink::{Hour, ObjectName, Offset, Partition, ReplayName, Timestamp};

use crate::db::engine::Session;
use crate::error::Error;
use crate::registry::state::{Mark, Marks, place};

/// Reads what earlier runs registered of a replay, or (none) of the live lake.
pub(crate) fn load(session: &mut Session, replay: Option<&ReplayName>) -> Result<Marks, Error> {
    let connection = &session.connection;
    let (replay, folder) = place(replay);
    let (topic, promotions): (_, String) =
        connection.query_row("SELECT topic, promotions FROM meta", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    let mut marks = Marks {
        topic,
        promotions: serde_json::from_str(&promotions).map_err(|error| {
            Error::Unavailable(format!("its promotions cannot be read: {error}"))
        })?,
        ..Marks::default()
    };
    let mut statement = connection
        .prepare("SELECT partition, registered_end, hour FROM partitions WHERE replay = ?")?;
    let mut rows = statement.query([&replay])?;
    while let Some(row) = rows.next()? {
        let mark = Mark {
            end: Offset(row.get(1)?),
            hour: Hour(row.get(2)?),
        };
        marks.ends.insert(Partition(row.get(0)?), mark);
    }
    let mut statement =
        connection.prepare("SELECT DISTINCT replay, epoch_us(begun_at) FROM replays")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        let begun_at = Timestamp::from_micros(row.get(1)?);
        marks.listed.insert(ReplayName::parse(&name)?, begun_at);
    }
    // A replay's name is safe in SQL.
    for path in session.paths(&format!(
        "SELECT path FROM objects WHERE replay = '{replay}'"
    ))? {
        let name = path.strip_prefix(&folder).and_then(ObjectName::parse);
        let name = name.ok_or_else(|| {
            Error::Unavailable(format!("it lists {path}, which is no object's name"))
        })?;
        marks.known.insert(name);
    }
    Ok(marks)
}
