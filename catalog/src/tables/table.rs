//! A table of the lake as SQL. Its columns are the same whatever the objects hold.

use sink::{COLUMNS, Column, LETTER_COLUMNS, Location};

use crate::names::{CLICKS, DEAD_LETTERS};
use crate::sql::{Ident, joined};
use crate::tables::piece::{Piece, ReadGroup, groups};

/// A table of the lake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    Clicks,
    Letters,
}

impl Table {
    pub(crate) const ALL: [Self; 2] = [Self::Clicks, Self::Letters];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Clicks => CLICKS,
            Self::Letters => DEAD_LETTERS,
        }
    }

    /// Its columns.
    pub(crate) const fn columns(self) -> &'static [Column] {
        match self {
            Self::Clicks => COLUMNS,
            Self::Letters => LETTER_COLUMNS,
        }
    }

    /// The names of its columns, as a list in SQL.
    pub(crate) fn column_list(self) -> String {
        joined(self.columns().iter().map(|column| Ident(column.name)), ", ")
    }

    /// The rows of the pieces, as an SQL table. Without pieces it is empty and has its types.
    pub(crate) fn of(self, pieces: &[Piece], location: &Location) -> String {
        let groups = groups(pieces);
        let lists: Vec<String> = groups.iter().map(|group| group.list(location)).collect();
        self.over(&groups, &lists)
    }

    /// The table over groups of objects, each listed by an SQL expression. Objects with exactly
    /// this program's columns are opened only when they are read. In objects of other versions
    /// DuckDB looks the columns up.
    pub(crate) fn over(self, groups: &[ReadGroup], lists: &[String]) -> String {
        let names = self.column_list();
        let columns = self.columns();
        let typed = columns
            .iter()
            .map(|column| format!("NULL::{} AS {}", column.kind.sql(), Ident(column.name)));
        let empty = format!("SELECT {} WHERE false", joined(typed, ", "));
        let select = |(group, list): (&ReadGroup, &String)| {
            let rows = if group.current {
                format!("read_parquet({list}, hive_partitioning = false)")
            } else {
                // The empty table gives its columns to objects that lack them.
                format!(
                    "({empty} UNION ALL BY NAME SELECT * FROM \
                     read_parquet({list}, union_by_name = true, hive_partitioning = false))"
                )
            };
            format!("SELECT {names} FROM {rows}")
        };
        let mut selects: Vec<String> = groups.iter().zip(lists).map(select).collect();
        if selects.is_empty() {
            selects.push(empty);
        }
        format!("({})", selects.join(" UNION ALL "))
    }
}
