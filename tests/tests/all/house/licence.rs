//! What the licences of the dependencies ask, held against the list in `deny.toml`.

use super::depends::METADATA;
use super::{none, read, table, texts};

/// The licences that a dependency may have.
fn allowed() -> Vec<String> {
    texts(&table("deny.toml")["licenses"]["allow"])
}

/// Returns true if an SPDX expression can be met with the allowed licences: of an OR one side, of an
/// AND both. `/` is how OR was written once.
fn met(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    let met = either(&mut rest, allowed);
    assert!(rest.is_empty(), "{expression:?} is no licence expression");
    met
}

fn either(rest: &mut &[&str], allowed: &[String]) -> bool {
    let mut met = both(rest, allowed);
    while let ["OR", after @ ..] = *rest {
        *rest = after;
        met |= both(rest, allowed);
    }
    met
}

fn both(rest: &mut &[&str], allowed: &[String]) -> bool {
    let mut met = one(rest, allowed);
    while let ["AND", after @ ..] = *rest {
        *rest = after;
        met &= one(rest, allowed);
    }
    met
}

fn one(rest: &mut &[&str], allowed: &[String]) -> bool {
    let is = |name: &str| allowed.iter().any(|licence| licence == name);
    match *rest {
        ["(", after @ ..] => {
            *rest = after;
            let met = either(rest, allowed);
            let [")", after @ ..] = *rest else {
                panic!("a bracket is not closed")
            };
            *rest = after;
            met
        }
        [name, "WITH", exception, after @ ..] => {
            *rest = after;
            is(&format!("{name} WITH {exception}"))
        }
        [name, after @ ..] => {
            *rest = after;
            is(name)
        }
        [] => panic!("a licence expression ends too early"),
    }
}

#[test]
fn an_expression_is_met_by_one_side_of_or_and_both_of_and() {
    let allowed = ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned);
    for (expression, expect) in [
        ("MIT", true),
        ("GPL-3.0-only", false),
        ("GPL-3.0-only OR MIT", true),
        ("GPL-3.0-only/MIT", true),
        ("MIT AND GPL-3.0-only", false),
        ("MIT AND (GPL-3.0-only OR ISC)", true),
        ("GPL-3.0-only OR ISC AND MIT", true),
        ("(GPL-3.0-only OR ISC) AND LGPL-2.1-only", false),
        ("Apache-2.0 WITH LLVM-exception", true),
        ("Apache-2.0", false),
    ] {
        assert_eq!(met(expression, &allowed), expect, "{expression}");
    }
}

#[test]
fn every_dependency_has_a_licence_of_the_list() {
    let allowed = allowed();
    let refused: Vec<String> = METADATA
        .packages
        .iter()
        .filter_map(|package| {
            let licence = package.license.as_deref();
            let fine = licence.is_some_and(|licence| met(licence, &allowed));
            let licence = licence.unwrap_or("none");
            (!fine).then(|| format!("{} {}: {licence}", package.name, package.version))
        })
        .collect();
    assert!(METADATA.packages.len() > 200, "the dependencies were read");
    none("not in deny.toml's list", &refused);
}

#[test]
fn no_licence_of_the_list_is_copyleft() {
    for licence in allowed() {
        for refused in ["GPL", "MPL", "EPL", "CDDL", "EUPL", "SSPL", "BUSL"] {
            assert!(!licence.contains(refused), "{licence}");
        }
    }
    assert!(
        read("LICENSE").contains("Apache License"),
        "and ours is there"
    );
}
