//! Decides a tree's schema over all of its files, and which of them contradict it.

use serde::{Deserialize, Serialize};

use crate::config::Changes;
use crate::external::folder::FolderKinds;
use crate::external::kind::Kind;

/// A column of a file, with what is known of its values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileColumn {
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

/// A column of an external table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TableColumn {
    pub(super) name: String,
    /// Its type in DuckDB's words.
    pub(super) kind: String,
    /// True if folders' names give it.
    pub(super) folder: bool,
}

/// Files with the same columns.
#[derive(Debug, Clone)]
pub(super) struct FileShape {
    pub(super) columns: Vec<FileColumn>,
    /// How many files there are.
    pub(super) files: u64,
    /// The first of their paths.
    pub(super) first: String,
}

/// A schema, and what does not fit.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Fit {
    pub(super) columns: Vec<TableColumn>,
    /// For each shape why its files cannot be shown. `None` if they can.
    pub(super) reasons: Vec<Option<String>>,
    /// Columns that are left out, with the first file that has each.
    pub(super) left_out: Vec<(FileColumn, String)>,
}

/// Decides the schema. `known` are the table's columns before; none at the first crawl. The shapes
/// come in the order of their first paths. Of types that contradict each other the one that most
/// files have wins, then the one that comes first.
pub(super) fn fit(
    shapes: &[FileShape],
    folders: &FolderKinds,
    known: &[TableColumn],
    changes: Changes,
) -> Fit {
    let mut fit = Fit {
        reasons: vec![None; shapes.len()],
        ..Fit::default()
    };
    let taken = |name: &str| known.is_empty() || known.iter().any(|one| is_same(&one.name, name));
    let is_folder = |name: &str| folders.columns().any(|(key, _)| is_same(key, name));
    let is_left_out = |name: &str| changes != Changes::Add && !taken(name);
    let columns = loop {
        let shown: Vec<usize> = (0..shapes.len())
            .filter(|at| fit.reasons[*at].is_none())
            .collect();
        let mut columns = Vec::new();
        for name in names(shown.iter().map(|at| &shapes[*at])) {
            if is_folder(&name) || is_left_out(&name) {
                continue;
            }
            let (kind, odd) = decide(&name, shapes, &shown);
            for at in odd {
                let theirs = column(&shapes[at].columns, &name).map(|column| &column.kind);
                fit.reasons[at] = theirs.map(|theirs| reason(&name, theirs, &kind));
            }
            columns.push((name, kind));
        }
        let still = fit.reasons.iter().filter(|reason| reason.is_none()).count();
        if still == shown.len() {
            break columns;
        }
    };
    for shape in shapes {
        for column in shape.columns.iter().filter(|one| is_left_out(&one.name)) {
            let mut known = fit.left_out.iter();
            if !known.any(|(known, _)| is_same(&known.name, &column.name)) {
                fit.left_out.push((column.clone(), shape.first.clone()));
            }
        }
    }
    let own = columns.into_iter().map(|(name, kind)| TableColumn {
        name,
        kind: kind.to_string(),
        folder: false,
    });
    let keys = folders.columns().map(|(key, kind)| TableColumn {
        name: key.to_owned(),
        kind: kind.to_owned(),
        folder: true,
    });
    let keys = keys.filter(|key| !is_left_out(&key.name));
    let found: Vec<TableColumn> = own.chain(keys).collect();
    fit.columns = ordered(found, known);
    fit
}

/// The columns in the order of those before, then as they came. A column whose files are gone
/// stays: queries name it.
fn ordered(mut found: Vec<TableColumn>, known: &[TableColumn]) -> Vec<TableColumn> {
    let mut columns = Vec::new();
    for before in known {
        let place = found
            .iter()
            .position(|one| is_same(&one.name, &before.name));
        columns.push(place.map_or_else(|| before.clone(), |place| found.remove(place)));
    }
    columns.extend(found);
    columns
}

/// The names of the columns of these shapes, each once, in the order in which they come. One that
/// is spelled in several ways is in small letters.
fn names<'s>(shapes: impl Iterator<Item = &'s FileShape>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for column in shapes.flat_map(|shape| &shape.columns) {
        match names.iter_mut().find(|known| is_same(known, &column.name)) {
            Some(known) if *known != column.name => known.make_ascii_lowercase(),
            Some(_) => {}
            None => names.push(column.name.clone()),
        }
    }
    names
}

/// A column's type over the shapes that are shown, and the shapes that contradict it.
fn decide(name: &str, shapes: &[FileShape], shown: &[usize]) -> (Kind, Vec<usize>) {
    let mut kinds: Vec<(&Kind, u64, Vec<usize>)> = Vec::new();
    for at in shown {
        let Some(column) = column(&shapes[*at].columns, name) else {
            continue;
        };
        let files = shapes[*at].files;
        match kinds.iter_mut().find(|(kind, ..)| *kind == &column.kind) {
            Some((_, count, places)) => {
                *count += files;
                places.push(*at);
            }
            None => kinds.push((&column.kind, files, vec![*at])),
        }
    }
    // A stable sort: of equal counts the first path's comes first. Empty columns fit all others.
    kinds.sort_by_key(|(kind, files, _)| (matches!(kind, Kind::Empty(_)), u64::MAX - files));
    let mut kinds = kinds.into_iter();
    let first = kinds.next();
    let mut wide = first.map_or_else(|| Kind::scalar("VARCHAR"), |(kind, ..)| kind.clone());
    let mut odd = Vec::new();
    for (kind, _, places) in kinds {
        match wide.with(kind) {
            Some(both) => wide = both,
            None => odd.extend(places),
        }
    }
    (wide, odd)
}

