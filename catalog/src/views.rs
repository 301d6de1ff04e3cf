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

    /// The table over the objects that two SQL expressions list: those with exactly this
    /// program's columns, which are opened as they are read, and those of other versions,
    /// whose columns are looked up in each. Empty, with its types, where there is neither.
    pub(crate) fn over(self, current: Option<&str>, others: Option<&str>) -> String {
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
        let mut parts = Vec::new();
        if let Some(list) = current {
            parts.push(format!(
                "SELECT {names} FROM read_parquet({list}, hive_partitioning = false)"
            ));
        }
        if let Some(list) = others {
            // The empty table lends its columns to objects that lack them.
            parts.push(format!(
                "SELECT {names} FROM ({empty} UNION ALL BY NAME SELECT * FROM \
                 read_parquet({list}, union_by_name = true, hive_partitioning = false))"
            ));
        }
        if parts.is_empty() {
            parts.push(empty);
        }
        format!("({})", parts.join(" UNION ALL "))
    }
}

/// Paths of click objects, apart by whether their columns are this program's.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    current: Vec<String>,
    others: Vec<String>,
}

impl Lists {
    pub(crate) fn of(objects: impl IntoIterator<Item = (String, bool)>) -> Self {
        let mut lists = Self::default();
        for (path, current) in objects {
            if current {
                &mut lists.current
            } else {
                &mut lists.others
            }
            .push(path);
        }
        lists
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.current.is_empty() && self.others.is_empty()
    }

    /// The clicks of the listed objects, as an SQL table.
    pub(crate) fn table(&self, location: &Location) -> String {
        let list = |paths: &[String]| (!paths.is_empty()).then(|| list(location, paths));
        let (current, others) = (list(&self.current), list(&self.others));
        Table::Clicks.over(current.as_deref(), others.as_deref())
    }
}

/// The macros through which a view names its objects, and the view. So a view is bound when
/// it is read, and a longer list needs no new view.
pub(crate) struct View<'p> {
    table: Table,
    lists: [(&'static str, &'p [String]); 2],
}

impl<'p> View<'p> {
    pub(crate) fn clicks(lists: &'p Lists) -> Self {
        let lists = [
            ("clicks_objects", &*lists.current),
            ("clicks_older_objects", &*lists.others),
        ];
        Self {
            table: Table::Clicks,
            lists,
        }
    }

    /// Dead letters are few: their columns are looked up in each object.
    pub(crate) fn letters(letters: &'p [String]) -> Self {
        Self {
            table: Table::Letters,
            lists: [("no_objects", &[]), ("dead_letters_objects", letters)],
        }
    }

    /// Which of the lists hold anything: views of one shape have one text.
    pub(crate) fn shape(&self) -> [bool; 2] {
        self.lists.map(|(_, paths)| !paths.is_empty())
    }

    /// SQL that makes the macros list the objects.
    pub(crate) fn objects(&self, temp: &str, location: &Location) -> String {
        let filled = self.lists.iter().filter(|(_, paths)| !paths.is_empty());
        let macros = filled.map(|(name, paths)| {
            format!(
                "CREATE OR REPLACE {temp} MACRO {name}() AS {};",
                list(location, paths)
            )
        });
        macros.collect()
    }

    /// SQL that makes the view. Making it opens one object of each list, which is why the
    /// macros list only that one meanwhile.
    pub(crate) fn create(&self, temp: &str, location: &Location) -> String {
        let first = Self {
            lists: self.lists.map(|(name, paths)| (name, first(paths))),
            ..*self
        };
        let calls = self
            .lists
            .map(|(name, paths)| (!paths.is_empty()).then(|| format!("{name}()")));
        let over = self.table.over(calls[0].as_deref(), calls[1].as_deref());
        let view = format!(
            "CREATE OR REPLACE {temp} VIEW {} AS FROM {over};",
            self.table.name()
        );
        format!("{}{view}", first.objects(temp, location))
    }
}

fn first(paths: &[String]) -> &[String] {
    paths.get(..1).unwrap_or_default()
}

/// Absolute names of the lake's paths, as a list in SQL. What a pattern could mean is
/// written so that it means itself.
fn list(location: &Location, paths: &[String]) -> String {
    let quote = |path: &String| {
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
    let quoted: Vec<String> = paths.iter().map(quote).collect();
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
        let clicks = self.lists("true")?;
        let letters = self.paths(
            r#"SELECT letters FROM objects WHERE letters IS NOT NULL ORDER BY partition, "first""#,
        )?;
        let views = [View::clicks(&clicks), View::letters(&letters)];
        let shapes = views.each_ref().map(View::shape);
        for (place, view) in views.iter().enumerate() {
            if self
                .shapes
                .is_none_or(|known| known[place] != shapes[place])
            {
                self.connection
                    .execute_batch(&view.create("TEMP", location))?;
            }
            self.connection
                .execute_batch(&view.objects("TEMP", location))?;
        }
        self.shapes = Some(shapes);
        self.revision = Some(revision);
        Ok(())
    }

    /// The objects with rows for which an SQL condition holds.
    pub(crate) fn lists(&self, condition: &str) -> Result<Lists, Error> {
        let mut statement = self.connection.prepare(&format!(
            r#"SELECT path, current FROM objects WHERE "rows" > 0 AND ({condition})
               ORDER BY partition, "first""#
        ))?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(Lists::of(rows.collect::<Result<Vec<_>, _>>()?))
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
            list(&folder, &["x?.parquet".to_owned()]),
            "['/a [[]b]/it''s[*]/x[?].parquet']"
        );
    }
}
