//! What free SQL may be: one statement that reads, over tables and functions of a list.
//!
//! The database itself is restricted to the lake (see `db::access`) and the transaction is
//! read-only. This check comes before those, and its errors say why a statement is refused.

use std::ops::Range;

use duckdb::Connection;
use serde::Deserialize;

use crate::error::{Error, sentence};
use crate::query::functions::{CallSite, is_allowed, is_hidden, is_shown_setting};
use crate::query::tokens::{SqlToken, tokens};
use crate::query::tree::{TreeName, names};
use crate::sql::joined;

/// How deep the brackets of one text in a statement may be. DuckDB reads JSON by recursion.
const MAX_TEXT_DEPTH: usize = 1_000;
/// The words with which a statement begins whose columns come from the data, such as
/// `FROM (PIVOT …)`.
const PIVOT_STARTS: [&str; 5] = ["pivot", "pivot_wider", "from", "select", "with"];
/// Words of statements that do more than read.
const WRITING_WORDS: [&str; 14] = [
    "alter",
    "attach",
    "call",
    "checkpoint",
    "copy",
    "create",
    "delete",
    "detach",
    "drop",
    "insert",
    "install",
    "load",
    "merge",
    "update",
];

/// What `json_serialize_sql` answers, but for the tree.
#[derive(Deserialize)]
struct Parsed {
    error: bool,
    error_type: Option<String>,
    error_message: Option<String>,
    position: Option<String>,
}

/// Checks a statement, and returns it as it is to be run.
///
/// # Errors
/// [`Error::Invalid`] if it cannot be parsed, [`Error::Refused`] if it does more than read or names
/// what is on no list.
pub(crate) fn check(connection: &Connection, sql: &str) -> Result<String, Error> {
    let parts = tokens(sql);
    if parts.iter().all(|(token, _)| *token == SqlToken::Sign(';')) {
        return Err(Error::Invalid("there is no statement".into()));
    }
    check_texts(&parts)?;
    let Some(at) = explained(&parts) else {
        check_reading(connection, sql, &parts)?;
        return Ok(sql.to_owned());
    };
    let what = &sql[at..];
    check_reading(connection, what, &tokens(what))?;
    // What is explained was parsed as one statement that reads, so both together are one.
    let how = parts.iter().take_while(|(_, place)| place.start < at);
    let how = joined(how.map(|(_, place)| &sql[place.clone()]), " ");
    Ok(format!("{how} {what}"))
}

/// Where the statement begins that an `EXPLAIN` explains. `None` if there is none.
fn explained(parts: &[(SqlToken, Range<usize>)]) -> Option<usize> {
    let mut rest = parts.iter().peekable();
    rest.next_if(|(token, _)| token.is("explain"))?;
    rest.next_if(|(token, _)| token.is("analyze"));
    let options = matches!(
        (parts.get(1), parts.get(2)),
        (Some((SqlToken::Sign('('), _)), Some((word, _))) if word.is("format") || word.is("analyze")
    );
    if options {
        rest.by_ref()
            .find(|(token, _)| *token == SqlToken::Sign(')'));
    }
    rest.next().map(|(_, place)| place.start)
}

