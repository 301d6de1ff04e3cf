//! What a statement names: views over the lake's objects and the external tables, which the worker
//! reads itself, and over the tables that the catalog's database exports. All lists and all
//! exports come from one snapshot of the catalog.

use std::sync::Arc;

use arrow::error::ArrowError;
use parking_lot::Mutex;
use sink::Location;

use crate::config::{Config, External};
use crate::db::columns::{received, tables};
use crate::db::engine::{Engine, Mode};
use crate::db::table_function::{Exports, exported};
use crate::error::Error;
use crate::external::source::select;
use crate::names::{CATALOG_TABLES, CATALOG_VIEWS, DEAD_LETTERS, LIVE_VIEWS, TAIL};
use crate::query::live::live_views;
use crate::query::snapshot::{Snapshot, SnapshotTable, view_definitions};
use crate::query::worker::talk::SqlTask;
use crate::query::worker::wire::{
    Binding, Export, ExternalView, LakeView, Purpose, Statement, written,
};
use crate::registry::listing::registered_ends;
use crate::tables::view::View;
use crate::tail::snapshot::TailSnapshot;

/// What the query database reads from.
pub(crate) struct QueryScope {
    pub(crate) catalog: Arc<Engine>,
    pub(crate) config: Arc<Config>,
    pub(crate) location: Location,
}

/// A bound statement.
pub(crate) struct Bound {
    pub(crate) task: SqlTask,
    /// What a reader of the answer must know. `None` if there is nothing.
    pub(crate) note: Option<String>,
}

/// What a statement may name, judged by the words in it.
struct Names {
    /// The statement in lowercase.
    text: String,
    /// True if it asks for a list of tables.
    listing: bool,
    /// True if it may name any table of the catalog, since a view of the catalog may.
    any_table: bool,
    live_views: bool,
    /// True if it may name the table that says how far the tail is.
    tail: bool,
    live: bool,
    lake: bool,
}

impl Names {
    fn of(sql: &str) -> Self {
        let text = sql.to_lowercase();
        let names = |names: &[&str]| names.iter().any(|name| text.contains(name));
        let listing = names(&["show", "describe", "duckdb_", "information_schema"]);
        let live_views = names(&LIVE_VIEWS);
        let tail = listing || names(&[TAIL]);
        let live = live_views || tail;
        Self {
            listing,
            any_table: listing || names(&CATALOG_VIEWS),
            live_views,
            tail,
            live,
            lake: live || names(&["click", DEAD_LETTERS]),
            text,
        }
    }

    fn table(&self, name: &str) -> bool {
        self.any_table || self.text.contains(name)
    }

    /// Returns true if it may name a table of the catalog, a data set or an external table.
    fn any_of_tables(&self, config: &Config) -> bool {
        let datasets = config.datasets.iter().map(|one| one.name.as_str());
        let externals = config.externals.iter().map(|one| one.name.as_str());
        let mut known = CATALOG_TABLES.into_iter().chain(datasets).chain(externals);
        known.any(|name| self.table(name))
    }
}

