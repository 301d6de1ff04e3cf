//! The replays, followed: each is crawled until all that it will ever hold is registered, and
//! what the ledger promotes is shown once both sides have reached its end.

use sink::{Ledger, ReplayName};

use crate::catalog::Inner;
use crate::db::engine::{Mode, PATIENCE};
use crate::error::Error;
use crate::registry::load::load;
use crate::registry::state::{Followed, Marks};
use crate::registry::{promotions, register};

impl Inner {
    /// Registers what the replays committed since the last run, and shows the promotions that
    /// can be shown. Whether those have changed, and why others cannot be shown yet. A `full`
    /// run looks at what it knows, too: a replay may have been deleted and begun anew.
    pub(crate) async fn follow(
        &self,
        marks: &mut Marks,
        ledger: &Ledger,
        full: bool,
    ) -> Result<(bool, Option<String>), Error> {
        let there = self.lake.replays().await?;
        let gone = |name: &&ReplayName| !there.contains(name) && !ledger.promoted(name);
        for name in marks
            .listed
            .keys()
            .filter(gone)
            .cloned()
            .collect::<Vec<_>>()
        {
            self.forget(&name, marks).await?;
        }
        for name in there {
            let mut promoted = ledger.promotions.iter().filter(|shown| shown.name == name);
            let followed = marks.replays.get(&name);
            if full || followed.is_none_or(|followed| !promoted.all(|shown| followed.is(shown))) {
                self.begin(&name, marks, ledger).await?;
            }
            if let Some(followed) = marks.replays.get_mut(&name)
                && !followed.is_whole()
            {
                self.register_replay(&name, followed).await?;
            }
        }
        let (promoted, waits) = marks.reached(ledger);
        if promoted == marks.promotions {
            return Ok((false, waits));
        }
        let (wanted, location) = (promoted.clone(), self.lake.location().clone());
        let most = self.config.fold_rows;
        let fold = move |session: &mut _| promotions::fold(session, &wanted, &location, most);
        self.engine.run(Mode::Write, PATIENCE, fold).await?;
        marks.promotions = promoted;
        Ok((true, waits))
    }

    /// Begins to follow a replay that has a ledger, of this topic; one that was begun anew
    /// since it was listed is forgotten first.
    async fn begin(
        &self,
        name: &ReplayName,
        marks: &mut Marks,
        live: &Ledger,
    ) -> Result<(), Error> {
        let lake = self.lake.replay(name);
        let Some(ledger) = lake.ledger().await? else {
            // What is left of a deletion that was interrupted is no replay.
            return match marks.listed.contains_key(name) && !live.promoted(name) {
                true => self.forget(name, marks).await,
                false => Ok(()),
            };
        };
        let (true, Some(replay)) = (ledger.topic == live.topic, &ledger.replay) else {
            tracing::debug!(replay = %name, "it is of topic {}, and left out", ledger.topic);
            return Ok(());
        };
        let begun_at = replay.begun_at;
        match marks.listed.get(name) {
            Some(known) if *known != begun_at => self.forget(name, marks).await?,
            Some(_) if marks.replays.contains_key(name) => return Ok(()),
            _ => {}
        }
        let (listed, known) = (name.clone(), ledger.clone());
        let list = move |session: &mut _| {
            register::insert_replay(session, &listed, &known)?;
            load(session, Some(&listed))
        };
        let known = self.engine.run(Mode::Write, PATIENCE, list).await?;
        let followed = Followed {
            lake,
            ledger,
            marks: known,
        };
        marks.listed.insert(name.clone(), begun_at);
        marks.replays.insert(name.clone(), followed);
        Ok(())
    }

    /// Takes a replay out of the tables.
    async fn forget(&self, name: &ReplayName, marks: &mut Marks) -> Result<(), Error> {
        tracing::info!(replay = %name, "its folder was deleted, and so is its table");
        marks.replays.remove(name);
        marks.listed.remove(name);
        let name = name.clone();
        let forget = move |session: &mut _| register::forget_replay(session, &name);
        self.engine.run(Mode::Write, PATIENCE, forget).await
    }

    async fn register_replay(
        &self,
        name: &ReplayName,
        followed: &mut Followed,
    ) -> Result<(), Error> {
        let Followed {
            lake,
            ledger,
            marks,
        } = followed;
        marks.discover(lake, ledger, true).await?;
        let chained = marks.chain(ledger);
        if chained.is_empty() {
            return Ok(());
        }
        let batch = register::Batch {
            replay: Some(name.clone()),
            ledger: ledger.clone(),
            objects: chained.clone(),
            moved: Vec::new(),
            location: lake.location().clone(),
            most: self.config.fold_rows,
            run: None,
        };
        let register = move |session: &mut _| register::register(session, &batch);
        self.engine.run(Mode::Write, PATIENCE, register).await?;
        for seen in &chained {
            marks.register(&seen.name, &seen.footer);
        }
        Ok(())
    }
}
