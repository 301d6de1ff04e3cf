//! The name of a type is defined once in the product, so that one word has one meaning.

use std::collections::BTreeMap;

use super::lexer::{Kind, code};
use super::{Source, none, not_yet, sources};

/// Names that every crate may define.
const OWN: &[&str] = &["Config", "Error"];
/// Names that are defined more than once with a reason.
const SHARED: &[(&str, &str)] = &[];
/// Names that have more than one meaning still.
const NOT_YET: &[&str] = &[];

/// The names of types that the product defines more than once, each with its files.
fn repeated(sources: &[Source]) -> Vec<String> {
    let mut defined = BTreeMap::<&str, Vec<&str>>::new();
    for source in sources.iter().filter(|source| !source.is_test()) {
        let code = code(&source.text);
        for pair in code.windows(2) {
            let is_type = ["struct", "enum", "trait", "union"].contains(&pair[0].text);
            let name = pair[1].text;
            if is_type && pair[1].kind == Kind::Word && name.starts_with(char::is_uppercase) {
                defined.entry(name).or_default().push(&source.path);
            }
        }
    }
    let more = defined
        .into_iter()
        .filter(|(name, files)| files.len() > 1 && !OWN.contains(name));
    let told = more.map(|(name, files)| format!("{name}: {}", files.join(", ")));
    told.collect()
}

#[test]
fn a_type_has_a_name_of_its_own() {
    let shared = SHARED.iter().map(|(name, _)| *name);
    let known: Vec<String> = shared
        .chain(NOT_YET.iter().copied())
        .map(|name| format!("{name}: "))
        .collect();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    none(
        "give each of these a name of its own",
        &not_yet(repeated(&sources()), &known),
    );
}

#[test]
fn a_name_with_two_meanings_is_found() {
    let sources = [
        Source::planted(
            "sink/src/a.rs",
            "pub struct Held; struct Error;\n#[cfg(test)] struct Fake;",
        ),
        Source::planted(
            "sink/src/b.rs",
            "// enum Seen\npub(crate) enum Held { Seen }\nstruct Fake;",
        ),
        Source::planted("topic/src/c.rs", "trait Held {} enum Error {} struct Seen;"),
        Source::planted("topic/src/c/tests.rs", "struct Seen;"),
    ];
    assert_eq!(
        repeated(&sources),
        ["Held: sink/src/a.rs, sink/src/b.rs, topic/src/c.rs"]
    );
}
