//! Asking to be erased: the entry in the ledger of the lake, and in that of each replay.

use crate::{Entry, Error, Forget, Forgetting, Lake};

impl Lake {
    /// Writes a request into the ledger, unless it is there already.
    ///
    /// # Errors
    /// [`Error::Refused`] if the lake has no ledger yet, else the store's.
    pub async fn forget(&self, forget: &Forget) -> Result<Forgetting, Error> {
        loop {
            let Some(ledger) = self.ledger().await? else {
                return Err(Error::Refused(
                    "the lake is empty: there is nothing to erase".to_owned(),
                ));
            };
            if let Some(asked) = ledger.forgetting(forget.id) {
                return Ok(asked.clone());
            }
            let (number, entry) = (ledger.next, Entry::Forget(forget.clone()));
            if self.write_entry(number, &entry).await? {
                let (forget, erased) = (forget.clone(), None);
                return Ok(Forgetting {
                    forget,
                    number,
                    erased,
                });
            }
        }
    }

    /// Writes a request of this, the live lake, into the ledger of each replay. One that is begun
    /// later reads the live lake's ledger once its own is there, so none is missed.
    ///
    /// # Errors
    /// The store's.
    pub async fn forget_in_replays(&self, forget: &Forget) -> Result<(), Error> {
        for name in self.replays().await? {
            let replay = self.replay(&name);
            if replay.ledger().await?.is_some() {
                replay.forget(forget).await?;
            }
        }
        Ok(())
    }
}
