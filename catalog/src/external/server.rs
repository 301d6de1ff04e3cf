//! A table of a PostgreSQL server as a worker reads it: in a DuckDB that is opened for this one copy.

use duckdb::Connection;

use crate::config::External;
use crate::db::columns::{SqlColumn, columns};
use crate::db::database;
use crate::error::{Error, sentence};
use crate::external::cells::raw::TypedFile;
use crate::external::cells::typed;
use crate::external::fit::is_same;
use crate::external::misfit::MisfitCount;
use crate::query::worker::wire::Opening;
use crate::sql::{Ident, Literal, any, joined};

/// The most digits of a decimal here.
const MAX_DIGITS: i64 = 38;
/// How long a server may take to answer at all, unless its connection text says otherwise.
const CONNECT_TIMEOUT_SECS: u32 = 10;

/// A column of a server's table, and the type that it gets here.
struct ServerColumn {
    name: Ident<String>,
    kind: String,
    /// True if the configuration says the type.
    said: bool,
    /// True if its values come as text, which is cast here: the extension would read them as others.
    as_text: bool,
}

impl ServerColumn {
    /// SQL of its values as the server sends them.
    fn sent(&self) -> String {
        let name = &self.name;
        match self.as_text {
            true => format!("{name}::text AS {name}"),
            false => name.to_string(),
        }
    }

    /// SQL of its values as they are kept. What the type does not hold is NULL.
    fn received(&self) -> String {
        let Self { name, kind, .. } = self;
        match self.as_text && kind != "VARCHAR" {
            true => format!(
                "TRY_CAST(CASE WHEN NOT regexp_matches({name}, '(infinity| BC)$') THEN {name} END AS {kind})"
            ),
            false => name.to_string(),
        }
    }
}

/// SQL of the table's rows, and what is to be said of them: values that are odd (a numeric that is no
/// number, a moment that never comes or came before year 1), numerics of any length, and what the
/// types that the configuration says do not hold.
pub(super) fn typed_table(source: &Connection, external: &External) -> Result<TypedFile, Error> {
    let table = qualified(external);
    let plain = format!("source.{table}");
    let mut notes = Vec::new();
    let mut columns = server_columns(source, external, &plain)?;
    exact_numerics(source, &table, &mut columns, &mut notes)?;
    let conditions = columns.iter().filter(|column| !column.said);
    let conditions = conditions.filter_map(|ServerColumn { name, kind, .. }| {
        let odd = odd_texts(kind)?;
        Some(format!("{name}::text {odd}"))
    });
    let conditions: Vec<String> = conditions.collect();
    if !conditions.is_empty() {
        let count = format!(
            "SELECT count(*) AS n FROM {table} WHERE {}",
            any(conditions)
        );
        let count = format!("SELECT n::UBIGINT FROM {}", asked(&count));
        let odd: u64 = source.query_row(&count, [], |row| row.get(0))?;
        if odd > 0 {
            notes.push(format!(
                "{odd} rows of {} have NaN, infinity or a year before 1: what the column cannot hold is NULL",
                external.table
            ));
            for column in &mut columns {
                column.as_text |= odd_texts(&column.kind).is_some();
            }
        }
    }
    if columns.iter().all(|column| !column.as_text) {
        return Ok(TypedFile {
            select: format!("FROM {plain}"),
            notes,
        });
    }
    let sent = joined(columns.iter().map(ServerColumn::sent), ", ");
    let sent = asked(&format!("SELECT {sent} FROM {table}"));
    for column in columns.iter().filter(|column| column.said) {
        let ServerColumn { name, kind, .. } = column;
        let value = (&*name.to_string(), &*column.received());
        let count = MisfitCount::new(&name.0, kind, value, &sent);
        notes.extend(count.told(source)?);
    }
    let received = columns
        .iter()
        .map(|column| format!("{} AS {}", column.received(), column.name));
    Ok(TypedFile {
        select: format!("SELECT {} FROM {sent}", joined(received, ", ")),
        notes,
    })
}

/// SQL of what a server answers to a statement of its own.
fn asked(sql: &str) -> String {
    format!("postgres_query('source', {})", Literal(sql))
}

