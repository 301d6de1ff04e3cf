//! How modules are laid out in folders.

use super::lexer::code;
use super::{Source, none, not_yet, sources};

/// Places below the catalog's page of verbs that name it still.
const UPWARDS: &[&str] = &[];

/// The files `noun.rs` beside a folder `noun/` that holds modules.
fn beside(sources: &[Source]) -> Vec<String> {
    let has_folder = |source: &&Source| {
        let folder = source.path.replace(".rs", "/");
        sources.iter().any(|other| other.path.starts_with(&folder))
    };
    let beside = sources.iter().filter(has_folder);
    beside.map(|source| source.path.clone()).collect()
}

/// The lines in the folders of a crate's sources that name its handle.
fn upwards(sources: &[Source], crate_folder: &str, handle: &str) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources {
        let below = source.path.strip_prefix(crate_folder);
        if source.is_test() || !below.is_some_and(|path| path.contains('/')) {
            continue;
        }
        let named = code(&source.text);
        for token in named.iter().filter(|token| token.text == handle) {
            found.push(format!("{}:{}: {handle}", source.path, token.line));
        }
    }
    found
}

#[test]
fn a_module_with_children_is_a_folder_with_mod_rs() {
    none("move these to mod.rs in their folder", &beside(&sources()));
}

#[test]
fn no_feature_of_the_catalog_names_the_handle_above_it() {
    let found = upwards(&sources(), "catalog/src/", "Catalog");
    none(
        "take the session or the location as a parameter",
        &not_yet(found, UPWARDS),
    );
}

#[test]
fn a_file_beside_its_folder_and_a_name_from_above_are_found() {
    let sources = [
        Source::planted("catalog/src/a.rs", "use crate::Catalog;"),
        Source::planted(
            "catalog/src/a/b.rs",
            "// Catalog\nfn b(c: &crate::Catalog) {}",
        ),
        Source::planted("catalog/src/a/tests.rs", "use crate::Catalog;"),
        Source::planted("catalog/src/c/mod.rs", "fn c(tail: &CatalogTail) {}"),
    ];
    assert_eq!(beside(&sources), ["catalog/src/a.rs"]);
    assert_eq!(
        upwards(&sources, "catalog/src/", "Catalog"),
        ["catalog/src/a/b.rs:2: Catalog"]
    );
}
