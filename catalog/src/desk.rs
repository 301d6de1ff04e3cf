//! Where people's SQL runs: a DuckDB of its own, in memory, with its own limits, so that no
//! query takes from crawls and panels what they need.
//!
//! It holds nothing. What SQL names there are views: over the lake's objects and the external
//! tables, which it reads itself, and over what the catalog's own database lends it. All lists
//! and all that is lent come from one snapshot of that database.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::Arc;

use duckdb::Connection;
use sink::Location;

use crate::engine::Session;
use crate::error::sentence;
use crate::lend::{Lend, Lending, Lent};
use crate::live::{TAIL, VIEWS};
use crate::loans::{Loan, Snapshot, named, received};
use crate::remote::Access;
use crate::tail::Now;
use crate::{Config, Error, External, schema};

/// Opens the database.
///
/// # Errors
/// [`Error::Unavailable`].
pub(crate) fn open(config: &Config, access: &Access) -> Result<Connection, Error> {
    let mut spill = OsString::from(&config.path);
    spill.push(".query.tmp");
    let limits = schema::limits(config.query_memory, config.threads)?
        .with("temp_directory", spill.to_string_lossy())?;
    let connection = Connection::open_in_memory_with_flags(limits)?;
    schema::ready(connection, access)
}

/// What the views of one of its connections show.
#[derive(Default)]
pub(crate) struct Desk {
    /// The catalog's revision that the lake's views list; none before the first.
    pub(crate) revision: Option<u64>,
    /// The lake's views, by name: their SQL, and that of the lists they are made over.
    pub(crate) lake: BTreeMap<String, (String, String)>,
    /// The other views, by name: their SQL.
    views: BTreeMap<String, String>,
}

/// What a statement may name, until this is dropped.
pub(crate) struct Laid {
    _lending: Lending,
    /// What is to be known of it.
    pub(crate) note: Option<String>,
}

impl Session<Desk> {
    /// Makes what `sql` may name show the snapshot, and of the tail what lies behind it, on this
    /// thread. Binding opens files, so of those only what is named is bound.
    ///
    /// # Errors
    /// The databases', and [`Error::Invalid`] for an external table that cannot be read.
    pub(crate) fn lay(
        &mut self,
        snapshot: &Snapshot,
        config: &Config,
        location: &Location,
        now: &Now,
        sql: &str,
    ) -> Result<Laid, Error> {
        let text = sql.to_lowercase();
        let names = |names: &[&str]| names.iter().any(|name| text.contains(name));
        let listing = names(&["show", "describe", "duckdb_", "information_schema"]);
        let (tables, texts, ends) = {
            let session = snapshot.lock();
            (session.tables()?, session.texts()?, session.ends()?)
        };
        let mut lent = Lent::new();
        for (name, rows, columns) in &tables {
            let loan = Loan {
                snapshot: Arc::clone(snapshot),
                name: name.clone(),
                columns: columns.clone(),
                rows: *rows,
            };
            lent.insert(name.clone(), Arc::new(loan) as Arc<dyn Lend>);
        }
        let behind = now.after(&ends);
        lent.insert(TAIL.to_owned(), Arc::new(behind));
        let lending = Lending::new(lent);
        for (name, _, columns) in &tables {
            self.show(name, &received(name, columns))?;
        }
        for (name, select) in &texts {
            self.show(name, select)?;
        }
        let live = names(&VIEWS);
        if listing || live || names(&["click", "dead_letters", TAIL]) {
            self.bind_lake(&snapshot.lock(), location)?;
        }
        // Of those, copies are tables of the catalog's.
        let copied = |one: &&External| tables.iter().any(|(name, ..)| *name == one.name);
        let others = config.externals.iter().filter(|one| !copied(one));
        self.bind_externals(snapshot, others, &text, listing)?;
        let mut note = None;
        if listing || live || names(&[TAIL]) {
            self.bind_live(&now.standings(&ends))?;
            note = now.note(&ends).filter(|_| live);
        }
        Ok(Laid {
            _lending: lending,
            note,
        })
    }

    /// Makes a view, unless it is there.
    pub(crate) fn show(&mut self, name: &str, select: &str) -> Result<(), duckdb::Error> {
        let shown = &mut self.kept.views;
        if shown.get(name).is_none_or(|known| known != select) {
            self.connection.execute_batch(&view(name, select))?;
            shown.insert(name.to_owned(), select.to_owned());
        }
        Ok(())
    }

    /// Makes those of the external tables that `text` names show what they hold now; or, for who
    /// wants a list, all that can be read.
    fn bind_externals<'e>(
        &mut self,
        snapshot: &Snapshot,
        all: impl Iterator<Item = &'e External>,
        text: &str,
        listing: bool,
    ) -> Result<(), Error> {
        for external in all {
            let name = &external.name;
            let meant = text.contains(name);
            if !meant && !listing {
                continue;
            }
            let select = external.select(&snapshot.lock())?;
            if !meant {
                // What fails in a transaction ends it.
                let spare = self.connection.try_clone()?;
                if spare.execute_batch(&view(name, &select)).is_err() {
                    continue;
                }
            }
            // Whoever's file cannot be read is told so, in the database's words.
            self.show(name, &select).map_err(|error| {
                let why = sentence(&error);
                Error::Invalid(format!("external table {name}: {why}"))
            })?;
        }
        Ok(())
    }
}

fn view(name: &str, select: &str) -> String {
    format!("CREATE OR REPLACE TEMP VIEW {} AS {select}", named(name))
}