/// Checks that a statement is one that reads.
fn check_reading(
    connection: &Connection,
    sql: &str,
    parts: &[(SqlToken, Range<usize>)],
) -> Result<(), Error> {
    let tree: String = connection
        .query_row("SELECT json_serialize_sql(?::VARCHAR)", [sql], |row| {
            row.get(0)
        })
        .map_err(|error| Error::Invalid(sentence(&error)))?;
    if tree.starts_with(r#"{"error":false"#) {
        let listed = parts
            .iter()
            .rposition(|(token, _)| *token != SqlToken::Sign(';'));
        let ends = parts.iter().take(listed.unwrap_or_default());
        let ends = ends
            .filter(|(token, _)| *token == SqlToken::Sign(';'))
            .count();
        if ends > 0 {
            return Err(Error::Refused(format!(
                "these are {} statements: send one at a time",
                ends + 1
            )));
        }
        return names(&tree).into_iter().try_for_each(|name| match name {
            TreeName::Function(place, name) => check_function(connection, &[place], &name),
            TreeName::Table(name) => check_table(&name),
            TreeName::Setting(name) => check_setting(name.as_deref()),
        });
    }
    let parsed: Parsed = serde_json::from_str(&tree)
        .map_err(|error| Error::Refused(format!("the statement cannot be inspected: {error}")))?;
    debug_assert!(parsed.error, "a tree begins as above");
    let text = parsed
        .error_message
        .unwrap_or_else(|| "it cannot be parsed".to_owned());
    match parsed.error_type.as_deref() {
        Some("not implemented") if pivots(parts) => check_pivot(connection, parts),
        Some("not implemented") => Err(refused(parts)),
        _ => Err(Error::Invalid(match parsed.position {
            Some(position) => format!("{text} (at byte {position})"),
            None => text,
        })),
    }
}

/// The refusal of a statement that does more than read.
fn refused(parts: &[(SqlToken, Range<usize>)]) -> Error {
    let word = match parts.first() {
        Some((SqlToken::Word(word), _)) => word.to_uppercase(),
        _ => "this".to_owned(),
    };
    Error::Refused(format!(
        "only a statement that reads is allowed here (SELECT, FROM, WITH, VALUES, PIVOT, DESCRIBE, SHOW, SUMMARIZE, EXPLAIN), not {word}"
    ))
}

/// Returns true if a statement pivots by values of the data. DuckDB makes two statements of it, of
/// which there is no syntax tree.
fn pivots(parts: &[(SqlToken, Range<usize>)]) -> bool {
    let starts = parts.first().is_some_and(|(token, _)| {
        *token == SqlToken::Sign('(') || PIVOT_STARTS.iter().any(|word| token.is(word))
    });
    let pivots = |(token, _): &(SqlToken, _)| token.is("pivot") || token.is("pivot_wider");
    starts && parts.iter().any(pivots)
}

/// Checks a statement that pivots by its words.
fn check_pivot(connection: &Connection, parts: &[(SqlToken, Range<usize>)]) -> Result<(), Error> {
    let end = parts
        .iter()
        .rposition(|(token, _)| *token != SqlToken::Sign(';'));
    let parts = &parts[..=end.unwrap_or_default()];
    for (place, (token, _)) in parts.iter().enumerate() {
        let name = match token {
            SqlToken::Sign(';') => {
                return Err(Error::Refused(
                    "these are several statements: send one at a time".into(),
                ));
            }
            SqlToken::Word(word) if WRITING_WORDS.contains(&word.as_str()) => {
                return Err(Error::Refused(format!(
                    "{} is not allowed beside PIVOT",
                    word.to_uppercase()
                )));
            }
            SqlToken::Word(name) => name.clone(),
            SqlToken::Name(name) | SqlToken::Text(name) => name.to_lowercase(),
            SqlToken::Sign(_) => continue,
        };
        check_table(&name)?;
        if matches!(parts.get(place + 1), Some((SqlToken::Sign('('), _))) {
            check_function(connection, &[CallSite::Expression, CallSite::Table], &name)?;
        }
    }
    Ok(())
}

/// Refuses functions that are on no list. A name that no function has is DuckDB's to judge.
fn check_function(connection: &Connection, places: &[CallSite], name: &str) -> Result<(), Error> {
    if places.iter().any(|place| is_allowed(*place, name)) {
        return Ok(());
    }
    let sql = "SELECT count(*) > 0 FROM duckdb_functions() WHERE lower(function_name) = ?";
    if !connection.query_row(sql, [name], |row| row.get(0))? {
        return Ok(());
    }
    Err(Error::Refused(match places {
        [CallSite::Expression] => format!("the function {name} is not allowed here"),
        _ => format!(
            "{name} is not allowed here: read clicks, dead_letters, objects, rollup, crawls, or the lake's own objects by read_parquet"
        ),
    }))
}

