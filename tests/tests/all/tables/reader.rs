//! Other engines on the published tables, each in a process of its own that `tests/readers/tables.py`
//! runs and that is asked again and again.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;
use sink::S3;
use tests::clickweir::Place;
use tests::real;

/// An engine, and a way to read by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Engine {
    pub(crate) name: &'static str,
    /// The folder in `vendor` of its Python environment.
    python: &'static str,
    /// Where in `vendor` its JARs are.
    jars: &'static str,
    /// Whether it opens files by their paths, so that it reads no bucket.
    pub(crate) reads_files: bool,
}

const fn quick(name: &'static str, reads_files: bool) -> Engine {
    Engine {
        name,
        python: "readers",
        jars: "",
        reads_files,
    }
}

const fn distributed(name: &'static str, jars: &'static str) -> Engine {
    Engine {
        name,
        python: "distributed",
        jars,
        reads_files: false,
    }
}

impl Engine {
    /// Returns true if it is one of `make test-engines`.
    pub(crate) fn is_distributed(self) -> bool {
        DISTRIBUTED.contains(&self)
    }
}

/// Those of `make test-setup`.
const QUICK: [Engine; 6] = [
    quick("pyiceberg", false),
    quick("pyiceberg_file", true),
    quick("duckdb", false),
    quick("ducklake", false),
    quick("duckdb_iceberg", false),
    quick("duckdb_iceberg_file", true),
];
/// … and those of `make test-engines`.
const DISTRIBUTED: [Engine; 2] = [
    distributed("spark", "iceberg-spark"),
    distributed("flink", "iceberg-flink"),
];

/// The engines that are here. `None` if `make test-setup` did not fetch the quick ones.
pub(crate) fn engines() -> Option<Vec<Engine>> {
    real::fetched("readers", "PyIceberg and DuckDB's extensions")?;
    let mut engines = QUICK.to_vec();
    if real::env("CLICKWEIR_ENGINES").is_some() {
        real::fetched("engines", "Spark and Flink").expect("make test-engines fetches them");
        engines.extend(DISTRIBUTED);
    }
    Some(engines)
}

/// Where a lake is published.
#[derive(Debug, Clone, Default)]
pub(crate) struct Published {
    /// Its folder, or its s3:// address.
    pub(crate) lake: String,
    /// The address of the REST catalog.
    pub(crate) catalog: String,
    /// The catalog's token and the bucket's keys, if the engines are to be given them.
    pub(crate) environment: Vec<(&'static str, String)>,
}

/// What engines are told of a bucket.
pub(crate) fn bucket_keys(
    bucket: &S3,
    (access_key, secret_key): (&str, &str),
) -> Vec<(&'static str, String)> {
    vec![
        ("CLICKWEIR_S3_ENDPOINT", bucket.endpoint.clone()),
        ("CLICKWEIR_S3_ACCESS_KEY", access_key.to_owned()),
        ("CLICKWEIR_S3_SECRET_KEY", secret_key.to_owned()),
    ]
}

impl Published {
    /// The engines that can read it.
    pub(crate) fn read_by(&self, engines: &[Engine]) -> Vec<Engine> {
        let is_bucket = self.lake.starts_with("s3:");
        let can = |engine: &&Engine| !(is_bucket && engine.reads_files);
        engines.iter().filter(can).copied().collect()
    }
}

/// What was found in a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// The rows of `measures.sql`: of all, of each hour, of each partition.
    pub(crate) rows: Value,
    /// The state that was read, if the engine says it.
    pub(crate) state: Option<i64>,
}

/// A process that is asked in lines and answers in lines of JSON. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) name: &'static str,
    child: Child,
    asked: ChildStdin,
    told: BufReader<ChildStdout>,
}

impl Reader {
    pub(crate) fn start(engine: Engine, at: &Published) -> Self {
        let arguments = [engine.name, &at.lake, &at.catalog];
        Self::spawn(engine, "tables.py", &arguments, at)
    }

    /// Counts the states of tables by their objects.
    pub(crate) fn of_states(at: &Published, tables: &[&str]) -> Self {
        let arguments = [&[at.catalog.as_str()], tables].concat();
        Self::spawn(quick("states", false), "states.py", &arguments, at)
    }

    fn spawn(engine: Engine, script: &str, arguments: &[&str], at: &Published) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let vendor: PathBuf = root.join("../vendor").canonicalize().unwrap();
        let mut command = Command::new(vendor.join(engine.python).join("bin/python"));
        command.arg(root.join("readers").join(script));
        command
            .args(arguments)
            .env("CLICKWEIR_JARS", vendor.join(engine.jars))
            .envs(at.environment.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        Self {
            name: engine.name,
            asked: child.stdin.take().unwrap(),
            told: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    /// Sends a line.
    pub(crate) fn send(&mut self, line: &str) {
        writeln!(self.asked, "{line}").unwrap();
    }

    /// Waits for a line.
    pub(crate) fn receive(&mut self) -> Value {
        let mut line = String::new();
        self.told.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{}: {error}: {line}", self.name))
    }

    /// The tables' answers, or what the engine said instead.
    pub(crate) fn answer(&mut self) -> Result<Vec<Found>, String> {
        let told = self.receive();
        if let Some(error) = told["error"].as_str() {
            return Err(error.to_owned());
        }
        let found = |table: &Value| Found {
            rows: table["rows"].clone(),
            state: table["state"].as_i64(),
        };
        Ok(told.as_array().unwrap().iter().map(found).collect())
    }

    /// Reads tables.
    pub(crate) fn find(&mut self, tables: &[&str]) -> Result<Vec<Found>, String> {
        self.send(&tables.join(" "));
        self.answer()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What Clickweir itself finds in a table, by the same statement.
pub(crate) fn expected(place: &Place, table: &str) -> Value {
    let worth = match table.starts_with("clicks") {
        true => "CAST(round(coalesce(price * quantity, 0) * 100) AS BIGINT)",
        false => "CAST(0 AS BIGINT)",
    };
    let sql = include_str!("../../../readers/measures.sql");
    let sql = sql.replace("{worth}", worth).replace("{table}", table);
    let sql = format!("{sql} ORDER BY \"partition\" NULLS FIRST, \"hour\" NULLS FIRST");
    let told = place.must(&["query", &sql, "--format", "json"]).unwrap();
    let mut told: Value = serde_json::from_str(&told).unwrap();
    told["rows"].take()
}
