//! The crate graph of ARCHITECTURE.md, read from cargo, and what each crate must never know.

use std::process::Command;
use std::sync::LazyLock;

use serde::Deserialize;

use super::workspace::members;
use super::{none, root, table};

/// Which crate of ours may depend on which; what is not here is forbidden. Dev-dependencies
/// are excepted, since a test may stand further away than the code that it tests.
const ARROWS: &[(&str, &[&str])] = &[
    ("topic", &[]),
    ("producer", &["topic"]),
    ("transformer", &["topic", "sink"]),
    ("sink", &["topic"]),
    ("catalog", &["sink"]),
    ("dashboard", &["catalog"]),
    (
        "compose",
        &[
            "topic",
            "producer",
            "transformer",
            "sink",
            "catalog",
            "dashboard",
        ],
    ),
    (
        "tests",
        &[
            "topic",
            "producer",
            "transformer",
            "sink",
            "catalog",
            "dashboard",
            "compose",
        ],
    ),
];

/// The libraries that a crate must never know; only what it names itself counts.
const STRANGERS: &[(&str, &[&str])] = &[
    (
        "topic",
        &[
            "arrow",
            "arrow-schema",
            "parquet",
            "duckdb",
            "actix-web",
            "object_store",
        ],
    ),
    (
        "producer",
        &[
            "rdkafka",
            "fjall",
            "arrow",
            "parquet",
            "duckdb",
            "object_store",
        ],
    ),
    (
        "transformer",
        &[
            "rdkafka",
            "fjall",
            "parquet",
            "duckdb",
            "actix-web",
            "object_store",
        ],
    ),
    ("sink", &["rdkafka", "fjall", "duckdb", "actix-web"]),
    ("catalog", &["rdkafka", "fjall", "actix-web"]),
    ("dashboard", &["rdkafka", "fjall", "duckdb", "object_store"]),
    ("compose", &[]),
    ("tests", &[]),
];

/// What `cargo metadata` says, as far as it is asked here.
#[derive(Deserialize)]
pub(super) struct Metadata {
    pub(super) packages: Vec<Package>,
    workspace_members: Vec<String>,
}

#[derive(Deserialize)]
pub(super) struct Package {
    id: String,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) license: Option<String>,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// `dev`, `build`, or nothing for a normal one.
    kind: Option<String>,
}

/// The packages that are built on this machine.
pub(super) static METADATA: LazyLock<Metadata> = LazyLock::new(|| {
    let host = cargo(&["--version", "--verbose"]);
    let host = host
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .expect("cargo has a host");
    let text = cargo(&[
        "metadata",
        "--format-version=1",
        "--locked",
        "--offline",
        "--filter-platform",
        host,
    ]);
    serde_json::from_str(&text).expect("cargo's metadata is JSON")
});

fn cargo(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO"));
    let output = command
        .args(arguments)
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("cargo writes UTF-8")
}

/// `crate → crate` for each dependency that is not drawn.
fn undrawn(ours: &[&str], packages: &[&Package]) -> Vec<String> {
    let mut found = Vec::new();
    for package in packages {
        let row = |table: &[(&str, &[&'static str])]| {
            let row = table.iter().find(|(name, _)| *name == package.name);
            row.map_or_else(Vec::new, |(_, names)| names.to_vec())
        };
        let (drawn, strangers) = (row(ARROWS), row(STRANGERS));
        for dependency in &package.dependencies {
            let name = dependency.name.as_str();
            if dependency.kind.as_deref() == Some("dev") {
                continue;
            }
            if (ours.contains(&name) && !drawn.contains(&name)) || strangers.contains(&name) {
                found.push(format!("{} → {name}", package.name));
            }
        }
    }
    found
}

#[test]
fn the_crate_graph_is_the_drawn_one() {
    let members = members();
    let drawn: Vec<&str> = ARROWS.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        members, drawn,
        "the workspace's crates, and those that are drawn"
    );
    let packages: Vec<&Package> = METADATA
        .packages
        .iter()
        .filter(|package| METADATA.workspace_members.contains(&package.id))
        .collect();
    assert_eq!(packages.len(), members.len());
    none("not drawn in ARCHITECTURE.md", &undrawn(&drawn, &packages));
}

#[test]
fn an_arrow_that_is_not_drawn_is_found() {
    let package = |name: &str, dependencies: &[(&str, Option<&str>)]| Package {
        id: name.to_owned(),
        name: name.to_owned(),
        version: "1.0.0".to_owned(),
        license: None,
        dependencies: dependencies
            .iter()
            .map(|(name, kind)| Dependency {
                name: (*name).to_owned(),
                kind: kind.map(str::to_owned),
            })
            .collect(),
    };
    let dashboard = package(
        "dashboard",
        &[("catalog", None), ("topic", None), ("sink", Some("dev"))],
    );
    let transformer = package("transformer", &[("sink", None), ("parquet", Some("build"))]);
    let ours = ["topic", "sink", "catalog"];
    let found = undrawn(&ours, &[&dashboard, &transformer]);
    assert_eq!(found, ["dashboard → topic", "transformer → parquet"]);
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    let lax: Vec<String> = members()
        .into_iter()
        .filter(|name| {
            let manifest = table(format!("{name}/Cargo.toml"));
            let lints = manifest
                .get("lints")
                .and_then(|lints| lints.get("workspace"));
            lints.and_then(toml::Value::as_bool) != Some(true)
        })
        .collect();
    none("these need `[lints] workspace = true`", &lax);
}

#[test]
fn one_arrow_and_one_parquet_are_in_the_tree() {
    let lock = table("Cargo.lock");
    let packages = lock["package"].as_array().unwrap();
    let version = |package: &toml::Value| package["version"].as_str().unwrap().to_owned();
    for name in [
        "arrow",
        "arrow-array",
        "arrow-schema",
        "parquet",
        "duckdb",
        "object_store",
    ] {
        let found: Vec<String> = packages
            .iter()
            .filter(|package| package["name"].as_str() == Some(name))
            .map(version)
            .collect();
        assert_eq!(found.len(), 1, "{name} is in the tree as {found:?}");
    }
}
