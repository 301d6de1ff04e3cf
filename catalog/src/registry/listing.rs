//! What the catalog lists, for those who compare the lake with it: the objects, the partitions'
//! ends, and whether ids are present.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use duckdb::{Row, params};
use sink::audit::{ListedObject, Listing};
use sink::{
    Counts, Footer, Location, ObjectName, Offset, Partition, ReplayName, Timestamp, id_text,
    uuid_bytes, uuid_text,
};

use crate::db::engine::Session;
use crate::error::Error;
use crate::registry::objects::columns_in_micros;
use crate::registry::state::place;
use crate::sql::{Literal, any};
use crate::tables::select;
use crate::tables::table::Table;

/// A registered object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its name; [`ObjectName::path`] is its path in its lake.
    pub name: ObjectName,
    /// Its size in bytes.
    pub bytes: u64,
    /// True if its columns are exactly those that this program writes.
    pub current: bool,
    /// Its footer.
    pub footer: Footer,
}

/// The registered objects of a replay, or of the live lake if it is `None`, by partition and first
/// offset.
pub(crate) fn objects(
    session: &Session,
    replay: Option<&ReplayName>,
) -> Result<Vec<Object>, Error> {
    let (replay, folder) = place(replay);
    let mut statement = session.connection.prepare(
        "SELECT path, bytes, footer, current FROM objects
         WHERE replay = ? AND partition IS NOT NULL ORDER BY partition, \"first\"",
    )?;
    read_objects(statement.query([replay])?, &folder)
}

/// The live lake's `n` objects that were appended last, newest first.
pub(crate) fn newest_objects(session: &Session, n: usize) -> Result<Vec<Object>, Error> {
    let mut statement = session.connection.prepare(
        "SELECT path, bytes, footer, current FROM objects
         WHERE replay = '' AND partition IS NOT NULL
         ORDER BY objects.appended_at DESC, path DESC LIMIT ?",
    )?;
    read_objects(statement.query([n as u64])?, "")
}

/// All that the catalog says of the objects of a replay, or of the live lake if it is `None`, and
/// how far each partition is registered.
pub(crate) fn listing(session: &Session, replay: Option<&ReplayName>) -> Result<Listing, Error> {
    let (replay, folder) = place(replay);
    let mut listing = Listing {
        ends: ends(session, &replay)?,
        ..Listing::default()
    };
    let mut statement = session.connection.prepare(&format!(
        "SELECT {} FROM objects WHERE replay = ? AND partition IS NOT NULL ORDER BY path",
        columns_in_micros()
    ))?;
    let mut rows = statement.query([&replay])?;
    while let Some(row) = rows.next()? {
        listing.objects.push(ListedObject {
            path: without(&folder, row.get("path")?),
            bytes: row.get::<_, Option<u64>>("bytes")?.unwrap_or_default(),
            footer: checked_footer(row, &folder),
        });
    }
    let swapped = "SELECT path, bytes FROM objects
        WHERE replay = ? AND partition IS NULL AND letters IS NULL";
    let mut statement = session.connection.prepare(swapped)?;
    let swapped = statement.query_map([&replay], |row| {
        Ok((without(&folder, row.get(0)?), row.get(1)?))
    })?;
    listing.swaps = shown_swaps(session, &replay)?;
    listing.swapped = swapped.collect::<Result<_, _>>()?;
    Ok(listing)
}

/// How many swaps the tables show of a replay, or of the live lake if its name is empty.
pub(crate) fn shown_swaps(session: &Session, replay: &str) -> Result<u64, Error> {
    let sql = match replay {
        "" => "SELECT swaps FROM meta WHERE ? = ''",
        _ => "SELECT coalesce(max(swaps), 0) FROM replays WHERE replay = ?",
    };
    Ok(session
        .connection
        .query_row(sql, [replay], |row| row.get(0))?)
}

/// The registered end of each partition of the live lake.
pub(crate) fn registered_ends(session: &Session) -> Result<BTreeMap<Partition, Offset>, Error> {
    ends(session, "")
}

fn ends(session: &Session, replay: &str) -> Result<BTreeMap<Partition, Offset>, Error> {
    let mut statement = session
        .connection
        .prepare("SELECT partition, registered_end FROM partitions WHERE replay = ?")?;
    let ends = statement.query_map([replay], |row| {
        Ok((Partition(row.get(0)?), Offset(row.get(1)?)))
    })?;
    Ok(ends.collect::<Result<_, _>>()?)
}

