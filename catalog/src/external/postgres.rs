//! Copies a table of a PostgreSQL server. A DuckDB that is opened for this one copy reads it, so
//! the databases where free SQL and the catalog run know neither the server nor the password.

use std::sync::Arc;

use duckdb::{Connection, params};
use secrecy::ExposeSecret;

use crate::config::{Config, External};
use crate::db::access::{POSTGRES, load};
use crate::db::columns::{SqlColumn, tables};
use crate::db::engine::{Engine, Mode, STATEMENT_TIMEOUT, Session};
use crate::db::{copy, database};
use crate::error::{Error, sentence};
use crate::external::adoption::Adoption;
use crate::sql::{Ident, Literal};

/// How long a server may take to answer at all, unless its connection text says otherwise.
const CONNECT_TIMEOUT_SECS: u32 = 10;

/// A finished copy.
pub(super) struct CopiedTable {
    rows: u64,
    /// True if the rows differ from those before.
    changed: bool,
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
        let sql = format!("FROM source.{}", qualified(&external));
        let rows = copy::fill(&catalog, name, source, &sql, STATEMENT_TIMEOUT)?;
        let changed = before != digest(&catalog, name)?;
        if changed {
            catalog.commit()?;
        }
        Ok(CopiedTable { rows, changed })
    };
    Engine::new(source)
        .run(Mode::Read, STATEMENT_TIMEOUT, work)
        .await
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
