//! The rules of the house that no compiler knows: which crate may know which, which licences
//! a dependency may have, how long a file is, and that the README tells nothing untried.

mod depends;
mod licence;
mod readme;
mod rows;

use std::path::{Path, PathBuf};

/// The workspace's folder.
fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests
        .parent()
        .expect("tests is a folder of the workspace")
        .to_owned()
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A file of TOML: a manifest, the lock, the list of licences.
fn table(path: impl AsRef<Path>) -> toml::Table {
    read(path).parse().expect("the workspace's TOML parses")
}

/// An array of texts.
fn texts(value: &toml::Value) -> Vec<String> {
    let texts = value.clone().try_into();
    texts.expect("the value is an array of texts")
}

/// A source file: its path from the root, with `/`, and its text.
struct Source {
    path: String,
    text: String,
}

/// Every Rust file of the workspace's crates, in the order of their paths.
fn sources() -> Vec<Source> {
    let mut folders: Vec<PathBuf> = depends::members()
        .iter()
        .map(|name| root().join(name))
        .collect();
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a crate is a folder") {
            let path = entry.expect("a folder can be listed").path();
            if path.is_dir() {
                if !path.ends_with("node_modules") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let below = path.strip_prefix(root()).expect("it is in the workspace");
                let path = below.to_string_lossy().replace('\\', "/");
                let text = read(&path);
                found.push(Source { path, text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(found.len() > 50, "only {} files were found", found.len());
    found
}

/// The lines of the sources that hold one of the words and are none of the exceptions, as
/// `path:line: word`. An exception that nothing needs any more is a finding too.
fn findings(sources: &[Source], words: &[&str], exceptions: &[(&str, &str)]) -> Vec<String> {
    let mut found = Vec::new();
    let mut met = vec![false; exceptions.len()];
    for source in sources {
        for (number, line) in source.text.lines().enumerate() {
            let code = line.split("//").next().expect("a split has a first part");
            for word in words.iter().filter(|word| code.contains(**word)) {
                let exception = exceptions
                    .iter()
                    .position(|(path, _)| source.path.starts_with(path));
                match exception {
                    Some(at) => met[at] = true,
                    None => found.push(format!("{}:{}: {word}", source.path, number + 1)),
                }
            }
        }
    }
    for ((path, reason), met) in exceptions.iter().zip(met) {
        if !met {
            found.push(format!("{path} is excepted ({reason}) and need not be"));
        }
    }
    found
}

fn none(what: &str, findings: &[String]) {
    assert!(findings.is_empty(), "{what}:\n{}", findings.join("\n"));
}

#[test]
fn findings_name_the_line_and_the_idle_exception() {
    let planted = [
        Source {
            path: "sink/src/a.rs".into(),
            text: "fn a() {\n    bad!(); // worse!\n}\n".into(),
        },
        Source {
            path: "topic/src/b.rs".into(),
            text: "bad!()".into(),
        },
    ];
    let exceptions = [("topic/", "it may"), ("catalog/", "it might")];
    let found = findings(&planted, &["bad!", "worse!"], &exceptions);
    assert_eq!(
        found,
        [
            "sink/src/a.rs:2: bad!",
            "catalog/ is excepted (it might) and need not be"
        ]
    );
}

#[test]
fn a_file_is_one_noun_of_at_most_500_lines_and_250_in_compose() {
    let long: Vec<String> = sources()
        .iter()
        .filter_map(|source| {
            let most = if source.path.starts_with("compose/") {
                250
            } else {
                500
            };
            let lines = source.text.lines().count();
            (lines > most).then(|| format!("{}: {lines} lines", source.path))
        })
        .collect();
    none("split these by responsibility", &long);
}

#[test]
fn nothing_is_unfinished_or_left_out() {
    // In two parts, so that this file is not a finding.
    let words = [
        concat!("to", "do!("),
        concat!("unimple", "mented!("),
        concat!("#[ig", "nore"),
        concat!("#[all", "ow("),
        concat!("#![all", "ow("),
        concat!("un", "safe {"),
    ];
    none(
        "finish these, or leave them out whole",
        &findings(&sources(), &words, &[]),
    );
}

#[test]
fn every_exception_to_a_lint_carries_its_reason() {
    let opening = concat!("#[exp", "ect(");
    let mut silent = Vec::new();
    for source in sources() {
        for (at, _) in source.text.match_indices(opening) {
            let rest = &source.text[at..];
            let attribute = &rest[..rest.find(")]").map_or(rest.len(), |end| end)];
            if !attribute.contains("reason = \"") {
                let line = source.text[..at].lines().count();
                silent.push(format!("{}:{}", source.path, line + 1));
            }
        }
    }
    none("say why", &silent);
}

#[test]
fn invariant_11_only_compose_reads_the_environment_and_the_arguments() {
    let words = [
        concat!("env", "::var"),
        concat!("env", "::args"),
        concat!("env", "::set_var"),
        concat!("env", "::remove_var"),
        concat!("use std", "::env"),
        concat!("tracing_", "subscriber"),
        concat!("signal", "::ctrl_c"),
        concat!("signal", "::unix"),
    ];
    let exceptions = [
        ("compose/src", "it is the one that may"),
        (
            "catalog/build.rs",
            "cargo configures a build script by variables",
        ),
        (
            "producer/src/stand_in.rs",
            "compiled for tests only: where the shared data are",
        ),
        (
            "topic/src/embedded/crash.rs",
            "CI says that nothing may be left out",
        ),
        (
            "tests/src/real.rs",
            "a person or CI says which real parts there are",
        ),
    ];
    none(
        "take it as a parameter",
        &findings(&sources(), &words, &exceptions),
    );
}

#[test]
fn invariant_12_no_clock_but_the_topics() {
    let words = [
        concat!("System", "Time::now"),
        concat!("Utc", "::now"),
        concat!("now", "_v7"),
        concat!("std::time::", "Instant"),
    ];
    let exceptions = [("topic/src/clock.rs", "it is the clock")];
    none(
        "take a SharedClock",
        &findings(&sources(), &words, &exceptions),
    );
}