fn check_table(name: &str) -> Result<(), Error> {
    match is_hidden(name) {
        true => Err(Error::Refused(format!(
            "{name} is not allowed here: it shows what the machine is set to, not what the lake holds"
        ))),
        false => Ok(()),
    }
}

fn check_setting(name: Option<&str>) -> Result<(), Error> {
    match name {
        Some(name) if is_shown_setting(name) => Ok(()),
        Some(name) => Err(Error::Refused(format!(
            "the setting {name} is not shown here"
        ))),
        None => Err(Error::Refused(
            "current_setting takes the name of one setting as a text here".into(),
        )),
    }
}

/// Refuses texts whose brackets are nested deeper than JSON needs.
fn check_texts(parts: &[(SqlToken, Range<usize>)]) -> Result<(), Error> {
    for (token, _) in parts {
        let SqlToken::Text(text) = token else {
            continue;
        };
        let (mut depth, mut deepest) = (0_usize, 0);
        for letter in text.bytes() {
            match letter {
                b'[' | b'{' => depth += 1,
                b']' | b'}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            deepest = deepest.max(depth);
        }
        if deepest > MAX_TEXT_DEPTH {
            return Err(Error::Invalid(format!(
                "a text of the statement nests {deepest} brackets: JSON may nest {MAX_TEXT_DEPTH} here"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(sql: &str) -> Result<String, Error> {
        let database = Connection::open_in_memory().unwrap();
        database
            .execute_batch(
                "CREATE TABLE t AS SELECT range AS a, 'k' || range AS b FROM range(3);
                 BEGIN TRANSACTION READ ONLY",
            )
            .unwrap();
        let checked = check(&database, sql)?;
        let mut statement = database
            .prepare(&checked)
            .map_err(|error| Error::Invalid(sentence(&error)))?;
        let rows = statement.query_map([], |row| row.get::<_, duckdb::types::Value>(0));
        let rows: Result<Vec<_>, _> = rows.and_then(Iterator::collect);
        let rows = rows.map_err(|error| Error::Invalid(sentence(&error)))?;
        Ok(format!("{rows:?}"))
    }

    #[test]
    fn b92_explain_pivot_and_comments_anywhere_run() {
        for sql in [
            "EXPLAIN FROM t",
            "/* why */ explain -- so\n ANALYZE /* it */ SELECT sum(a) FROM t;",
            "EXPLAIN (FORMAT json) SELECT 1",
            "PIVOT t ON b USING sum(a)",
            "-- wide\nPIVOT t ON b USING sum(a) /* all */ ; -- end",
            "FROM (PIVOT t ON b USING sum(a))",
            "FROM (PIVOT t ON b USING sum(a), max(upper(b)) GROUP BY a) ORDER BY ALL",
            "WITH p AS (PIVOT t ON b USING sum(a)) SELECT * FROM p",
            "SELECT count(*) FROM (PIVOT (FROM t WHERE a > (SELECT 0)) ON b USING first(a))",
            "PIVOT t ON b IN ('k1', 'k2') USING sum(a)",
            "UNPIVOT (SELECT 1 AS x, 2 AS y) ON x, y",
            "/* a /* b */ c */ SELECT /**/ 1 -- d",
            "SUMMARIZE t",
            "SHOW TABLES",
            "VALUES (1), (2)",
        ] {
            run(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        }
    }

    #[test]
    fn what_does_more_than_read_is_refused_in_every_dress() {
        for sql in [
            "EXPLAIN INSERT INTO t VALUES (1, '')",
            "EXPLAIN ANALYZE DELETE FROM t",
            "EXPLAIN SELECT json_serialize_plan('FROM t')",
            "EXPLAIN SELECT 1; DROP TABLE t",
            "PIVOT t ON b USING sum(a); SELECT 1",
            "PIVOT (FROM read_csv('/etc/passwd')) ON column0 USING count(*)",
            "PIVOT (FROM \"read_text\" /* x */ ('/etc/passwd')) ON filename USING count(*)",
            "PIVOT pg_settings ON name USING count(*)",
            "PIVOT 'pg_settings' ON name USING count(*)",
            "FROM (PIVOT t ON b USING any_value(json_serialize_sql('SELECT 1')))",
            "WITH p AS (PIVOT t ON b USING sum(a)) DELETE FROM t",
            "CREATE TABLE x AS PIVOT t ON b USING sum(a)",
            "SELECT json_serialize_plan('FROM t')",
            "SELECT JSON_Serialize_SQL('SELECT 1')",
            "SELECT json_deserialize_sql(json_serialize_sql('SELECT 1'))",
            "FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
            "SELECT list_transform(['a'], x -> json_serialize_sql(x))",
            "SELECT ('SELECT 1').json_serialize_sql()",
            "FROM query('SELECT 1')",
            "FROM query_table(['t'])",
            "SELECT current_setting('temp_directory')",
            "SELECT current_setting('temp' || '_directory')",
            "FROM pg_settings",
            "FROM pg_catalog.PG_Settings",
            "SELECT (SELECT count(*) FROM duckdb_databases)",
            "FROM duckdb_databases()",
            "FROM duckdb_logs",
            "FROM pragma_database_list",
            "SELECT write_log('x')",
            "SELECT sleep_ms(100000)",
            "SELECT pg_sleep(100)",
            "SELECT 1; SELECT 2",
        ] {
            let error = run(sql).expect_err(sql);
            assert!(matches!(error, Error::Refused(_)), "{sql}: {error:?}");
        }
    }

    #[test]
    fn attack_17_lawful_sql_may_be_deep() {
        let concat = format!("SELECT 'a'{}", " || 'b'".repeat(120));
        let calls = format!("SELECT {}'a'{}", "upper(".repeat(120), ")".repeat(120));
        let sum = format!("SELECT 1{}", " + 1".repeat(200));
        for sql in [concat, calls, sum] {
            run(&sql).unwrap_or_else(|error| panic!("{}: {error}", &sql[..40]));
        }
        let deep = format!("SELECT '{}'::JSON", "[".repeat(2_000));
        assert!(matches!(run(&deep), Err(Error::Invalid(_))));
        let endless = format!("SELECT {}1", "(".repeat(100_000));
        assert!(matches!(run(&endless), Err(Error::Invalid(_))));
    }

    #[test]
    fn what_people_call_is_allowed_and_a_misspelt_name_is_told() {
        for sql in [
            "SELECT current_setting('TimeZone')",
            "SELECT if(a > 1, 'x', ifnull(b, 'y')), nullif(a, 1), grouping(a) FROM t GROUP BY a, b",
            "SELECT [x * 2 FOR x IN list(a) IF x > 1], list_aggregate(list(a), 'sum') FROM t",
            "SELECT row_number() OVER (ORDER BY a), lag(a) OVER (ORDER BY a) FROM t",
            "SELECT json_extract('{\"a\": 1}', '$.a'), '{}'::JSON->>'b', b ILIKE 'K%', b ~ 'k' FROM t",
            "SELECT extract(hour FROM now()), date_trunc('day', now()), INTERVAL 1 DAY + DATE '2026-01-01'",
            "SELECT b COLLATE de, b COLLATE nocase FROM t ORDER BY b COLLATE de",
            "SELECT COLUMNS('a|b'), struct_pack(x := 1).x, {'y': 2}['y'] FROM t",
            "SELECT count(*) FILTER (a > 0), string_agg(b, ',' ORDER BY a), quantile_cont(a, 0.5) FROM t",
            "SELECT format_type(23, NULL), has_table_privilege('t', 'select')",
            "SELECT a FROM t POSITIONAL JOIN range(3)",
        ] {
            run(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        }
        let error = run("SELECT cuont(*) FROM t").unwrap_err();
        assert!(
            matches!(&error, Error::Invalid(why) if why.contains("count")),
            "{error:?}"
        );
    }
}
