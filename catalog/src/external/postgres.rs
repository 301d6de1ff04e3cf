//! Copies a table of a PostgreSQL server. A DuckDB that is opened for this one copy reads it, so
//! the databases where free SQL and the catalog run know neither the server nor the password.

use std::sync::Arc;

use duckdb::{Connection, params};
use secrecy::ExposeSecret;

use crate::config::{Config, External};
use crate::db::access::{POSTGRES, load};
use crate::db::columns::{SqlColumn, columns, tables};
use crate::db::engine::{Engine, Mode, STATEMENT_TIMEOUT, Session};
use crate::db::{copy, database};
use crate::error::{Error, sentence};
use crate::external::adoption::Adoption;
use crate::sql::{Ident, Literal, any, joined};

/// How long a server may take to answer at all, unless its connection text says otherwise.
const CONNECT_TIMEOUT_SECS: u32 = 10;

/// A finished copy.
pub(super) struct CopiedTable {
    rows: u64,
    /// True if the rows differ from those before.
    changed: bool,
    /// How many rows have values that no type here holds as they are.
    odd: u64,
}

/// Copies a server's table. If all rows are as before, nothing is written.
///
/// # Errors
/// The server's, in its own words, or the databases'.
pub(super) async fn copy_table(
    engine: &Arc<Engine>,
    config: &Arc<Config>,
    external: &External,
) -> Result<CopiedTable, Error> {
    let (config, of) = (Arc::clone(config), external.clone());
    let opening = tokio::task::spawn_blocking(move || attach(&config, &of));
    let source = opening.await.expect("attaching a server does not panic")?;
    let (engine, external) = (Arc::clone(engine), external.clone());
    let work = move |source: &mut Session| {
        let catalog = engine.begin(Mode::Write)?;
        let name = &external.name;
        let before = digest(&catalog, name)?;
        let (sql, odd) = select(source, &external)?;
        let rows = copy::fill(&catalog, name, source, &sql, STATEMENT_TIMEOUT)?;
        let changed = before != digest(&catalog, name)?;
        if changed {
            catalog.commit()?;
        }
        Ok(CopiedTable { rows, changed, odd })
    };
    Engine::new(source)
        .run(Mode::Read, STATEMENT_TIMEOUT, work)
        .await
}

/// SQL of the table's rows, and how many of them have odd values: a numeric that is no number, a
/// moment that never comes or came before year 1. The extension reads those as others, so then
/// they come as text; what a type here does not hold is NULL.
fn select(source: &Session, external: &External) -> Result<(String, u64), Error> {
    let table = qualified(external);
    let plain = format!("source.{table}");
    let columns = columns(&source.connection, &plain)?;
    let conditions = columns.iter().filter_map(|SqlColumn { name, kind }| {
        let odd = odd_texts(kind)?;
        Some(format!("{name}::text {odd}"))
    });
    let conditions: Vec<String> = conditions.collect();
    if conditions.is_empty() {
        return Ok((format!("FROM {plain}"), 0));
    }
    let count = format!(
        "SELECT count(*) AS n FROM {table} WHERE {}",
        any(conditions)
    );
    let count = format!(
        "SELECT n::UBIGINT FROM postgres_query('source', {})",
        Literal(count)
    );
    let odd: u64 = source.connection.query_row(&count, [], |row| row.get(0))?;
    if odd == 0 {
        return Ok((format!("FROM {plain}"), 0));
    }
    let sent = columns
        .iter()
        .map(|SqlColumn { name, kind }| match odd_texts(kind) {
            Some(_) => format!("{name}::text AS {name}"),
            None => name.to_string(),
        });
    let sent = format!("SELECT {} FROM {table}", joined(sent, ", "));
    let received = columns.iter().map(|SqlColumn { name, kind }| match odd_texts(kind) {
        Some(_) => format!(
            "TRY_CAST(CASE WHEN NOT regexp_matches({name}, '(infinity| BC)$') THEN {name} END AS {kind}) AS {name}"
        ),
        None => name.to_string(),
    });
    let received = joined(received, ", ");
    let sql = format!(
        "SELECT {received} FROM postgres_query('source', {})",
        Literal(sent)
    );
    Ok((sql, odd))
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

/// The run of a copy.
pub(super) fn run(
    session: &Session,
    external: &External,
    copied: Result<CopiedTable, Error>,
) -> Result<Adoption, Error> {
    let mut run = Adoption {
        name: external.name.clone(),
        ..Adoption::default()
    };
    match copied {
        Ok(copied) => {
            (run.found, run.adopted, run.rows) = (u64::from(copied.changed), 1, copied.rows);
            if copied.odd > 0 {
                run.detail = format!(
                    "{} rows of {} have NaN, infinity or a year before 1: what the column cannot hold is NULL",
                    copied.odd, external.table
                );
            }
            let known = "INSERT OR REPLACE INTO external_tables VALUES (?, '[]', NULL)";
            session.connection.execute(known, params![external.name])?;
        }
        Err(error) => {
            run.detail = format!("{} was not copied: {error}", external.table);
            if !tables(session, |name| name == external.name)?.is_empty() {
                let table = Ident(&external.name);
                let count = format!("SELECT count(*)::UBIGINT FROM {table}");
                run.adopted = 1;
                run.rows = session.connection.query_row(&count, [], |row| row.get(0))?;
            }
        }
    }
    Ok(run)
}

/// Opens a database that has the server attached, read-only.
fn attach(config: &Config, external: &External) -> Result<Connection, Error> {
    let limits = database::limits(config.query_memory, 1)?;
    let connection = Connection::open_in_memory_with_flags(limits)?;
    connection.execute_batch(&load(POSTGRES, &config.extensions)?)?;
    let mut server = external.postgres.clone();
    if !server.contains("connect_timeout") {
        server.push_str(&format!(" connect_timeout={CONNECT_TIMEOUT_SECS}"));
    }
    // The password is kept apart from the connection text, which an error of the server quotes.
    let password = external.password.expose_secret();
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

/// A table's columns and a hash over its rows. `None` if there is no such table.
fn digest(session: &Session, name: &str) -> Result<Option<(Vec<SqlColumn>, String)>, Error> {
    let Some(table) = tables(session, |other| other == name)?.pop() else {
        return Ok(None);
    };
    let digest = database::digest(&session.connection, name)?;
    Ok(Some((table.columns, digest)))
}
