//! Copies a table of a PostgreSQL server. A worker that gets that one secret and nobody's SQL reads
//! it, so the databases where free SQL and the catalog run know neither the server nor the password.

use std::sync::Arc;

use duckdb::params;
use secrecy::ExposeSecret;

use crate::config::External;
use crate::db::access::{POSTGRES, load};
use crate::db::columns::{SqlColumn, tables};
use crate::db::database;
use crate::db::engine::Session;
use crate::error::Error;
use crate::external::adoption::Adoption;
use crate::external::run::AdoptionRun;
use crate::query::worker::wire::ForeignSource;
use crate::sql::Ident;

/// A finished copy.
struct ServerCopy {
    rows: u64,
    /// True if the rows differ from those before.
    changed: bool,
    /// What people must know of it.
    notes: Vec<String>,
}

/// Copies a server's table. If all rows are as before, nothing is written. If the server fails, the
/// copy stays, and the run says why it is old.
///
/// # Errors
/// The catalog's database's.
pub(super) async fn copy_table(run: &AdoptionRun) -> Result<Adoption, Error> {
    let copied = copy(run).await;
    let (result, external) = (run.result(), Arc::clone(&run.external));
    run.finish(move |session| told(session, &external, copied, result))
        .await
}

async fn copy(run: &AdoptionRun) -> Result<ServerCopy, Error> {
    let external = &run.external;
    let source = ForeignSource::Postgres {
        external: External::clone(external),
        password: external.password.expose_secret().to_owned(),
        load: load(POSTGRES, &run.config.extensions)?,
    };
    let name = external.name.clone();
    let before = run.look(move |session| digest(session, &name)).await?;
    let name = external.name.clone();
    run.copy(source, None, move |catalog, rows, notes| {
        let changed = before != digest(catalog, &name)?;
        let copied = ServerCopy {
            rows,
            changed,
            notes,
        };
        Ok((copied, changed))
    })
    .await
}

/// The run of a copy.
fn told(
    session: &Session,
    external: &External,
    copied: Result<ServerCopy, Error>,
    mut run: Adoption,
) -> Result<Adoption, Error> {
    match copied {
        Ok(copied) => {
            (run.found, run.adopted, run.rows) = (u64::from(copied.changed), 1, copied.rows);
            run.detail = copied.notes.join("\n");
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

/// A table's columns and a hash over its rows. `None` if there is no such table.
fn digest(session: &Session, name: &str) -> Result<Option<(Vec<SqlColumn>, String)>, Error> {
    let Some(table) = tables(session, |other| other == name)?.pop() else {
        return Ok(None);
    };
    let digest = database::digest(&session.connection, name)?;
    Ok(Some((table.columns, digest)))
}
