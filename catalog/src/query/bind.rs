//! Where people's SQL runs: a DuckDB of its own, in memory, with its own limits, so that no
//! query takes from crawls and panels what they need.
//!
//! It holds nothing. What SQL names there are views: over the lake's objects and the external
//! tables, which it reads itself, and over what the catalog's own database lends it. All lists
//! and all that is lent come from one snapshot of that database.

use std::sync::Arc;

use sink::Location;

use crate::config::{Config, External};
use crate::db::columns::received;
use crate::db::engine::Session;
use crate::db::table_function::{Lending, Lent};
use crate::error::{Error, sentence};
use crate::external::source::select;
use crate::names::{LIVE_VIEWS, OWN_TABLES, OWN_VIEWS, TAIL};
use crate::query::snapshot::{Loan, Snapshot};
use crate::query::views::{Desk, view};
use crate::tail::snapshot::Now;

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
        let live = listing || names(&LIVE_VIEWS) || names(&[TAIL]);
        let mut lent = Lent::new();
        // The catalog's own views may name any of its tables.
        let whole = listing || names(&OWN_VIEWS);
        let wanted = |name: &str| whole || text.contains(name);
        let datasets = config.datasets.iter().map(|one| one.name.as_str());
        let externals = config.externals.iter().map(|one| one.name.as_str());
        let mut known = OWN_TABLES.into_iter().chain(datasets).chain(externals);
        let tables = match known.any(wanted) {
            true => snapshot.lock().tables(wanted)?,
            false => Vec::new(),
        };
        let mut selects = Vec::new();
        for table in tables {
            let name = table.name.clone();
            selects.push((name.clone(), received(&name, &table.columns)));
            let snapshot = Arc::clone(snapshot);
            lent.insert(name, Arc::new(Loan { snapshot, table }));
        }
        // Of the external tables, copies are among those.
        let copied = |one: &&External| lent.contains_key(&one.name);
        let others: Vec<&External> = config.externals.iter().filter(|one| !copied(one)).collect();
        let mut standings = Vec::new();
        let mut note = None;
        if live {
            let ends = snapshot.lock().ends()?;
            standings = now.standings(&ends);
            note = now.note(&ends).filter(|_| names(&LIVE_VIEWS));
            lent.insert(TAIL.to_owned(), Arc::new(now.after(&ends)));
        }
        let lending = Lending::new(lent);
        if whole {
            selects.extend(snapshot.lock().texts()?);
        }
        for (name, select) in &selects {
            self.show(name, select)?;
        }
        if live || names(&["click", "dead_letters"]) {
            self.bind_lake(&snapshot.lock(), location)?;
        }
        if live {
            self.bind_live(&standings)?;
        }
        self.bind_externals(snapshot, &others, &text, listing)?;
        Ok(Laid {
            _lending: lending,
            note,
        })
    }

    /// Makes those of the external tables that `text` names show what they hold now; or, for who
    /// wants a list, all that can be read.
    fn bind_externals(
        &mut self,
        snapshot: &Snapshot,
        all: &[&External],
        text: &str,
        listing: bool,
    ) -> Result<(), Error> {
        for external in all {
            let name = &external.name;
            let meant = text.contains(name);
            if !meant && !listing {
                continue;
            }
            let select = select(external, &snapshot.lock())?;
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
