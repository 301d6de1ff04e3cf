//! The replays: each is crawled until all its ranges are registered.

use sink::{Ledger, ReplayName};

use crate::db::engine::Session;
use crate::error::Error;
use crate::registry::load::load;
use crate::registry::register::{Registration, delete_replay, insert_replay, register};
use crate::registry::state::{CrawlState, ReplayState};
use crate::registry::writer::RegistryWriter;

impl RegistryWriter {
    /// Registers what the replays committed since the last run. If it may have `changed`, what is
    /// known is looked at again: a replay may have been deleted and begun anew, and what was erased
    /// from the live lake is erased from the replays.
    pub(crate) async fn follow_replays(
        &self,
        state: &mut CrawlState,
        ledger: &Ledger,
        changed: bool,
    ) -> Result<(), Error> {
        let present = self.lake.replays().await?;
        let gone = |name: &&ReplayName| !present.contains(name);
        let gone: Vec<ReplayName> = state.listed.keys().filter(gone).cloned().collect();
        for name in gone {
            self.forget_replay(&name, state).await?;
        }
        for name in present {
            if changed || !state.replays.contains_key(&name) {
                self.begin_replay(&name, state, ledger).await?;
            }
            let Some(replay) = state.replays.get_mut(&name) else {
                continue;
            };
            if changed && let Some(ledger) = replay.lake.follow(replay.ledger.clone()).await? {
                replay.ledger = ledger;
            }
            let ReplayState {
                lake,
                ledger,
                state,
            } = replay;
            self.show_swaps(Some(&name), lake, state, ledger).await?;
            if !replay.is_whole() {
                self.register_replay(&name, replay).await?;
            }
        }
        Ok(())
    }

    /// Begins to follow a replay that has a ledger of this topic. A replay that was begun anew
    /// since it was listed is forgotten first.
    async fn begin_replay(
        &self,
        name: &ReplayName,
        state: &mut CrawlState,
        live: &Ledger,
    ) -> Result<(), Error> {
        let lake = self.lake.replay(name);
        let Some(ledger) = lake.ledger().await? else {
            // A deletion that was interrupted leaves files without a ledger.
            return match state.listed.contains_key(name) {
                true => self.forget_replay(name, state).await,
                false => Ok(()),
            };
        };
        let (true, Some(replay)) = (ledger.topic == live.topic, &ledger.replay) else {
            tracing::debug!(replay = %name, topic = %ledger.topic, "it belongs to another topic, and is left out");
            return Ok(());
        };
        let begun_at = replay.begun_at;
        match state.listed.get(name) {
            Some(known) if *known != begun_at => self.forget_replay(name, state).await?,
            Some(_) if state.replays.contains_key(name) => return Ok(()),
            _ => {}
        }
        let (listed, known) = (name.clone(), ledger.clone());
        let list = move |session: &mut Session| {
            insert_replay(session, &listed, &known)?;
            load(session, Some(&listed))
        };
        let replay = ReplayState {
            state: self.write(list).await?,
            lake,
            ledger,
        };
        state.listed.insert(name.clone(), begun_at);
        state.replays.insert(name.clone(), replay);
        Ok(())
    }

    /// Takes a replay out of the tables.
    async fn forget_replay(&self, name: &ReplayName, state: &mut CrawlState) -> Result<(), Error> {
        tracing::info!(replay = %name, "its folder was deleted, and so is its table");
        state.replays.remove(name);
        state.listed.remove(name);
        let name = name.clone();
        self.write(move |session| delete_replay(session, &name))
            .await
    }

    async fn register_replay(
        &self,
        name: &ReplayName,
        replay: &mut ReplayState,
    ) -> Result<(), Error> {
        let ReplayState {
            lake,
            ledger,
            state,
        } = replay;
        state.discover(lake, ledger, true).await?;
        let chain = state.chain(ledger);
        if chain.is_empty() {
            return Ok(());
        }
        let registration = Registration {
            replay: Some(name.clone()),
            ledger: ledger.clone(),
            objects: chain.clone(),
            moved: Vec::new(),
            location: lake.location().clone(),
            fold_rows: self.fold_rows,
            run: None,
        };
        self.write(move |session| register(session, &registration))
            .await?;
        for object in &chain {
            state.register(&object.name, &object.footer);
        }
        Ok(())
    }
}