/// For each id, whether it is that of a row or of a dead letter.
pub(crate) fn present(
    session: &Session,
    location: &Location,
    ids: &[String],
) -> Result<Vec<bool>, Error> {
    let rows = |table: Table| {
        let pieces = select::pieces(session, table, "", "true")?;
        Ok::<_, Error>(table.of(&pieces, location))
    };
    let (clicks, letters) = (rows(Table::Clicks)?, rows(Table::Letters)?);
    let connection = &session.connection;
    connection.execute_batch("CREATE OR REPLACE TEMP TABLE asked (place BIGINT, id VARCHAR)")?;
    let mut appender = connection.appender("asked")?;
    for (place, id) in ids.iter().enumerate() {
        appender.append_row(params![place as u64, id_text(id.into())])?;
    }
    appender.flush()?;
    drop(appender);
    let mut present = vec![false; ids.len()];
    {
        let mut statement = connection.prepare(&format!(
            "SELECT place FROM asked SEMI JOIN (
                SELECT event_id FROM {clicks}
                UNION ALL SELECT event_id FROM {letters} WHERE event_id IS NOT NULL
             ) held ON asked.id = held.event_id"
        ))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let place: u64 = row.get(0)?;
            let place = usize::try_from(place).expect("places are indices of a slice");
            present[place] = true;
        }
    }
    connection.execute_batch("DROP TABLE asked")?;
    Ok(present)
}

/// An event's id, which of its items it is (`None` if it is one record), and whether it is a row;
/// else it is a dead letter.
pub type HeldEvent = ([u8; 16], Option<u32>, bool);

/// Each row and dead letter whose id is a UUID within one of the ranges.
pub(crate) fn held(
    session: &Session,
    location: &Location,
    ranges: &[RangeInclusive<[u8; 16]>],
) -> Result<Vec<HeldEvent>, Error> {
    let id = |bytes: &[u8; 16]| Literal(uuid_text(*bytes));
    let within = any(ranges.iter().map(|range| {
        let (first, last) = (id(range.start()), id(range.end()));
        format!("event_id BETWEEN {first} AND {last}")
    }));
    let mut selects = Vec::new();
    for (table, is_row) in [(Table::Clicks, true), (Table::Letters, false)] {
        let rows = table.of(&select::pieces(session, table, "", "true")?, location);
        selects.push(format!(
            "SELECT event_id, item, {is_row} FROM {rows} WHERE {within}"
        ));
    }
    let mut statement = session.connection.prepare(&selects.join(" UNION ALL "))?;
    let mut rows = statement.query([])?;
    let mut held = Vec::new();
    while let Some(row) = rows.next()? {
        let (id, item, is_row): (String, Option<u32>, bool) =
            (row.get(0)?, row.get(1)?, row.get(2)?);
        // Other texts may be between two UUIDs.
        held.extend(uuid_bytes(&id).map(|id| (id, item, is_row)));
    }
    Ok(held)
}

fn read_objects(mut rows: duckdb::Rows<'_>, folder: &str) -> Result<Vec<Object>, Error> {
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

/// The footer in a row of `objects`, if the row's columns say the same.
fn checked_footer(row: &Row<'_>, folder: &str) -> Result<Footer, String> {
    let json: Option<String> = row.get("footer").map_err(|error| error.to_string())?;
    let footer: Footer = serde_json::from_str(json.as_deref().unwrap_or_default())
        .map_err(|error| format!("its footer cannot be read: {error}"))?;
    let columns =
        footer_of_columns(row, &footer, folder).map_err(|error| format!("its columns: {error}"))?;
    if columns == footer {
        Ok(footer)
    } else {
        Err("its columns and its footer disagree".to_owned())
    }
}

/// The footer as the row's columns have it. What has no column is taken from `whole`.
fn footer_of_columns(row: &Row<'_>, whole: &Footer, folder: &str) -> Result<Footer, duckdb::Error> {
    let moment = |column: &str| {
        let micros: Option<i64> = row.get(column)?;
        Ok::<_, duckdb::Error>(micros.map(Timestamp::from_micros))
    };
    let counts = Counts {
        rows: row.get("rows")?,
        dead_letters: row.get("dead_letters")?,
        duplicates: row.get("duplicates")?,
        dropped: row.get("dropped")?,
        absent: row.get("absent")?,
    };
    let letters: Option<String> = row.get("letters")?;
    Ok(Footer {
        partition: Partition(row.get("partition")?),
        first: Offset(row.get("first")?),
        end: Offset(row.get("end")?),
        appended_at: moment("appended_at")?.unwrap_or_default(),
        counts,
        differing: row.get("differing")?,
        letters: letters.map(|path| without(folder, path)),
        occurred: moment("occurred_least")?.zip(moment("occurred_greatest")?),
        window_cut: row.get("window_cut")?,
        configuration: row.get("configuration")?,
        ..whole.clone()
    })
}

/// A path without the folder of its lake.
fn without(folder: &str, path: String) -> String {
    match path.strip_prefix(folder) {
        Some(path) => path.to_owned(),
        None => path,
    }
}
