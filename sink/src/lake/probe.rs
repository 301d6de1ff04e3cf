//! The probe: a store that lets two creates of one name win cannot carry a lake.

use std::future::ready;
use std::time::Duration;

use futures::TryStreamExt;
use futures::future::try_join_all;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use tokio::time::sleep;

use crate::{Error, Lake};

/// The folder of what a probe writes.
const PROBES: &str = "_probe";
/// How often a list is asked for a new object, and how long is waited between: lists may lag.
const LISTS: usize = 20;
const LIST_INTERVAL: Duration = Duration::from_millis(500);
/// How many names are contended at once, and by how many creates each. A create that waits for
/// SeaweedFS's lock of a name waits a whole second and then tries again: eight rivals for each of
/// three names, one after the other, took 3 to 13 s at every start of a worker; two for each of
/// many names take a tenth of a second.
const ROUNDS: usize = 16;
const RIVALS: usize = 2;

impl Lake {
    /// Lets rivals create one name at once, in the lake's own folder, a few times over.
    /// `nonce` keeps two probes apart: workers start together, so each touches only the names
    /// of its own (one that took another's object away would let a second rival win there).
    ///
    /// # Errors
    /// [`Error::Unfit`] if not exactly one of them won, else the store's.
    pub async fn probe(&self, nonce: &str) -> Result<(), Error> {
        let rounds = (0..ROUNDS).map(|round| self.round(format!("{PROBES}/{nonce}-{round}")));
        try_join_all(rounds).await?;
        self.read_back(nonce).await
    }

    /// Writes an object, and finds it under the same name in a list and with the same bytes.
    async fn read_back(&self, nonce: &str) -> Result<(), Error> {
        let folder = Path::from(PROBES);
        let path = folder.clone().join(format!("{nonce}-back"));
        self.replace(path.as_ref(), nonce.to_owned().into()).await?;
        let mut listed = false;
        for _ in 0..LISTS {
            let names = self
                .store()
                .list(Some(&folder))
                .map_ok(|meta| meta.location);
            listed = names.try_any(|name| ready(name == path)).await?;
            if listed {
                break;
            }
            sleep(LIST_INTERVAL).await;
        }
        let read = self.read_if_there(&path, u64::MAX).await?;
        if let Err(error) = self.store().delete(&path).await {
            tracing::debug!(%path, "a probe's object stays: {error}");
        }
        let why = match (read, listed) {
            (Some(read), true) if read == nonce.as_bytes() => return Ok(()),
            (None, _) => "is not there again",
            (Some(_), true) => "has other bytes",
            (Some(_), false) => "is not listed under its name",
        };
        Err(Error::Unfit(format!(
            "what is written to {} {why}: use another store, or a lake.url of letters, digits and \
             `-`, `_`, `.`, `/`",
            self.location()
        )))
    }

    /// Lets rivals create one name.
    async fn round(&self, name: String) -> Result<(), Error> {
        let path = Path::from(name);
        let rivals = (0..RIVALS).map(|rival| self.contend(&path, rival));
        let won = try_join_all(rivals)
            .await?
            .into_iter()
            .filter(|won| *won)
            .count();
        // The probe's own leftovers; a store that keeps them is no worse a lake.
        if let Err(error) = self.store().delete(&path).await {
            tracing::debug!(%path, "a probe's object stays: {error}");
        }
        if won != 1 {
            return Err(Error::Unfit(format!(
                "the store at {} let {won} of {RIVALS} conditional creates of one name win: \
                 it ignores If-None-Match and would double clicks; use another store or a \
                 newer version of it",
                self.location()
            )));
        }
        Ok(())
    }

    /// A create that met a conflict without an object is tried again, as in a commit.
    async fn contend(&self, path: &Path, rival: usize) -> Result<bool, Error> {
        for _ in 0..10 {
            if self.create(path, format!("rival {rival}").into()).await? {
                return Ok(true);
            }
            if self.read_if_there(path, u64::MAX).await?.is_some() {
                return Ok(false);
            }
        }
        Ok(false)
    }
}
