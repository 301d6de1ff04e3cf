//! A real PostgreSQL server for the tests, from Debian's package, on a free port of loopback.
//!
//! It refuses to run as root: if the tests do, it runs as `nobody`.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::time::{Instant, sleep};

use crate::leash::Leash;
use crate::ports::free_port;
use crate::real;

/// The password of [`Postgres::words`]' user.
pub const PASSWORD: &str = "hush-hush-it's";
/// How long a server may take until it answers.
const START: Duration = Duration::from_secs(60);
/// `nobody` and `nogroup`, on Debian.
const NOBODY: u32 = 65_534;

/// A server that answers, with a database `shop`. It ends when this is dropped, or when the test's
/// process ends.
pub struct Postgres {
    programs: PathBuf,
    folder: PathBuf,
    port: u16,
    process: Option<Leash>,
}

impl Postgres {
    /// Starts one; `None` if there is none, which [`real::have`] has then reported.
    pub async fn start() -> Option<Self> {
        match Self::run().await {
            Ok(server) => real::have("PostgreSQL", None).then_some(server),
            Err(error) => {
                let _ = real::have("PostgreSQL", Some(format!("{error:#}")));
                None
            }
        }
    }

    async fn run() -> Result<Self> {
        let programs = programs()?;
        let folder = tempfile::tempdir()?.keep();
        if is_root(&folder)? {
            chown(&folder, Some(NOBODY), Some(NOBODY))?;
        }
        let port = free_port()?;
        let mut server = Self {
            programs,
            folder,
            port,
            process: None,
        };
        let secret = server.folder.join("password");
        fs::write(&secret, PASSWORD)?;
        let data = server.folder.join("data");
        let mut init = server.program("initdb")?;
        init.args([
            "--username=reader",
            "--auth=scram-sha-256",
            "--no-sync",
            "--encoding=UTF8",
        ])
        .arg(format!("--pwfile={}", secret.display()))
        .arg(format!("--pgdata={}", data.display()));
        told(&init.output()?)?;
        let mut postgres = server.program("postgres")?;
        postgres.arg("-D").arg(&data).args([
            "-h",
            "127.0.0.1",
            "-p",
            &port.to_string(),
            "-k",
            "",
            "-F",
        ]);
        let log = File::create(server.folder.join("log"))?;
        server.process = Some(Leash::hold(&postgres, &server.folder, &log)?);
        let deadline = Instant::now() + START;
        while let Err(error) = server.execute_in("postgres", "SELECT 1") {
            ensure!(Instant::now() < deadline, "it does not answer: {error:#}");
            sleep(Duration::from_millis(100)).await;
        }
        server.execute_in("postgres", "CREATE DATABASE shop")?;
        Ok(server)
    }

    /// The connection string for PostgreSQL's clients.
    #[must_use]
    pub fn words(&self) -> String {
        format!("host=127.0.0.1 port={} dbname=shop user=reader", self.port)
    }

    /// Runs a statement in the database.
    ///
    /// # Errors
    /// The server's.
    pub fn execute(&self, sql: &str) -> Result<()> {
        self.execute_in("shop", sql)
    }

    fn execute_in(&self, database: &str, sql: &str) -> Result<()> {
        let mut psql = self.program("psql")?;
        psql.env("PGPASSWORD", PASSWORD)
            .args(["-h", "127.0.0.1", "-U", "reader", "-v", "ON_ERROR_STOP=1"])
            .args(["-p", &self.port.to_string(), "-d", database, "-c", sql]);
        told(&psql.output()?)
    }

    /// One of its programs, not as root.
    fn program(&self, name: &str) -> Result<Command> {
        let program = self.programs.join(name);
        let mut command = match is_root(Path::new("/proc/self"))? {
            true => {
                let mut command = Command::new("setpriv");
                command
                    .args([format!("--reuid={NOBODY}"), format!("--regid={NOBODY}")])
                    .arg("--clear-groups")
                    .arg(program);
                command
            }
            false => Command::new(program),
        };
        command.current_dir(&self.folder);
        Ok(command)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // By its own tool, so that it leaves nothing in shared memory; else the leash ends it.
        let data = self.folder.join("data");
        if let Ok(mut stop) = self.program("pg_ctl") {
            let _ = stop
                .args(["stop", "-m", "immediate", "-D"])
                .arg(data)
                .output();
        }
    }
}

/// The owner of a new file, that is, of this process: is it root?
fn is_root(path: &Path) -> Result<bool> {
    Ok(fs::metadata(path)?.uid() == 0)
}

fn told(output: &Output) -> Result<()> {
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}", said.trim());
    Ok(())
}

/// The folder of the newest installed server's programs.
fn programs() -> Result<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut folders: Vec<PathBuf> = versions
        .filter_map(|version| Some(version.ok()?.path().join("bin")))
        .filter(|folder| folder.join("initdb").is_file())
        .collect();
    folders.sort();
    folders
        .pop()
        .context("Debian's package postgresql is not installed: make test-setup")
}
