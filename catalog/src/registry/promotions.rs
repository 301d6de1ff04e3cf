//! Promotions: the ranges of the tables in which a replay takes the place of the live objects,
//! and the pieces of the objects around them.

use duckdb::{Connection, params};
use sink::{Location, Offset, PromotedRange, Promotion, Timestamp, promoted_ranges};

use crate::db::engine::Session;
use crate::error::Error;
use crate::rollup::fold;
use crate::sql::OffsetRange;
use crate::tables::piece::Piece;
use crate::tables::select;
use crate::tables::table::Table;

/// Makes the tables show exactly these promotions, in one transaction that folds at most so many
/// rows at a time.
pub(crate) fn show(
    session: &mut Session,
    promotions: &[Promotion],
    location: &Location,
    fold_rows: u64,
) -> Result<(), Error> {
    let connection = &session.connection;
    connection.execute_batch("DELETE FROM promoted; DELETE FROM pieces")?;
    for PromotedRange {
        partition,
        first,
        end,
        name,
    } in promoted_ranges(promotions)
    {
        connection.execute(
            "INSERT INTO promoted VALUES (?, ?, ?, ?)",
            params![name.as_str(), partition.0, first.0, end.0],
        )?;
    }
    for part in shown_parts(connection)? {
        match part.whole {
            true => insert_whole(connection, &part.path)?,
            false => insert_cut(connection, &part, location)?,
        }
    }
    let shown = select::pieces(session, Table::Clicks, "true")?;
    fold::clear(connection)?;
    fold::add(connection, &shown, location, fold_rows)?;
    fold::settle(connection, false)?;
    connection.execute_batch("UPDATE objects SET folded = true WHERE NOT folded")?;
    let json = serde_json::to_string(promotions).expect("promotions are plain text and numbers");
    connection.execute(
        "UPDATE meta SET promotions = ?, revision = revision + 1",
        params![json],
    )?;
    Ok(())
}

/// The part that is shown of an object that a promotion touches.
struct ShownPart {
    path: String,
    whole: bool,
    partition: u32,
    range: (u64, u64),
}

/// The parts of the replays' objects within the promoted ranges, and of the live objects around them.
fn shown_parts(connection: &Connection) -> Result<Vec<ShownPart>, Error> {
    let mut parts = Vec::new();
    let mut statement = connection.prepare(
        r#"SELECT path, o."first", o."end", p."first", p."end", o.replay = p.replay, partition
           FROM objects o JOIN promoted p USING (partition)
           WHERE o.replay IN ('', p.replay) AND p."first" < o."end" AND o."first" < p."end"
           ORDER BY o.replay, partition, o."first", p."first""#,
    )?;
    let mut rows = statement.query([])?;
    // The rest of a live object, after the promoted ranges that were met.
    let mut rest: Option<ShownPart> = None;
    while let Some(row) = rows.next()? {
        let path: String = row.get(0)?;
        let (first, end): (u64, u64) = (row.get(1)?, row.get(2)?);
        let (from, to): (u64, u64) = (row.get(3)?, row.get(4)?);
        let partition = row.get(6)?;
        if row.get(5)? {
            let range = (first.max(from), end.min(to));
            parts.push(ShownPart {
                path,
                whole: range == (first, end),
                partition,
                range,
            });
            continue;
        }
        if rest.as_ref().is_none_or(|rest| rest.path != path) {
            parts.extend(rest.replace(ShownPart {
                path,
                whole: false,
                partition,
                range: (first, end),
            }));
        }
        if let Some(rest) = &mut rest {
            parts.push(ShownPart {
                path: rest.path.clone(),
                whole: false,
                partition,
                range: (rest.range.0, from.max(rest.range.0)),
            });
            rest.range.0 = to;
        }
    }
    parts.extend(rest);
    parts.retain(|part| part.range.0 < part.range.1);
    Ok(parts)
}

/// Lists all of an object, with its own numbers.
fn insert_whole(connection: &Connection, path: &str) -> Result<(), Error> {
    connection.execute(
        "INSERT INTO pieces BY NAME SELECT replay, path, partition, \"first\", \"end\", \"rows\",
            dead_letters, duplicates, differing, dropped, absent, letters, occurred_least,
            occurred_greatest, current, false AS cut
         FROM objects WHERE path = ?",
        params![path],
    )?;
    Ok(())
}

/// Lists a range of an object, with the numbers that its rows and letters within the range give.
fn insert_cut(connection: &Connection, part: &ShownPart, location: &Location) -> Result<(), Error> {
    let ShownPart {
        path,
        range: (first, end),
        ..
    } = part;
    let (current, letters, [duplicates, differing, dropped]) = connection.query_row(
        "SELECT current, letters, duplicates, differing, dropped FROM objects WHERE path = ?",
        params![path],
        |row| {
            let counts: [u64; 3] = [row.get(2)?, row.get(3)?, row.get(4)?];
            Ok((row.get(0)?, row.get::<_, Option<String>>(1)?, counts))
        },
    )?;
    let within = |table: Table, piece: Piece| {
        let range = OffsetRange {
            partition: part.partition,
            first: Offset(*first),
            end: Offset(*end),
        };
        format!("{} WHERE {range}", table.of(&[piece], location))
    };
    let clicks = within(Table::Clicks, Piece::whole(path.clone(), current, 0));
    let sql = format!(
        "SELECT count(*)::UBIGINT, epoch_us(min(occurred_at)), epoch_us(max(occurred_at))
         FROM {clicks}"
    );
    let (rows, least, greatest): (u64, Option<i64>, Option<i64>) =
        connection.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let dead_letters: u64 = match letters {
        Some(letters) => {
            let letters = within(Table::Letters, Piece::whole(letters, false, 0));
            let sql = format!("SELECT count(*)::UBIGINT FROM {letters}");
            connection.query_row(&sql, [], |row| row.get(0))?
        }
        None => 0,
    };
    // Other offsets leave no trace of their place: they count as duplicates first, then as dropped.
    let silent = (end - first).saturating_sub(rows + dead_letters);
    let duplicates = duplicates.min(silent);
    let dropped = dropped.min(silent - duplicates);
    let absent = silent - duplicates - dropped;
    let moment = |micros: Option<i64>| micros.map(|at| Timestamp::from_micros(at).to_string());
    connection.execute(
        "INSERT INTO pieces BY NAME SELECT replay, path, partition, ? AS \"first\", ? AS \"end\",
            ? AS \"rows\", ? AS dead_letters, ? AS duplicates, ? AS differing, ? AS dropped,
            ? AS absent, letters, ?::TIMESTAMPTZ AS occurred_least,
            ?::TIMESTAMPTZ AS occurred_greatest, current, true AS cut
         FROM objects WHERE path = ?",
        params![
            first,
            end,
            rows,
            dead_letters,
            duplicates,
            differing.min(duplicates),
            dropped,
            absent,
            moment(least),
            moment(greatest),
            path,
        ],
    )?;
    Ok(())
}
