//! The lake's tables as SQL: over explicit lists of objects, and the same columns whatever
//! the objects hold.

use sink::{COLUMNS, Location, Type};

use crate::names::{CLICKS, DEAD_LETTERS};
use crate::tables::piece::{Part, Piece, list, parts};

/// The columns of dead letters, and their types.
const LETTERS: [(&str, &str); 7] = [
    ("partition", "UINTEGER"),
    ("offset", "UBIGINT"),
    ("appended_at", Type::Time.sql()),
    ("event_id", "UUID"),
    ("reason", "VARCHAR"),
    ("detail", "VARCHAR"),
    ("raw", "BLOB"),
];

/// One of the lake's tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    Clicks,
    Letters,
}

impl Table {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Clicks => CLICKS,
            Self::Letters => DEAD_LETTERS,
        }
    }

    /// Its columns, and their types.
    pub(crate) fn columns(self) -> Vec<(&'static str, &'static str)> {
        match self {
            Self::Clicks => COLUMNS
                .iter()
                .map(|column| (column.name, column.kind.sql()))
                .collect(),
            Self::Letters => LETTERS.to_vec(),
        }
    }

    /// The rows of the pieces, as an SQL table. Empty, with its types, where there is none.
    pub(crate) fn of(self, pieces: &[Piece], location: &Location) -> String {
        let parts = parts(pieces);
        let lists: Vec<String> = parts
            .iter()
            .map(|part| list(location, &part.paths))
            .collect();
        self.over(&parts, &lists)
    }

    /// The table over parts whose objects SQL expressions list: those with exactly this
    /// program's columns, which are opened as they are read, and those of other versions,
    /// whose columns are looked up in each.
    pub(crate) fn over(self, parts: &[Part], lists: &[String]) -> String {
        let columns = self.columns();
        let typed: Vec<String> = columns
            .iter()
            .map(|(name, kind)| format!(r#"NULL::{kind} AS "{name}""#))
            .collect();
        let names: Vec<String> = columns
            .iter()
            .map(|(name, _)| format!(r#""{name}""#))
            .collect();
        let names = names.join(", ");
        let empty = format!("SELECT {} WHERE false", typed.join(", "));
        let select = |(part, list): (&Part, &String)| {
            let rows = if part.current {
                format!("read_parquet({list}, hive_partitioning = false)")
            } else {
                // The empty table lends its columns to objects that lack them.
                format!(
                    "({empty} UNION ALL BY NAME SELECT * FROM \
                     read_parquet({list}, union_by_name = true, hive_partitioning = false))"
                )
            };
            let within = part.within.join(" OR ");
            let within = if within.is_empty() { "true" } else { &within };
            format!("SELECT {names} FROM {rows} WHERE {within}")
        };
        let mut selects: Vec<String> = parts.iter().zip(lists).map(select).collect();
        if selects.is_empty() {
            selects.push(empty);
        }
        format!("({})", selects.join(" UNION ALL "))
    }
}
