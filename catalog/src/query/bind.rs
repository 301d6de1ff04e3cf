//! Binds what a statement names: views over the lake's objects and the external tables, which the
//! query database reads itself, and over the tables that the catalog's database exports. All lists
//! and all exports come from one snapshot of the catalog.

use std::sync::Arc;

use sink::Location;

use crate::config::{Config, External};
use crate::db::columns::{received, tables};
use crate::db::engine::{Engine, Session};
use crate::db::table_function::{ExportGuard, Exports, exported};
use crate::error::{Error, sentence};
use crate::external::source::select;
use crate::names::{CATALOG_TABLES, CATALOG_VIEWS, DEAD_LETTERS, LIVE_VIEWS, TAIL};
use crate::query::lake::bind_lake;
use crate::query::live::bind_live;
use crate::query::snapshot::{Snapshot, SnapshotTable, view_definitions};
use crate::query::views::{QueryViews, create_view, show};
use crate::registry::listing::registered_ends;
use crate::tail::snapshot::TailSnapshot;

/// What the query database reads from.
pub(crate) struct QueryScope {
    pub(crate) catalog: Arc<Engine>,
    pub(crate) config: Arc<Config>,
    pub(crate) location: Location,
}

/// A bound statement. The exports that it names end when this is dropped.
pub(crate) struct Bound {
    _exports: ExportGuard,
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
    live: bool,
    lake: bool,
}

impl Names {
    fn of(sql: &str) -> Self {
        let text = sql.to_lowercase();
        let names = |names: &[&str]| names.iter().any(|name| text.contains(name));
        let listing = names(&["show", "describe", "duckdb_", "information_schema"]);
        let live_views = names(&LIVE_VIEWS);
        let live = listing || live_views || names(&[TAIL]);
        Self {
            listing,
            any_table: listing || names(&CATALOG_VIEWS),
            live_views,
            live,
            lake: live || names(&["click", DEAD_LETTERS]),
            text,
        }
    }

    fn table(&self, name: &str) -> bool {
        self.any_table || self.text.contains(name)
    }
}

/// Makes the views that `sql` names show the snapshot, and the tail's rows after it, for
/// statements that this thread binds. Binding opens files, so only what is named is bound.
///
/// # Errors
/// The databases', and [`Error::Invalid`] for an external table that cannot be read.
pub(crate) fn bind(
    session: &mut Session<QueryViews>,
    scope: &QueryScope,
    snapshot: &Snapshot,
    tail: &TailSnapshot,
    sql: &str,
) -> Result<Bound, Error> {
    let names = Names::of(sql);
    let mut exports = Exports::new();
    let mut selects = export_tables(&mut exports, scope, snapshot, &names)?;
    // Of the external tables, copies are among the exported ones.
    let externals = scope.config.externals.iter();
    let files: Vec<&External> = externals
        .filter(|external| !exports.contains_key(&external.name))
        .collect();
    let (mut statuses, mut note) = (Vec::new(), None);
    if names.live {
        let ends = registered_ends(&snapshot.lock())?;
        statuses = tail.statuses(&ends);
        note = tail.note(&ends).filter(|_| names.live_views);
        exports.insert(TAIL.to_owned(), Arc::new(tail.after(&ends)));
    }
    let exports = ExportGuard::new(exports);
    if names.any_table {
        selects.extend(view_definitions(&snapshot.lock())?);
    }
    for (name, select) in &selects {
        show(session, name, select)?;
    }
    if names.lake {
        bind_lake(session, &snapshot.lock(), &scope.location)?;
    }
    if names.live {
        bind_live(session, &statuses)?;
    }
    bind_externals(session, snapshot, &files, &names)?;
    Ok(Bound {
        _exports: exports,
        note,
    })
}

/// Exports the catalog's tables that are named, and returns the views over them.
fn export_tables(
    exports: &mut Exports,
    scope: &QueryScope,
    snapshot: &Snapshot,
    names: &Names,
) -> Result<Vec<(String, String)>, Error> {
    let datasets = scope.config.datasets.iter().map(|one| one.name.as_str());
    let externals = scope.config.externals.iter().map(|one| one.name.as_str());
    let mut known = CATALOG_TABLES.into_iter().chain(datasets).chain(externals);
    if !known.any(|name| names.table(name)) {
        return Ok(Vec::new());
    }
    let tables = tables(&snapshot.lock(), |name| names.table(name))?;
    let mut selects = Vec::new();
    for table in tables {
        let name = table.name.clone();
        selects.push((name.clone(), received(&exported(&name), &table.columns)));
        let snapshot = Arc::clone(snapshot);
        exports.insert(name, Arc::new(SnapshotTable { snapshot, table }));
    }
    Ok(selects)
}

/// Makes the views of the external tables that are named; for a statement that asks for a list,
/// those of all that can be read.
fn bind_externals(
    session: &mut Session<QueryViews>,
    snapshot: &Snapshot,
    externals: &[&External],
    names: &Names,
) -> Result<(), Error> {
    for external in externals {
        let name = &external.name;
        let named = names.text.contains(name);
        // What has no copy cannot be read.
        if !named && (!names.listing || external.is_copied()) {
            continue;
        }
        let select = select(external, &snapshot.lock())?;
        if !named {
            // A failing statement ends its transaction, so this tries it outside.
            let spare = session.connection.try_clone()?;
            if spare.execute_batch(&create_view(name, &select)).is_err() {
                continue;
            }
        }
        show(session, name, &select).map_err(|error| {
            let why = sentence(&error);
            Error::Invalid(format!("external table {name}: {why}"))
        })?;
    }
    Ok(())
}
