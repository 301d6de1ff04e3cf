//! Promotions: which stretches of the tables a replay stands in for, and what is left of the
//! objects around them.

use duckdb::{Connection, params};
use sink::{Location, PromotedRange, Promotion, Timestamp, promoted_ranges};

use crate::db::engine::Session;
use crate::error::Error;
use crate::rollup::fold as rollup;
use crate::tables::piece::Piece;
use crate::tables::table::Table;

/// Makes the tables show these promotions and no other, in one transaction, which folds at most
/// so many rows at a time.
pub(crate) fn fold(
    session: &mut Session,
    promotions: &[Promotion],
    location: &Location,
    most: u64,
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
    for Part { path, whole, range } in parts(connection)? {
        insert(connection, &path, (!whole).then_some(range), location)?;
    }
    let shown = session.pieces(Table::Clicks, "true")?;
    rollup::clear(connection)?;
    rollup::add(connection, &shown, location, most)?;
    rollup::settle(connection, false)?;
    connection.execute_batch("UPDATE objects SET folded = true WHERE NOT folded")?;
    let json = serde_json::to_string(promotions).expect("promotions are plain text and numbers");
    connection.execute(
        "UPDATE meta SET promotions = ?, revision = revision + 1",
        params![json],
    )?;
    Ok(())
}

/// What is shown of an object that a promotion touches.
struct Part {
    path: String,
    whole: bool,
    range: (u64, u64),
}

/// The replays' objects within their segments, and of the live ones what lies between.
fn parts(connection: &Connection) -> Result<Vec<Part>, Error> {
    let mut parts = Vec::new();
    let mut statement = connection.prepare(
        r#"SELECT path, o."first", o."end", p."first", p."end", o.replay = p.replay
           FROM objects o JOIN promoted p USING (partition)
           WHERE o.replay IN ('', p.replay) AND p."first" < o."end" AND o."first" < p."end"
           ORDER BY o.replay, partition, o."first", p."first""#,
    )?;
    let mut rows = statement.query([])?;
    // Of a live object, where its next piece would begin.
    let mut rest: Option<Part> = None;
    while let Some(row) = rows.next()? {
        let path: String = row.get(0)?;
        let (first, end): (u64, u64) = (row.get(1)?, row.get(2)?);
        let (from, to): (u64, u64) = (row.get(3)?, row.get(4)?);
        if row.get(5)? {
            let range = (first.max(from), end.min(to));
            let whole = range == (first, end);
            parts.push(Part { path, whole, range });
            continue;
        }
        if rest.as_ref().is_none_or(|rest| rest.path != path) {
            parts.extend(rest.replace(Part {
                path,
                whole: false,
                range: (first, end),
            }));
        }
        if let Some(rest) = &mut rest {
            let before = (rest.range.0, from.max(rest.range.0));
            parts.push(Part {
                path: rest.path.clone(),
                whole: false,
                range: before,
            });
            rest.range.0 = to;
        }
    }
    parts.extend(rest);
    parts.retain(|part| part.range.0 < part.range.1);
    Ok(parts)
}

/// Lists a piece: an object whole with its own numbers, or cut, with those that its rows and
/// letters within the range give.
fn insert(
    connection: &Connection,
    path: &str,
    cut: Option<(u64, u64)>,
    location: &Location,
) -> Result<(), Error> {
    let Some((first, end)) = cut else {
        connection.execute(
            "INSERT INTO pieces BY NAME SELECT replay, path, partition, \"first\", \"end\", \"rows\",
                dead_letters, duplicates, differing, dropped, absent, letters, occurred_least,
                occurred_greatest, current, false AS cut
             FROM objects WHERE path = ?",
            params![path],
        )?;
        return Ok(());
    };
    let (current, letters, [duplicates, differing, dropped]) = connection.query_row(
        "SELECT current, letters, duplicates, differing, dropped FROM objects WHERE path = ?",
        params![path],
        |row| {
            let counts: [u64; 3] = [row.get(2)?, row.get(3)?, row.get(4)?];
            Ok((row.get(0)?, row.get::<_, Option<String>>(1)?, counts))
        },
    )?;
    let within = |table: Table, piece: Piece| {
        let rows = table.of(&[piece], location);
        format!(r#"{rows} WHERE "offset" >= {first} AND "offset" < {end}"#)
    };
    let clicks = within(Table::Clicks, Piece::whole(path.to_owned(), current, 0));
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
    // What is neither leaves no trace of its place: duplicates first, then what was dropped.
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