/// Why a column of type `theirs` does not fit one of type `kind`.
fn reason(name: &str, theirs: &Kind, kind: &Kind) -> String {
    let why = format!("its column {name} is {theirs}, the table's is {kind}");
    match theirs.declared().with(&kind.declared()) {
        None => why,
        Some(_) if [theirs, kind].iter().any(|one| one.to_string() == "BLOB") => {
            format!("{why}: not all of the bytes are UTF-8")
        }
        Some(_) => {
            format!("{why}: some of the values beyond 15 digits would not be the same in a DOUBLE")
        }
    }
}

/// The column of that name.
pub(super) fn column<'c>(columns: &'c [FileColumn], name: &str) -> Option<&'c FileColumn> {
    columns.iter().find(|column| is_same(&column.name, name))
}

/// SQL compares names without case.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::external::folder::folder_values;

    fn shape(first: &str, files: u64, columns: &[(&str, Kind)]) -> FileShape {
        let columns = columns.iter().map(|(name, kind)| FileColumn {
            name: (*name).to_owned(),
            kind: kind.clone(),
        });
        FileShape {
            columns: columns.collect(),
            files,
            first: first.to_owned(),
        }
    }

    fn kind(text: &str) -> Kind {
        Kind::parse(text)
    }

    fn columns(fit: &Fit) -> String {
        let columns = fit.columns.iter();
        let columns: Vec<String> = columns
            .map(|column| format!("{} {}", column.name, column.kind))
            .collect();
        columns.join(", ")
    }

    #[test]
    fn the_schema_is_that_of_the_whole_tree() {
        let large = Kind::Scalar {
            name: "BIGINT".into(),
            exact: false,
        };
        let check = |kinds: &[(u64, Kind)], expect: &str, odd: &[bool]| {
            let shapes = kinds.iter().enumerate();
            let shapes: Vec<FileShape> = shapes
                .map(|(at, (files, kind))| shape(&format!("{at}"), *files, &[("c", kind.clone())]))
                .collect();
            let fit = fit(&shapes, &FolderKinds::default(), &[], Changes::Add);
            assert_eq!(columns(&fit), expect, "{kinds:?}");
            let found: Vec<bool> = fit.reasons.iter().map(Option::is_some).collect();
            assert_eq!(found, odd, "{kinds:?}");
        };
        let one = |text: &str| (1, kind(text));
        check(
            &[one("BIGINT"), one("DOUBLE"), one("INTEGER")],
            "c DOUBLE",
            &[false, false, false],
        );
        check(
            &[one("DOUBLE"), (1, large.clone())],
            "c DOUBLE",
            &[false, true],
        );
        check(&[one("DOUBLE"), (2, large)], "c BIGINT", &[true, false]);
        // The first one is the odd one.
        check(
            &[one("INTEGER"), (3, kind("VARCHAR"))],
            "c VARCHAR",
            &[true, false],
        );
        check(
            &[one("INTEGER"), one("VARCHAR")],
            "c INTEGER",
            &[false, true],
        );
        check(
            &[(1, Kind::Empty(Box::new(kind("INTEGER")))), one("VARCHAR")],
            "c VARCHAR",
            &[false, false],
        );
        check(
            &[(9, Kind::Empty(Box::new(kind("INTEGER"))))],
            "c INTEGER",
            &[false],
        );
    }

    #[test]
    fn names_are_compared_without_case_and_folders_give_columns() {
        let shapes = [
            shape(
                "a",
                1,
                &[("Sku", kind("VARCHAR")), ("Year", kind("INTEGER"))],
            ),
            shape("b", 1, &[("sku", kind("VARCHAR")), ("N", kind("INTEGER"))]),
        ];
        let mut folders = FolderKinds::default();
        folders.add(&folder_values("/t/year=2026/a"));
        let found = fit(&shapes, &folders, &[], Changes::Add);
        assert_eq!(columns(&found), "sku VARCHAR, N INTEGER, year BIGINT");
    }

    #[test]
    fn what_contradicts_gives_no_column_and_what_is_gone_stays() {
        let shapes = [
            shape("a", 2, &[("c", kind("INTEGER"))]),
            shape("b", 1, &[("d", kind("DATE")), ("c", kind("VARCHAR"))]),
        ];
        let found = fit(&shapes, &FolderKinds::default(), &[], Changes::Add);
        assert_eq!(columns(&found), "c INTEGER");
        let known = [TableColumn {
            name: "old".into(),
            kind: "DATE".into(),
            folder: false,
        }];
        let found = fit(&shapes, &FolderKinds::default(), &known, Changes::Add);
        assert_eq!(columns(&found), "old DATE, c INTEGER");
        let found = fit(&shapes, &FolderKinds::default(), &known, Changes::Log);
        assert_eq!(columns(&found), "old DATE");
        assert_eq!(found.left_out.len(), 2);
    }
}