/// The table's columns, with the types that the configuration says.
fn server_columns(
    source: &Connection,
    external: &External,
    plain: &str,
) -> Result<Vec<ServerColumn>, Error> {
    let columns = columns(source, plain)?;
    let is_there = |key: &&String| columns.iter().any(|one| is_same(&one.name.0, key));
    if let Some(absent) = external.types.keys().find(|key| !is_there(key)) {
        let names = joined(columns.iter().map(|one| &one.name.0), ", ");
        return Err(Error::Invalid(format!(
            "`types` names the column {absent}, which it does not have; it has {names}"
        )));
    }
    let columns = columns.into_iter().map(|SqlColumn { name, kind }| {
        let mut types = external.types.iter();
        let said = types.find(|(key, _)| is_same(key, &name.0));
        let said = said.map(|(_, kind)| typed(kind).map_err(Error::Invalid));
        let said = said.transpose()?;
        Ok(ServerColumn {
            name,
            said: said.is_some(),
            as_text: said.is_some(),
            kind: said.unwrap_or(kind),
        })
    });
    columns.collect()
}

/// Keeps numerics of any length as they are, of which the extension makes doubles: as decimals if
/// their digits fit, else as text.
fn exact_numerics(
    source: &Connection,
    table: &str,
    columns: &mut [ServerColumn],
    notes: &mut Vec<String>,
) -> Result<(), Error> {
    let of_server = format!(
        "SELECT attname::text AS name FROM pg_attribute WHERE attrelid = {}::regclass
            AND atttypid = 'numeric'::regtype AND attnum > 0 AND NOT attisdropped",
        Literal(table)
    );
    let sql = format!("SELECT name FROM {}", asked(&of_server));
    let mut statement = source.prepare(&sql)?;
    let numerics = statement.query_map([], |row| row.get(0))?;
    let numerics: Vec<String> = numerics.collect::<Result<_, _>>()?;
    let columns = columns
        .iter_mut()
        .filter(|one| !one.said && one.kind == "DOUBLE" && numerics.contains(&one.name.0));
    for column in columns {
        let name = &column.name;
        let digits = format!(
            "SELECT coalesce(max(scale({name})), 0)::int8 AS behind,
                coalesce(max(length(trunc(abs({name}))::text)), 0)::int8 AS before
             FROM {table} WHERE {name}::text NOT IN ('NaN', 'Infinity', '-Infinity')"
        );
        let sql = format!("SELECT behind, before FROM {}", asked(&digits));
        let digits = source.query_row(&sql, [], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
        });
        let (behind, before) = digits?;
        column.as_text = true;
        if behind + before <= MAX_DIGITS {
            column.kind = format!("DECIMAL({MAX_DIGITS},{behind})");
        } else {
            column.kind = "VARCHAR".to_owned();
            notes.push(format!(
                "column {} is text, since its numbers have up to {} digits: `types` can say that it is a DOUBLE",
                name.0,
                behind + before
            ));
        }
    }
    Ok(())
}

/// The condition under which a server's text of a value is an odd one of its type. `None` if the
/// type has none.
fn odd_texts(kind: &str) -> Option<&'static str> {
    match kind {
        "DATE" | "TIMESTAMP" | "TIMESTAMP WITH TIME ZONE" => Some("SIMILAR TO '%(infinity| BC)'"),
        kind if kind == "DOUBLE" || kind.starts_with("DECIMAL") => {
            Some("IN ('NaN', 'Infinity', '-Infinity')")
        }
        _ => None,
    }
}

/// The name of a server's table in SQL.
fn qualified(external: &External) -> String {
    let (schema, table) = external
        .table
        .split_once('.')
        .unwrap_or(("public", &external.table));
    format!("{}.{}", Ident(schema), Ident(table))
}

/// Opens a database that has the server attached, read-only, in the worker.
pub(super) fn attach(
    opening: &Opening,
    external: &External,
    password: &str,
    load: &str,
) -> Result<Connection, Error> {
    let connection = database::source(opening.memory_bytes, &opening.spill)?;
    connection.execute_batch(load)?;
    let mut server = external.postgres.clone();
    if !server.contains("connect_timeout") {
        server.push_str(&format!(" connect_timeout={CONNECT_TIMEOUT_SECS}"));
    }
    // The password is kept apart from the connection text, which an error of the server quotes.
    if !password.is_empty() {
        let secret = format!(
            "CREATE SECRET source (TYPE postgres, PASSWORD {})",
            Literal(password)
        );
        let made = connection.execute_batch(&secret);
        made.map_err(|_| Error::Unavailable("the password cannot be used".into()))?;
    }
    let with = if password.is_empty() {
        ""
    } else {
        ", SECRET source"
    };
    let attach = format!(
        "ATTACH {} AS source (TYPE postgres, READ_ONLY{with})",
        Literal(server)
    );
    let attached = connection.execute_batch(&format!("SET TimeZone = 'UTC'; {attach}"));
    attached.map_err(|error| Error::Unavailable(sentence(&error)))?;
    Ok(connection)
}
