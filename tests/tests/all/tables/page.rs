//! What `docs/lake.md` shows, run as it is printed but for addresses.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tests::clickweir::Place;

use super::published;
use super::reader::engines;
use super::scene::aged;

/// The first block of a section of the page, without its fences.
fn block(section: &str) -> String {
    let page = include_str!("../../../../docs/lake.md");
    let (_, rest) = page.split_once(&format!("\n## {section}\n")).unwrap();
    let (_, rest) = rest.split_once("\n```").unwrap();
    let (_language, rest) = rest.split_once('\n').unwrap();
    rest.split_once("\n```").unwrap().0.to_owned()
}

/// Runs a command that must succeed, and returns what it printed.
fn printed(command: &mut Command, input: &str) -> String {
    let piped = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{input}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// The versions that a file of Python's packages or Maven's pins, of the packages that are engines.
#[test]
fn the_page_names_the_versions_that_are_tried() {
    let page = include_str!("../../../../docs/lake.md");
    let python = [
        include_str!("../../../readers/requirements.txt"),
        include_str!("../../../readers/engines.txt"),
        include_str!("../../../readers/distributed.txt"),
    ];
    let pins = python.iter().flat_map(|text| text.lines());
    let pins = pins.filter_map(|line| line.split_once("==").map(|(_, version)| version));
    let maven = [
        include_str!("../../../readers/iceberg-spark.xml"),
        include_str!("../../../readers/iceberg-flink.xml"),
    ];
    let in_maven = maven
        .iter()
        .flat_map(|text| text.split("<dependency>").skip(1));
    let in_maven = in_maven.filter(|pin| !pin.contains("hadoop"));
    let versions = in_maven.map(|pin| {
        let (_, rest) = pin.split_once("<version>").unwrap();
        rest.split_once("</version>").unwrap().0
    });
    let missing: Vec<&str> = pins
        .chain(versions)
        .filter(|version| !page.contains(version))
        .collect();
    assert_eq!(missing, Vec::<&str>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_page_shows_of_other_engines_works_as_printed() {
    let Some(engines) = engines() else { return };
    let place = Place::new().unwrap();
    let lake = aged(&place, &[26, 3], None).await;
    let up = published(&place).await;
    let vendor = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../vendor")
        .canonicalize()
        .unwrap();
    let here = |block: &str| {
        let block = block.replace("http://127.0.0.1:8081", &up.dashboard);
        block.replace("data/lake", &lake)
    };
    // How many rows each statement found.
    let found = |python: &str, language: &str, section: &str| -> Vec<u64> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("readers/page.py");
        let mut command = Command::new(vendor.join(python).join("bin/python"));
        command.env("CLICKWEIR_JARS", vendor.join("iceberg-flink"));
        let told = printed(command.arg(script).arg(language), &here(&block(section)));
        serde_json::from_str(&told).unwrap()
    };
    assert_eq!(found("readers", "duckdb", "DuckDB")[1..], [5, 0, 5, 0, 5]);
    let rows = place.ask("SELECT count(*) FROM clicks").unwrap();
    assert_eq!(
        rows,
        Value::from(found("readers", "python", "PyIceberg")[0])
    );
    if engines.iter().any(|engine| engine.is_distributed()) {
        let actions = place
            .ask("SELECT count(DISTINCT coalesce(action, '')) FROM clicks")
            .unwrap();
        assert_eq!(
            actions,
            Value::from(found("distributed", "flink", "Flink")[1])
        );
        assert_eq!(actions, Value::from(spark(&vendor, &here(&block("Spark")))));
    }
    assert!(up.process.end().unwrap());
}

/// How many lines Spark's shell prints. What it would fetch is there already.
fn spark(vendor: &Path, block: &str) -> usize {
    let jars = std::fs::read_dir(vendor.join("iceberg-spark")).unwrap();
    let jars = jars.map(|entry| entry.unwrap().path());
    let is_iceberg = |jar: &PathBuf| jar.to_string_lossy().contains("iceberg-spark-runtime");
    let jar = jars.into_iter().find(is_iceberg).unwrap();
    let named = jar.file_stem().unwrap().to_str().unwrap().to_owned();
    let (artifact, version) = named.rsplit_once('-').unwrap();
    let package = format!("--packages org.apache.iceberg:{artifact}:{version}");
    assert!(block.contains(&package), "{package}");
    let block = block.replace(&package, &format!("--jars {}", jar.display()));
    let spark = vendor.join("distributed/bin");
    let path = format!("{}:{}", spark.display(), tests::real::env("PATH").unwrap());
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("bash");
    command
        .args(["-c", &block])
        .env("PATH", path)
        .current_dir(&folder);
    printed(&mut command, "").lines().count()
}
