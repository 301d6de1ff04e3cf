//! What a database may reach: one lake, the external tables, and nothing else.
//!
//! The settings are applied before any statement runs, and then locked. The files that DuckDB may
//! touch are its own, the lake's and the external tables', whatever SQL asks for.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use secrecy::ExposeSecret;
use sink::{Location, S3};
use url::Url;

use crate::config::{Config, External, Form};
use crate::error::Error;
use crate::sql::{Glob, Literal, joined, list};

/// The extension for buckets.
const HTTPFS: &str = "httpfs";
/// The extension for SQLite files, which only copies load.
pub(crate) const SQLITE: &str = "sqlite_scanner";
/// The extension for PostgreSQL servers, which only copies load.
pub(crate) const POSTGRES: &str = "postgres_scanner";
/// DuckDB caches what it reads of files until its memory is full. The system caches local files
/// already, and copying them takes a third of a crawl over many small objects.
const NO_FILE_CACHE: &str = "SET enable_external_file_cache = false;";

/// SQL that makes the lake readable and everything else unreachable, and what a process of its own
/// must touch for it.
#[derive(Default)]
pub(crate) struct LakeAccess {
    /// Loads the extensions and makes the secrets.
    pub(crate) open: String,
    /// Forbids everything that is not on the lists, for good.
    pub(crate) restrict: String,
    /// The folders and files of this machine that are read.
    pub(crate) reads: Vec<PathBuf>,
    /// Those that are written, too.
    pub(crate) writes: Vec<PathBuf>,
    /// True if what is read is on a network.
    pub(crate) network: bool,
}

impl LakeAccess {
    /// The settings for a lake and the external tables.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if an extension is needed and missing.
    pub(crate) fn new(config: &Config, location: &Location, s3: &S3) -> Result<Self, Error> {
        let (mut folders, mut files) = (vec![format!("{location}/")], Vec::new());
        for external in &config.externals {
            if external.form() == Form::Postgres {
                // A copy loads it later; this only checks that it is there.
                extension(POSTGRES, &config.extensions)?;
                continue;
            }
            if external.form() == Form::Sqlite {
                extension(SQLITE, &config.extensions)?;
            }
            let path = external.path.trim_end_matches('/');
            if external.is_copied() && !path.starts_with("s3://") {
                continue;
            }
            files.push(path.to_owned());
            if !external.is_file() {
                folders.push(format!("{path}/"));
            }
        }
        Self::over(&folders, &files, config, s3)
    }

    /// The settings of a database that looks at the files of one external table.
    ///
    /// # Errors
    /// As [`LakeAccess::new`].
    pub(crate) fn of_external(
        config: &Config,
        external: &External,
        s3: &S3,
    ) -> Result<Self, Error> {
        let path = external.path.trim_end_matches('/').to_owned();
        if !external.is_copied() {
            return Self::over(&[format!("{path}/")], &[path], config, s3);
        }
        // Copies get the bytes of their file, or open it in a database of its own.
        let mut access = Self::over(&[], &[], config, s3)?;
        match external.form() {
            Form::Sqlite => {
                access.reads.push(extension(SQLITE, &config.extensions)?);
                // A file with a log beside it is read by way of a third one, which readers make.
                let folder = Path::new(&path).parent().map(Path::to_owned);
                access.writes.extend(folder);
            }
            Form::Postgres => {
                access.network = true;
                access.reads.push(extension(POSTGRES, &config.extensions)?);
                // Certificates and the like.
                let words = external.postgres.split_whitespace();
                let values = words.filter_map(|word| Some(word.split_once('=')?.1));
                let paths = values.map(|value| value.trim_matches('\''));
                let paths = paths.filter(|value| value.starts_with('/'));
                access.reads.extend(paths.map(PathBuf::from));
            }
            Form::Tree | Form::Csv | Form::Json => {}
        }
        Ok(access)
    }

