//! No circle of files inside a crate: what a file takes from another flows one way.

use std::collections::{BTreeMap, BTreeSet};

use super::modules::{Arrows, Modules};
use super::{Source, none, not_yet, sources};

/// Crates whose circles are not opened yet.
const NOT_YET: &[&str] = &[];

/// The files where a crate, a binary, a test or a bench begins.
fn roots(sources: &[Source]) -> Vec<&str> {
    let begins = |path: &&str| {
        let name = path.rsplit('/').next().unwrap_or_default();
        let is_program =
            path.contains("/src/") || path.contains("/tests/") || path.contains("/benches/");
        is_program && path.matches('/').count() <= 3 && ["lib.rs", "main.rs"].contains(&name)
    };
    let paths = sources.iter().map(|source| source.path.as_str());
    paths.filter(begins).collect()
}

/// Each file with all that it reaches.
fn reached(arrows: &Arrows) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut next = BTreeMap::<&str, Vec<&str>>::new();
    for (from, to) in arrows.keys() {
        next.entry(from).or_default().push(to);
    }
    let mut reached = BTreeMap::new();
    for from in next.keys() {
        let (mut seen, mut open) = (BTreeSet::new(), vec![*from]);
        while let Some(file) = open.pop() {
            for to in next.get(file).into_iter().flatten() {
                if seen.insert(*to) {
                    open.push(to);
                }
            }
        }
        reached.insert(*from, seen);
    }
    reached
}

/// The arrows that are part of a circle, as `a.rs -> b.rs: Names`.
fn circles(arrows: &Arrows) -> Vec<String> {
    let reached = reached(arrows);
    let leads_back = |(from, to): &(String, String)| {
        let back = reached.get(to.as_str());
        back.is_some_and(|files| files.contains(from.as_str()))
    };
    let closed = arrows.iter().filter(|(files, _)| leads_back(files));
    let told = closed.map(|((from, to), names)| {
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        format!("{from} -> {to}: {}", names.join(", "))
    });
    told.collect()
}

#[test]
fn no_circle_of_files_is_in_a_crate() {
    let sources = sources();
    let mut found = Vec::new();
    for root in roots(&sources) {
        found.extend(circles(&Modules::read(&sources, root).arrows()));
    }
    none(
        "these files are in a circle: move what both want to a file below them",
        &not_yet(found, NOT_YET),
    );
}

#[test]
fn a_circle_is_seen_through_imports_and_reexports() {
    let check = |files: &[(&str, &str)], expect: &[&str]| {
        let source =
            |(path, text): &(&str, &str)| Source::planted(&format!("x/src/{path}.rs"), text);
        let sources: Vec<Source> = files.iter().map(source).collect();
        let found = circles(&Modules::read(&sources, "x/src/lib.rs").arrows());
        let found: Vec<_> = found.iter().map(|one| one.replace("x/src/", "")).collect();
        assert_eq!(found, expect, "{files:?}");
    };
    let lib = ("lib", "mod a; mod b; pub use a::A;");
    let (a, b) = ("pub struct A;", "pub struct B(crate::A);");
    check(&[lib, ("a", a), ("b", b)], &[]);
    check(
        &[lib, ("a", "use crate::b::B; pub struct A(B);"), ("b", b)],
        &["a.rs -> b.rs: B", "b.rs -> a.rs: A"],
    );
    // Tests of a file may look anywhere, and a word in a comment or a text is none.
    let tested = "pub struct A; // crate::b::B\n#[cfg(test)] mod tests { use crate::b::B; }";
    check(&[lib, ("a", tested), ("b", b)], &[]);
    // A module that is imported counts for what is taken from it.
    check(
        &[
            lib,
            ("a", "use super::b; pub fn A() { b::go::<u8>() }"),
            ("b", "use crate::a::{self, A as C}; pub fn go<T>() { C() }"),
        ],
        &["a.rs -> b.rs: go", "b.rs -> a.rs: A"],
    );
    // A folder's own file counts for what it defines and not for what it passes on.
    let folder = [
        ("lib", "mod a; mod b;"),
        ("b", "use crate::a::C; pub struct B;"),
    ];
    let inner = ("a/c", "pub struct C(crate::b::B);");
    check(
        &[
            &folder[..],
            &[("a/mod", "mod c; pub use self::c::C;"), inner],
        ]
        .concat(),
        &["a/c.rs -> b.rs: B", "b.rs -> a/c.rs: C"],
    );
    check(
        &[
            &folder[..],
            &[
                ("a/mod", "mod c; pub use self::c::*; pub struct D;"),
                ("a/c", "pub struct C(super::D);"),
            ],
        ]
        .concat(),
        &["a/c.rs -> a/mod.rs: D", "a/mod.rs -> a/c.rs: *"],
    );
}
