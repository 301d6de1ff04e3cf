//! The lake's two tables as SQL: over explicit lists of objects, and the same columns
//! whatever the objects hold.

use sink::{COLUMNS, Location, Type};

use crate::Error;
use crate::engine::Session;
use crate::remote::quoted;

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
            Self::Clicks => "clicks",
            Self::Letters => "dead_letters",
        }
    }

    fn columns(self) -> Vec<(&'static str, &'static str)> {
        match self {
            Self::Clicks => COLUMNS
                .iter()
                .map(|column| (column.name, column.kind.sql()))
                .collect(),
            Self::Letters => LETTERS.to_vec(),
        }
    }

    /// The table over the objects that the SQL expression `list` gives; empty, with its
    /// types, where there is none.
    pub(crate) fn over(self, list: Option<&str>) -> String {
        let columns = self.columns();
        let typed: Vec<String> = columns
            .iter()
            .map(|(name, kind)| format!(r#"NULL::{kind} AS "{name}""#))
            .collect();
        let empty = format!("SELECT {} WHERE false", typed.join(", "));
        let Some(list) = list else {
            return format!("({empty})");
        };
        // The empty table lends its columns to objects that lack them.
        let names: Vec<String> = columns
            .iter()
            .map(|(name, _)| format!(r#""{name}""#))
            .collect();
        format!(
            "(SELECT {} FROM ({empty} UNION ALL BY NAME SELECT * FROM \
             read_parquet({list}, union_by_name = true, hive_partitioning = false)))",
            names.join(", ")
        )
    }
}

/// Absolute names of the lake's paths, as a list in SQL. What a pattern could mean is
/// written so that it means itself.
pub(crate) fn list<'p>(location: &Location, paths: impl IntoIterator<Item = &'p str>) -> String {
    let quote = |path: &str| {
        let absolute = location.absolute(path);
        let mut plain = String::with_capacity(absolute.len());
        for letter in absolute.chars() {
            match letter {
                '*' | '?' | '[' => plain.extend(['[', letter, ']']),
                letter => plain.push(letter),
            }
        }
        quoted(&plain)
    };
    let quoted: Vec<String> = paths.into_iter().map(quote).collect();
    format!("[{}]", quoted.join(", "))
}

impl Session {
    /// Makes `clicks` and `dead_letters` of this connection show the snapshot's objects.
    pub(crate) fn bind_views(&mut self, location: &Location) -> Result<(), Error> {
        let revision: u64 = self
            .connection
            .query_row("SELECT revision FROM meta", [], |row| row.get(0))?;
        if self.revision == Some(revision) {
            return Ok(());
        }
        let clicks =
            self.paths(r#"SELECT path FROM objects WHERE "rows" > 0 ORDER BY partition, "first""#)?;
        let letters = self.paths(
            r#"SELECT letters FROM objects WHERE letters IS NOT NULL ORDER BY partition, "first""#,
        )?;
        let viewed = self.viewed;
        self.viewed = (
            self.bind_view(Table::Clicks, &clicks, viewed.0, location)?,
            self.bind_view(Table::Letters, &letters, viewed.1, location)?,
        );
        self.revision = Some(revision);
        Ok(())
    }

    /// A view names its objects through a macro, so that it is bound once (which opens every
    /// object) when it is read, and not also when it is made.
    fn bind_view(
        &self,
        table: Table,
        paths: &[String],
        viewed: bool,
        location: &Location,
    ) -> Result<bool, Error> {
        let name = table.name();
        let objects = |paths: &[String]| {
            let list = list(location, paths.iter().map(String::as_str));
            format!("CREATE OR REPLACE TEMP MACRO {name}_objects() AS {list};")
        };
        let call = format!("{name}_objects()");
        let view = |list| {
            format!(
                "CREATE OR REPLACE TEMP VIEW {name} AS FROM {};",
                table.over(list)
            )
        };
        let sql = match paths {
            [] => view(None),
            _ if viewed => objects(paths),
            [first, ..] => {
                format!(
                    "{}{}{}",
                    objects(std::slice::from_ref(first)),
                    view(Some(&call)),
                    objects(paths)
                )
            }
        };
        self.connection.execute_batch(&sql)?;
        Ok(!paths.is_empty())
    }

    /// A column of text.
    pub(crate) fn paths(&self, sql: &str) -> Result<Vec<String>, Error> {
        let mut statement = self.connection.prepare(sql)?;
        let rows = statement.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invariant_7_a_list_means_what_it_says() {
        let folder = Location::Folder("/a [b]/it's*".into());
        assert_eq!(
            list(&folder, ["x?.parquet"]),
            "['/a [[]b]/it''s[*]/x[?].parquet']"
        );
    }
}