    fn over(folders: &[String], files: &[String], config: &Config, s3: &S3) -> Result<Self, Error> {
        let (mut open, mut reads) = (String::new(), Vec::new());
        let paths = folders.iter().chain(files);
        let (buckets, local): (Vec<_>, Vec<_>) = paths.partition(|path| path.starts_with("s3://"));
        reads.extend(local.into_iter().map(PathBuf::from));
        let network = !buckets.is_empty();
        for (number, scope) in buckets.into_iter().enumerate() {
            if number == 0 {
                open = load(HTTPFS, &config.extensions)?;
                reads.push(extension(HTTPFS, &config.extensions)?);
            }
            open.push_str(&secret(&format!("lake_{number}"), scope, s3)?);
        }
        if open.is_empty() {
            NO_FILE_CACHE.clone_into(&mut open);
        }
        let restrict = format!(
            "SET allowed_directories = {}; SET allowed_paths = {}; \
             SET enable_external_access = false; SET lock_configuration = true;",
            allowed(folders),
            allowed(files)
        );
        Ok(Self {
            open,
            restrict,
            reads,
            writes: Vec::new(),
            network,
        })
    }
}

/// A list of paths for DuckDB, which compares them with the pattern that a query reads.
fn allowed(paths: &[String]) -> String {
    let both = paths
        .iter()
        .flat_map(|path| [path.clone(), Glob(path).to_string()]);
    let sorted: BTreeSet<String> = both.collect();
    list(sorted.into_iter().map(Literal))
}

/// SQL that loads an extension.
pub(crate) fn load(name: &str, folder: &Path) -> Result<String, Error> {
    let file = extension(name, folder)?;
    let file = file.display().to_string();
    Ok(format!("LOAD {};", Literal(file)))
}

/// Finds an extension: in the folder that `catalog.extensions` names, or else beside the
/// program's libraries, or else in a checkout.
fn extension(name: &str, folder: &Path) -> Result<PathBuf, Error> {
    // DuckDB takes the extension's name from the file's.
    let file = format!("{name}.duckdb_extension");
    let folders = match folder.as_os_str().is_empty() {
        true => shipped_folders("vendor/extensions"),
        false => vec![folder.to_owned()],
    };
    let places: Vec<PathBuf> = folders.iter().map(|folder| folder.join(&file)).collect();
    match places.iter().find(|place| place.is_file()) {
        Some(place) => Ok(place.clone()),
        None => Err(Error::Unavailable(format!(
            "DuckDB's extension {name} is needed, and is not at {}: run `make setup`, or set catalog.extensions",
            joined(places.iter().map(|place| place.display()), ", ")
        ))),
    }
}

/// The folders in which a file may be that comes with the program: beside its libraries, or in that folder
/// of a checkout.
#[must_use]
pub fn shipped_folders(of_checkout: &str) -> Vec<PathBuf> {
    let program = std::env::current_exe().unwrap_or_default();
    let above = program.ancestors().skip(2).take(3);
    let mut folders: Vec<PathBuf> = above
        .flat_map(|above| [above.join("lib"), above.join(of_checkout)])
        .collect();
    folders.push(PathBuf::from(of_checkout));
    folders
}

/// SQL of the secret for what is below `scope`.
fn secret(name: &str, scope: &str, s3: &S3) -> Result<String, Error> {
    let mut clauses = vec![
        "TYPE s3".to_owned(),
        format!("REGION {}", Literal(&s3.region)),
        format!("SCOPE {}", Literal(scope)),
    ];
    if !s3.access_key.is_empty() {
        clauses.push(format!("KEY_ID {}", Literal(&s3.access_key)));
        let secret_key = s3.secret_key.expose_secret();
        clauses.push(format!("SECRET {}", Literal(secret_key)));
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
        clauses.push(format!("ENDPOINT {}", Literal(format!("{host}{port}"))));
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
            endpoint: "http://localhost:8333".into(),
            access_key: "key".into(),
            secret_key: "it's".into(),
            ..S3::at("s3://clicks/lake")
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
