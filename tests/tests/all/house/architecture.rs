//! ARCHITECTURE.md names only paths that exist and tests that exist, and names every test that
//! carries an invariant.

use std::collections::BTreeSet;

use super::{none, read, root, sources};

/// Returns true if the word is meant to be a path: it has a slash, and ends with one or as a
/// file does.
fn is_path(word: &str) -> bool {
    let ends = [
        ".rs",
        ".md",
        ".toml",
        ".js",
        ".json",
        ".sh",
        ".yaml",
        "Dockerfile",
        "/",
    ];
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    word.contains('/') && word.chars().all(is_plain) && ends.iter().any(|end| word.ends_with(end))
}

/// The page's words between backticks that look like `wanted`.
fn words(page: &str, wanted: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let words = page
        .lines()
        .flat_map(|line| line.split('`').skip(1).step_by(2));
    words
        .filter(|word| wanted(word))
        .map(str::to_owned)
        .collect()
}

/// The tests of the sources whose names begin with `invariant_`.
fn carriers() -> BTreeSet<String> {
    // In two parts, so that this file is not found.
    let begin = concat!("fn inva", "riant_");
    let mut found = BTreeSet::new();
    for source in sources() {
        for (at, _) in source.text.match_indices(begin) {
            let name = source.text[at + 3..].chars();
            found.insert(
                name.take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                    .collect(),
            );
        }
    }
    found
}

#[test]
fn a_path_is_told_from_another_word() {
    for word in [
        "sink/src/",
        "sink/src/lib.rs",
        "compose/compose.yaml",
        "compose/Dockerfile",
    ] {
        assert!(is_path(word), "{word}");
    }
    for word in [
        "sink",
        "tests.rs",
        "topic::clock",
        "clicks/{partition}/",
        "GET /x",
    ] {
        assert!(!is_path(word), "{word}");
    }
}

#[test]
fn every_path_of_the_architecture_exists() {
    let paths = words(&read("ARCHITECTURE.md"), is_path);
    assert!(paths.len() > 50, "the page has a map");
    let missing = paths.into_iter().filter(|path| !root().join(path).exists());
    none("nothing is there", &missing.collect::<Vec<_>>());
}

#[test]
fn every_test_of_an_invariant_is_in_the_architecture_and_exists() {
    let named = words(&read("ARCHITECTURE.md"), |word| {
        word.starts_with("invariant_")
    });
    let named: BTreeSet<String> = named
        .into_iter()
        .filter(|name| !name.contains('…'))
        .collect();
    let carriers = carriers();
    let missing = carriers.symmetric_difference(&named).cloned();
    none("in one of the two only", &missing.collect::<Vec<_>>());
    for number in 1..=12 {
        let prefix = format!("invariant_{number}_");
        let carried = carriers.iter().any(|name| name.starts_with(&prefix));
        assert!(carried, "no test carries invariant {number}");
    }
}
