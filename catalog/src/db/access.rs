//! The settings of a database that reads one lake, the external tables, and nothing else.
//!
//! They are put in force before anything runs, then locked: the files that DuckDB may
//! touch are its own, the lake's and the external tables', whatever SQL asks for.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use secrecy::ExposeSecret;
use sink::{Location, S3};
use url::Url;

use crate::config::{Config, Form};
use crate::error::Error;
use crate::sql::{plain, quoted};

/// The extension for buckets.
const HTTPFS: &str = "httpfs";
/// The extension for SQLite's files.
const SQLITE: &str = "sqlite_scanner";
/// The extension for PostgreSQL servers, which only copies load.
pub(crate) const POSTGRES: &str = "postgres_scanner";
/// DuckDB holds what it read of files until its memory is full. A disk's the system holds
/// already, and where a crawl opens many small objects the copying is a third of its time.
const NEAR: &str = "SET enable_external_file_cache = false;";

/// SQL that makes the lake readable.
pub(crate) struct Access {
    /// Loads the extension and makes the secret; for files only, lets the system cache them.
    pub(crate) reach: String,
    /// Shuts everything else, for good.
    pub(crate) shut: String,
}

/// The settings for a lake's place.
///
/// # Errors
/// [`Error::Unavailable`] where a bucket's extension is not there.
pub(crate) fn settings(config: &Config, location: &Location, s3: &S3) -> Result<Access, Error> {
    let (mut folders, mut files) = (vec![format!("{location}/")], Vec::new());
    for external in &config.externals {
        if external.form() == Form::Postgres {
            // Not loaded here, but to be had when it is copied.
            extension(POSTGRES, &config.httpfs)?;
            continue;
        }
        match external.is_file() {
            true => files.push(external.path.clone()),
            false => folders.push(format!("{}/", external.path.trim_end_matches('/'))),
        }
    }
    let mut reach = String::new();
    let distant: Vec<&String> = folders.iter().chain(&files).collect();
    for (number, scope) in distant
        .iter()
        .filter(|p| p.starts_with("s3://"))
        .enumerate()
    {
        if number == 0 {
            reach = load(HTTPFS, &config.httpfs)?;
        }
        reach.push_str(&secret(&format!("lake_{number}"), scope, s3)?);
    }
    if reach.is_empty() {
        NEAR.clone_into(&mut reach);
    }
    if config
        .externals
        .iter()
        .any(|one| one.form() == Form::Sqlite)
    {
        reach.push_str(&load(SQLITE, &config.httpfs)?);
    }
    let list = |paths: &[String]| {
        // DuckDB holds the pattern that it is asked for against these.
        let both = paths.iter().flat_map(|path| [path.clone(), plain(path)]);
        let quoted: BTreeSet<String> = both.map(|path| quoted(&path)).collect();
        let quoted: Vec<String> = quoted.into_iter().collect();
        format!("[{}]", quoted.join(", "))
    };
    let shut = format!(
        "SET allowed_directories = {}; SET allowed_paths = {}; \
         SET enable_external_access = false; SET lock_configuration = true;",
        list(&folders),
        list(&files)
    );
    Ok(Access { reach, shut })
}

/// SQL that loads an extension.
pub(crate) fn load(name: &str, configured: &Path) -> Result<String, Error> {
    let file = extension(name, configured)?;
    Ok(format!("LOAD {};", quoted(&file.display().to_string())))
}

/// Where an extension is: as configured, or beside that, else beside the program's libraries.
fn extension(name: &str, configured: &Path) -> Result<PathBuf, Error> {
    // The name of the file is the one that DuckDB wants.
    let file = format!("{name}.duckdb_extension");
    let mut tried = Vec::new();
    let mut places = Vec::new();
    if configured.as_os_str().is_empty() {
        let program = std::env::current_exe().unwrap_or_default();
        for above in program.ancestors().skip(2).take(3) {
            places.push(above.join("lib").join(&file));
            places.push(above.join("vendor/extensions").join(&file));
        }
    } else {
        places.extend((name == HTTPFS).then(|| configured.to_owned()));
        places.push(configured.join(&file));
        places.push(configured.with_file_name(&file));
    }
    for place in places {
        if place.is_file() {
            return Ok(place);
        }
        tried.push(place.display().to_string());
    }
    Err(Error::Unavailable(format!(
        "DuckDB's extension {name} is needed, and is not at {}: run `make setup`, or set catalog.httpfs",
        tried.join(", ")
    )))
}

/// The keys for what lies below `scope`.
fn secret(name: &str, scope: &str, s3: &S3) -> Result<String, Error> {
    let mut clauses = vec![
        "TYPE s3".to_owned(),
        format!("REGION {}", quoted(&s3.region)),
        format!("SCOPE {}", quoted(scope)),
    ];
    if !s3.access_key.is_empty() {
        clauses.push(format!("KEY_ID {}", quoted(&s3.access_key)));
        clauses.push(format!("SECRET {}", quoted(s3.secret_key.expose_secret())));
    }
    if !s3.endpoint.is_empty() {
        let endpoint = Url::parse(&s3.endpoint).ok();
        let authority = endpoint
            .as_ref()
            .and_then(|url| Some((url, url.host_str()?)));
        let Some((url, host)) = authority else {
            return Err(Error::Invalid(format!(
                "lake.endpoint is {:?}: write http://HOST:PORT",
                s3.endpoint
            )));
        };
        let port = url
            .port()
            .map(|port| format!(":{port}"))
            .unwrap_or_default();
        clauses.push(format!("ENDPOINT {}", quoted(&format!("{host}{port}"))));
        clauses.push(format!("USE_SSL {}", url.scheme() == "https"));
        clauses.push("URL_STYLE 'path'".to_owned());
    }
    Ok(format!(
        "CREATE OR REPLACE SECRET {name} ({});",
        clauses.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_reached_by_a_secret_of_its_own_scope() {
        let s3 = S3 {
            url: "s3://clicks/lake".into(),
            endpoint: "http://localhost:8333".into(),
            region: "us-east-1".into(),
            access_key: "key".into(),
            secret_key: "it's".into(),
        };
        let sql = secret("lake_0", "s3://clicks/lake/", &s3).unwrap();
        for part in [
            "SCOPE 's3://clicks/lake/'",
            "KEY_ID 'key'",
            "SECRET 'it''s'",
            "ENDPOINT 'localhost:8333'",
            "USE_SSL false",
            "URL_STYLE 'path'",
        ] {
            assert!(sql.contains(part), "{part} in {sql}");
        }
    }
}
