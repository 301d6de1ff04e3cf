//! The probe: a store that lets two creates of one name win cannot carry a lake.

use futures::future::try_join_all;
use object_store::ObjectStoreExt;
use object_store::path::Path;

use crate::{Error, Lake};

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
        let rounds = (0..ROUNDS).map(|round| self.round(format!("_probe/{nonce}-{round}")));
        try_join_all(rounds).await?;
        Ok(())
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
            if self.read_if_there(path).await?.is_some() {
                return Ok(false);
            }
        }
        Ok(false)
    }
}
