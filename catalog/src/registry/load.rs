//! Reads what earlier runs registered.

use sink::{Hour, ObjectName, Offset, Partition, ReplayName, Timestamp};

use crate::db::engine::Session;
use crate::error::Error;
use crate::registry::listing::shown_swaps;
use crate::registry::state::{CrawlState, RegisteredEnd, place};
use crate::sql::Literal;

/// Reads what earlier runs registered of a replay; of the live lake, if it is `None`.
pub(crate) fn load(
    session: &mut Session,
    replay: Option<&ReplayName>,
) -> Result<CrawlState, Error> {
    let connection = &session.connection;
    let (replay, folder) = place(replay);
    let sql = "SELECT lake_id, topic, rewrites FROM meta";
    let (lake, topic, rewrites): (Option<String>, _, u64) =
        connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let mut state = CrawlState {
        lake: lake.map(|id| id.parse()).transpose()?,
        topic,
        swaps: shown_swaps(session, &replay)?,
        rewrites,
        ..CrawlState::default()
    };
    let mut statement = connection
        .prepare("SELECT partition, registered_end, hour FROM partitions WHERE replay = ?")?;
    let mut rows = statement.query([&replay])?;
    while let Some(row) = rows.next()? {
        let registered = RegisteredEnd {
            end: Offset(row.get(1)?),
            hour: Hour(row.get(2)?),
        };
        state.ends.insert(Partition(row.get(0)?), registered);
    }
    let mut statement =
        connection.prepare("SELECT DISTINCT replay, epoch_us(begun_at) FROM replays")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        let begun_at = Timestamp::from_micros(row.get(1)?);
        state.listed.insert(ReplayName::parse(&name)?, begun_at);
    }
    for path in session.texts(&format!(
        "SELECT path FROM objects WHERE replay = {} AND partition IS NOT NULL",
        Literal(&replay)
    ))? {
        let name = path.strip_prefix(&folder).and_then(ObjectName::parse);
        let name = name.ok_or_else(|| {
            Error::Unavailable(format!(
                "it lists {path}, which is not the name of an object"
            ))
        })?;
        state.known.insert(name);
    }
    Ok(state)
}
