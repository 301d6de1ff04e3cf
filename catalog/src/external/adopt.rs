//! Runs over an external table.

use std::sync::Arc;

use sink::S3;
use sink::clock::SharedClock;
use tokio::time::Instant;

use crate::config::{Config, External, Form};
use crate::db::engine::{Engine, Mode, STATEMENT_TIMEOUT, Session};
use crate::error::Error;
use crate::external::adoption::{Adoption, keep};
use crate::external::cells::file::copy_file;
use crate::external::reach::Reach;
use crate::external::{postgres, tree};

/// Crawls an external tree, or copies a server's table or a file that has changed. A run that found
/// nothing new is not kept.
///
/// # Errors
/// The database's. If a tree or a server cannot be reached, what is known of it stays, and the
/// run's detail says why.
pub(crate) async fn adopt(
    engine: &Arc<Engine>,
    config: &Arc<Config>,
    s3: &S3,
    clock: &SharedClock,
    external: &External,
) -> Result<Adoption, Error> {
    let (started_at, begun) = (clock.now(), Instant::now());
    let copied = match external.form() {
        Form::Tree => None,
        Form::Postgres => Some(postgres::copy_table(engine, config, external).await),
        Form::Csv | Form::Json | Form::Sqlite => None,
    };
    let reach = Reach::open(s3, &external.path)?;
    let (external, config) = (external.clone(), Arc::clone(config));
    let work = move |session: &mut Session| {
        let mut run = match copied {
            Some(copied) => postgres::run(session, &external, copied)?,
            None if external.is_copied() => copy_file(session, &config, &external, &reach)?,
            None => {
                // A failing statement ends its transaction, and reading a foreign file may fail.
                let spare = session.connection.try_clone()?;
                tree::crawl(session, &spare, &reach, &external)?
            }
        };
        run.started_at = started_at;
        run.took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        keep(&session.connection, &run)?;
        Ok(run)
    };
    engine.run(Mode::Write, STATEMENT_TIMEOUT, work).await
}
