//! The replays, followed: each is crawled until all that it will ever hold is registered, and
//! what the ledger promotes is shown once both sides have reached its end.

use sink::{Ledger, ReplayName};

use crate::engine::Mode;
use crate::marks::{Followed, Marks};
use crate::open::{Inner, PATIENCE};
use crate::{Error, promotions, register};

impl Inner {
    /// Registers what the replays committed since the last run, and shows the promotions that
    /// can be shown. Whether those have changed.
    pub(crate) async fn follow(&self, marks: &mut Marks, ledger: &Ledger) -> Result<bool, Error> {
        for name in self.lake.replays().await? {
            if !marks.replays.contains_key(&name) {
                let Some(begun) = self.begun(&name, ledger).await? else {
                    continue;
                };
                marks.replays.insert(name.clone(), begun);
            }
            if let Some(followed) = marks.replays.get_mut(&name)
                && !followed.is_whole()
            {
                self.register_replay(&name, followed).await?;
            }
        }
        let promoted = marks.reached(ledger);
        if promoted == marks.promotions {
            return Ok(false);
        }
        let (wanted, location) = (promoted.clone(), self.lake.location().clone());
        let fold = move |session: &mut _| promotions::fold(session, &wanted, &location);
        self.engine.run(Mode::Write, PATIENCE, fold).await?;
        marks.promotions = promoted;
        Ok(true)
    }

    /// What is known of a replay; none while it has no ledger, or that of another topic.
    async fn begun(&self, name: &ReplayName, live: &Ledger) -> Result<Option<Followed>, Error> {
        let lake = self.lake.replay(name);
        let Some(ledger) = lake.ledger().await? else {
            return Ok(None);
        };
        if ledger.topic != live.topic {
            tracing::debug!(replay = %name, "it is of topic {}, and left out", ledger.topic);
            return Ok(None);
        }
        let (listed, known) = (name.clone(), ledger.clone());
        let list = move |session: &mut _| {
            register::insert_replay(session, &listed, &known)?;
            register::load(session, Some(&listed))
        };
        let marks = self.engine.run(Mode::Write, PATIENCE, list).await?;
        Ok(Some(Followed {
            lake,
            ledger,
            marks,
        }))
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
        self.discover(lake, marks, ledger, true).await?;
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
            run: None,
        };
        let register = move |session: &mut _| register::register(session, &batch);
        self.engine.run(Mode::Write, PATIENCE, register).await?;
        for seen in &chained {
            marks.register(seen);
        }
        Ok(())
    }
}
