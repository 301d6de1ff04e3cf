//! A table of a PostgreSQL server, copied: read by a DuckDB that is opened for this one copy, so
//! that the databases in which people's SQL and the catalog run know no server, and no password.

use duckdb::{Connection, params};
use secrecy::ExposeSecret;

use crate::catalog::Catalog;
use crate::config::{Config, External};
use crate::db::access::{POSTGRES, load};
use crate::db::columns::Column;
use crate::db::database;
use crate::db::engine::{Engine, Mode, PATIENCE, Session};
use crate::error::{Error, sentence};
use crate::external::adopt::Adoption;
use crate::query::copy;
use crate::sql::{named, quoted};

/// How long a server may take to answer at all, in seconds, unless its words say otherwise.
const CONNECT: u32 = 10;

/// What a copy came to: how many rows, and whether they differ from those before.
pub(super) struct Copied {
    rows: u64,
    changed: bool,
}

impl Catalog {
    /// Copies a server's table. Rows that are all as they were are not written.
    ///
    /// # Errors
    /// The server's, in its own words, or the databases'.
    pub(super) async fn copy(&self, external: &External) -> Result<Copied, Error> {
        let (config, of) = (self.inner.config.clone(), external.clone());
        let opening = tokio::task::spawn_blocking(move || attach(&config, &of));
        let source = opening.await.expect("attaching a server does not panic")?;
        let (inner, external) = (self.inner.clone(), external.clone());
        let work = move |source: &mut Session| {
            let catalog = inner.engine.begin(Mode::Write)?;
            let before = digest(&catalog, &external.name)?;
            let sql = format!("FROM source.{}", external.qualified());
            let rows = copy::fill(&catalog, &external.name, source, &sql, PATIENCE)?;
            let changed = before != digest(&catalog, &external.name)?;
            if changed {
                catalog.commit()?;
            }
            Ok(Copied { rows, changed })
        };
        Engine::new(source).run(Mode::Read, PATIENCE, work).await
    }
}

/// What a copy's run is, of how it went.
pub(super) fn run(
    session: &Session,
    external: &External,
    copied: Result<Copied, Error>,
) -> Result<Adoption, Error> {
    let mut run = Adoption {
        name: external.name.clone(),
        ..Adoption::default()
    };
    match copied {
        Ok(copied) => {
            (run.found, run.adopted, run.rows) = (u64::from(copied.changed), 1, copied.rows);
            let known = "INSERT OR REPLACE INTO external_tables VALUES (?, '[]')";
            session.connection.execute(known, params![external.name])?;
        }
        Err(error) => {
            run.detail = format!("{} was not copied: {error}", external.table);
            if !session.tables(|name| name == external.name)?.is_empty() {
                let count = format!("SELECT count(*)::UBIGINT FROM {}", named(&external.name));
                run.adopted = 1;
                run.rows = session.connection.query_row(&count, [], |row| row.get(0))?;
            }
        }
    }
    Ok(run)
}

/// A database that has the server attached, to be read.
fn attach(config: &Config, external: &External) -> Result<Connection, Error> {
    let limits = database::limits(config.query_memory, 1)?;
    let connection = Connection::open_in_memory_with_flags(limits)?;
    connection.execute_batch(&load(POSTGRES, &config.httpfs)?)?;
    let mut server = external.postgres.clone();
    if !server.contains("connect_timeout") {
        server.push_str(&format!(" connect_timeout={CONNECT}"));
    }
    // The secret is said alone: what fails is told with the words that name the server.
    let password = external.password.expose_secret();
    if !password.is_empty() {
        let secret = format!(
            "CREATE SECRET source (TYPE postgres, PASSWORD {})",
            quoted(password)
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
        quoted(&server)
    );
    let attached = connection.execute_batch(&format!("SET TimeZone = 'UTC'; {attach}"));
    attached.map_err(|error| Error::Unavailable(sentence(&error)))?;
    Ok(connection)
}

/// A table's columns and a hash over its rows; none where it is not there.
fn digest(session: &Session, table: &str) -> Result<Option<(Vec<Column>, String)>, Error> {
    let Some(owned) = session.tables(|name| name == table)?.pop() else {
        return Ok(None);
    };
    Ok(Some((
        owned.columns,
        database::digest(&session.connection, table)?,
    )))
}
