//! Words that the code may not hold, and the files that may hold them nevertheless.

use super::{Source, none, sources};

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

#[test]
fn findings_name_the_line_and_the_idle_exception() {
    let planted = [
        Source::planted("sink/src/a.rs", "fn a() {\n    bad!(); // worse!\n}\n"),
        Source::planted("topic/src/b.rs", "bad!()"),
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
        "finish these, or remove them",
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
            "producer/src/testing.rs",
            "compiled for tests only: where the shared data are",
        ),
        (
            "transformer/src/row/places/tests.rs",
            "where the shared data are",
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
