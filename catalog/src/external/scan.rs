//! A tree's table as SQL.

use std::collections::{BTreeMap, BTreeSet};

use duckdb::Connection;

use crate::config::External;
use crate::db::engine::Session;
use crate::error::Error;
use crate::external::cells::typed;
use crate::external::fit::{FileColumn, TableColumn, is_same};
use crate::external::folder::{FolderValue, folder_values};
use crate::external::misfit::MisfitCount;
use crate::external::objects::{SoundFile, parsed, sound_files, table};
use crate::sql::{Ident, Literal, failing, file, joined, list};

/// Files that one statement reads: with the same columns, and below folders with the same keys.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct FileGroup {
    /// Their own columns and types.
    columns: Vec<(String, String)>,
    /// True if DuckDB reads the values of the folders from the paths.
    plain: bool,
    /// The folders' keys, and the values where DuckDB does not read them.
    folders: Vec<FolderValue>,
}

/// SQL that reads Parquet files. If `folders`, it has the columns that their folders give, as
/// text, which replace the files' own of the same names.
pub(super) fn scan(paths: &[String], folders: bool) -> String {
    let options = match folders {
        true => "hive_partitioning = true, hive_types_autocast = false",
        false => "hive_partitioning = false",
    };
    let paths = list(paths.iter().map(|path| file(path)));
    format!("read_parquet({paths}, {options})")
}

/// SQL of a tree's table. Files with the same columns are read together; a column that they lack
/// is NULL. Without files it is empty.
pub(super) fn select(session: &Session, external: &External) -> Result<String, Error> {
    let name = &external.name;
    let connection = &session.connection;
    let table = table(connection, name)?;
    if let Some(refused) = table.refused {
        return Ok(failing(&format!("external table {name}: {refused}")));
    }
    let sound = sound_files(connection, name)?;
    let groups = groups(sound)?;
    let objects = "SELECT count(*) FROM external_objects WHERE name = ? AND NOT left_out";
    let objects: u64 = connection.query_row(objects, [name], |row| row.get(0))?;
    if table.columns.is_empty() || (groups.is_empty() && objects > 0) {
        return Ok(failing(&format!(
            "external table {name} shows no object: see external_runs"
        )));
    }
    if groups.is_empty() {
        let typed = table.columns.iter();
        let typed = typed.map(|one| {
            let kind = said(external, &one.name).unwrap_or_else(|| one.kind.clone());
            format!("NULL::{kind} AS {}", Ident(&one.name))
        });
        return Ok(format!("SELECT {} WHERE false", joined(typed, ", ")));
    }
    let selects = groups.iter().map(|(group, paths)| {
        let listed = table.columns.iter().map(|column| {
            let said = said(external, &column.name);
            group.value(column, said)
        });
        let listed = joined(listed, ", ");
        format!("SELECT {listed} FROM {}", scan(paths, group.plain))
    });
    Ok(joined(selects, " UNION ALL "))
}

fn groups(files: Vec<SoundFile>) -> Result<BTreeMap<FileGroup, Vec<String>>, Error> {
    let mut groups: BTreeMap<FileGroup, Vec<String>> = BTreeMap::new();
    let mut declared: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for (path, json, reason) in files {
        if reason.is_some() {
            continue;
        }
        if !declared.contains_key(&json) {
            let columns = parsed::<FileColumn>(&json)?.into_iter();
            let columns = columns.map(|column| (column.name, column.kind.declared().to_string()));
            declared.insert(json.clone(), columns.collect());
        }
        let mut folders = folder_values(&path);
        let plain = folders.iter().all(|one| one.plain);
        if plain {
            folders.iter_mut().for_each(|one| one.value = None);
        }
        let group = FileGroup {
            columns: declared[&json].clone(),
            plain,
            folders,
        };
        groups.entry(group).or_default().push(path);
    }
    Ok(groups)
}

impl FileGroup {
    /// SQL of a column's values, in the type that the configuration says, if it does.
    fn value(&self, column: &TableColumn, said: Option<String>) -> String {
        let TableColumn { name, kind, folder } = column;
        let of_folder = self.folders.iter().find(|one| is_same(&one.key, name));
        let own = self.columns.iter().find(|(own, _)| is_same(own, name));
        let value = match (of_folder, own) {
            (Some(one), _) if *folder && self.plain => format!("{}::{kind}", Ident(&one.key)),
            (Some(one), _) if *folder => match &one.value {
                Some(value) => format!("{}::{kind}", Literal(value)),
                None => format!("NULL::{kind}"),
            },
            (_, Some((own, _))) if *folder => format!("TRY_CAST({} AS {kind})", Ident(own)),
            (_, Some((own, theirs))) if theirs == "BLOB" && kind == "VARCHAR" => {
                format!("decode({})", Ident(own))
            }
            (_, Some((own, _))) => format!("{}::{kind}", Ident(own)),
            (_, None) => format!("NULL::{kind}"),
        };
        match said {
            Some(said) => format!("{} AS {}", cast(&value, kind, &said), Ident(name)),
            None => format!("{value} AS {}", Ident(name)),
        }
    }
}

/// SQL of a value of type `kind` as one of the type that the configuration says.
fn cast(value: &str, kind: &str, said: &str) -> String {
    match (kind, said) {
        ("BLOB", "VARCHAR") => format!("TRY(decode({value}))"),
        _ => format!("TRY_CAST({value} AS {said})"),
    }
}

/// How a worker counts what the types that the configuration says do not hold, in the files of these
/// paths; and lines about types of columns that are not there.
pub(super) fn misfits(
    connection: &Connection,
    external: &External,
    paths: &BTreeSet<&str>,
) -> Result<(Vec<MisfitCount>, Vec<String>), Error> {
    let table = table(connection, &external.name)?;
    let mut sound = sound_files(connection, &external.name)?;
    sound.retain(|(path, ..)| paths.contains(path.as_str()));
    let groups = groups(sound)?;
    let (mut counts, mut lines) = (Vec::new(), Vec::new());
    for name in external.types.keys() {
        let column = table.columns.iter().find(|one| is_same(&one.name, name));
        let (Some(column), Some(said)) = (column, said(external, name)) else {
            lines.push(format!(
                "`types` names the column {name}, which no file has"
            ));
            continue;
        };
        let selects = groups.iter().map(|(group, paths)| {
            let value = group.value(column, None);
            format!("SELECT {value} FROM {}", scan(paths, group.plain))
        });
        let selects = joined(selects, " UNION ALL ");
        if selects.is_empty() {
            continue;
        }
        let value = Ident(&column.name).to_string();
        let kept = cast(&value, &column.kind, &said);
        let value = (&*format!("{value}::VARCHAR"), &*kept);
        let rows = format!("({selects})");
        counts.push(MisfitCount::new(&column.name, &said, value, &rows));
    }
    Ok((counts, lines))
}

/// The type that the configuration says of a column.
fn said(external: &External, name: &str) -> Option<String> {
    let (_, kind) = external
        .types
        .iter()
        .find(|(known, _)| is_same(known, name))?;
    typed(kind).ok()
}