/// Puts together what a worker needs to run `sql`: what it names of the snapshot, and the tail's
/// rows after it. The worker opens files for it, so only what is named is bound. `known` is the
/// catalog's revision whose views the worker has.
///
/// # Errors
/// The catalog's database's.
pub(crate) fn bind(
    scope: &QueryScope,
    tail: &TailSnapshot,
    sql: &str,
    purpose: Purpose,
    known: Option<u64>,
) -> Result<Bound, Error> {
    let names = Names::of(sql);
    let mut task = SqlTask {
        statement: Statement {
            sql: sql.to_owned(),
            purpose,
            names: Binding::default(),
        },
        schemas: Vec::new(),
        exports: Exports::new(),
        revision: None,
    };
    let mut note = None;
    let any_table = names.any_of_tables(&scope.config);
    if any_table || names.lake {
        let snapshot = Arc::new(Mutex::new(scope.catalog.begin(Mode::Read)?));
        if any_table {
            task.statement.names.tables = export_tables(&mut task.exports, &snapshot, &names)?;
        }
        // Of the external tables, copies are among the exported ones.
        let externals = scope.config.externals.iter();
        let files: Vec<&External> = externals
            .filter(|external| !task.exports.contains_key(&external.name))
            .collect();
        if names.live {
            let ends = registered_ends(&snapshot.lock())?;
            note = tail.note(&ends).filter(|_| names.live_views);
            let mut views = live_views(&tail.statuses(&ends));
            // Its SQL is another at each statement, so it is made for those alone that name it.
            views.retain(|(name, _)| name != TAIL || names.tail);
            task.statement.names.live = views;
            let rows = Arc::new(tail.after(&ends));
            task.exports.insert(TAIL.to_owned(), rows);
        }
        if names.lake {
            task.revision = lake_views(&mut task.statement.names, scope, &snapshot, known)?;
        }
        task.statement.names.externals = external_views(&snapshot, &files, &names)?;
        announce(&mut task)?;
    }
    Ok(Bound { task, note })
}

/// Exports the catalog's tables that are named, and returns the views over them.
fn export_tables(
    exports: &mut Exports,
    snapshot: &Snapshot,
    names: &Names,
) -> Result<Vec<(String, String)>, Error> {
    let tables = tables(&snapshot.lock(), |name| names.table(name))?;
    let mut selects = Vec::new();
    for table in tables {
        let name = table.name.clone();
        selects.push((name.clone(), received(&exported(&name), &table.columns)));
        let snapshot = Arc::clone(snapshot);
        exports.insert(name, Arc::new(SnapshotTable { snapshot, table }));
    }
    if names.any_table {
        selects.extend(view_definitions(&snapshot.lock())?);
    }
    Ok(selects)
}

/// Tells the lake's views, unless the worker has those of this revision. Returns the revision.
fn lake_views(
    names: &mut Binding,
    scope: &QueryScope,
    snapshot: &Snapshot,
    known: Option<u64>,
) -> Result<Option<u64>, Error> {
    let catalog = snapshot.lock();
    let revision: u64 = catalog
        .connection
        .query_row("SELECT revision FROM meta", [], |row| row.get(0))?;
    if known == Some(revision) {
        return Ok(None);
    }
    let location = &scope.location;
    let views = View::all(&catalog)?.into_iter().map(|view| LakeView {
        definition: view.definition("TEMP"),
        create: view.create("TEMP", location),
        objects: view.list_objects("TEMP", location),
        unreadable: view.failing_view(),
        name: view.name,
    });
    names.lake = Some(views.collect());
    Ok(Some(revision))
}

/// The views of the external tables that are named; for a statement that asks for a list, those of
/// all.
fn external_views(
    snapshot: &Snapshot,
    externals: &[&External],
    names: &Names,
) -> Result<Vec<ExternalView>, Error> {
    let mut views = Vec::new();
    for external in externals {
        let named = names.text.contains(&external.name);
        // What has no copy cannot be read.
        if named || (names.listing && !external.is_copied()) {
            views.push(ExternalView {
                name: external.name.clone(),
                select: select(external, &snapshot.lock())?,
                named,
            });
        }
    }
    Ok(views)
}

/// Tells the worker which tables it may scan, and their schemas.
fn announce(task: &mut SqlTask) -> Result<(), Error> {
    for (name, table) in &task.exports {
        let schema = written(&table.schema()?, []).map_err(|error: ArrowError| {
            Error::Unavailable(format!("the table {name} cannot be sent: {error}"))
        })?;
        task.statement.names.exports.push(Export {
            name: name.clone(),
            rows: table.rows(),
            schema_bytes: schema.len(),
        });
        task.schemas.extend(schema);
    }
    Ok(())
}
