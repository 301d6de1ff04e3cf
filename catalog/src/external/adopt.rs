//! Runs over an external table.

use crate::config::Form;
use crate::error::Error;
use crate::external::adoption::Adoption;
use crate::external::cells::file::copy_file;
use crate::external::run::AdoptionRun;
use crate::external::{postgres, tree};

/// Crawls an external tree, or copies a server's table or a file that has changed. A run that found
/// nothing new is not kept. The workers that read for it end with it.
///
/// # Errors
/// The database's. If a tree or a server cannot be reached, what is known of it stays, and the
/// run's detail says why.
pub(super) async fn adopt(run: &AdoptionRun) -> Result<Adoption, Error> {
    let adopted = match run.external.form() {
        Form::Tree => tree::crawl(run).await,
        Form::Postgres => postgres::copy_table(run).await,
        Form::Csv | Form::Json | Form::Sqlite => copy_file(run).await,
    };
    run.pool.rest();
    adopted
}
