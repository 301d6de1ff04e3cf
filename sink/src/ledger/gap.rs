//! Accepting a loss: what retention deleted before the lake had it.

use topic::{Offset, Partition, Timestamp};

use crate::{Entry, Error, Hour, Lake, ObjectName, Tips};

impl Lake {
    /// Gives up what the topic no longer holds of a partition, from the lake's end to `low`, by an
    /// entry of the ledger. Returns the range; `None` if nothing is lost.
    ///
    /// # Errors
    /// [`Error::Unfit`] if the lake has no origin, or if another process wrote the ledger
    /// meanwhile; else the store's.
    pub async fn accept_gap(
        &self,
        partition: Partition,
        low: Offset,
        accepted_at: Timestamp,
    ) -> Result<Option<(Offset, Offset)>, Error> {
        let ledger = self.ledger().await?.ok_or_else(|| {
            Error::Unfit("the lake has no origin yet, so nothing is lost".to_owned())
        })?;
        let next = ledger.next;
        let of_it = [partition].into();
        let tips = self.tips(ledger.clone(), &of_it).await?;
        let first = self.beyond(&tips, partition, Hour::of(accepted_at)).await?;
        // That took a while: another object may have been committed meanwhile.
        let again = self.tips(ledger, &of_it).await?.resume(partition);
        if again > first {
            return Err(Error::Unfit(format!(
                "partition {partition} has just gone on, to {again}; look, and try again"
            )));
        }
        if low <= first {
            return Ok(None);
        }
        let gap = Entry::Gap {
            partition,
            first,
            end: low,
            accepted_at,
        };
        match self.write_entry(next, &gap).await? {
            true => Ok(Some((first, low))),
            false => Err(Error::Unfit(
                "another process wrote the ledger meanwhile; look, and try again".to_owned(),
            )),
        }
    }

    /// Gives up a range, whose records are lost; again, nothing happens.
    ///
    /// # Errors
    /// [`Error::Unfit`] if the lake has no ledger, else the store's.
    pub(crate) async fn give_up(
        &self,
        partition: Partition,
        (first, end): (Offset, Offset),
        accepted_at: Timestamp,
    ) -> Result<(), Error> {
        let gap = Entry::Gap {
            partition,
            first,
            end,
            accepted_at,
        };
        loop {
            let ledger = self.ledger().await?;
            let ledger = ledger.ok_or_else(|| Error::Unfit("it has no ledger".to_owned()))?;
            if ledger.gives_up(partition, first) || self.write_entry(ledger.next, &gap).await? {
                return Ok(());
            }
        }
    }

    /// Where a partition continues, even if lists lag. The records that would give the next object's
    /// hour are gone, so every hour since the tip's is asked for it.
    async fn beyond(&self, tips: &Tips, partition: Partition, now: Hour) -> Result<Offset, Error> {
        let mut at = tips.resume(partition);
        let Some((_, appended_at)) = tips.last(partition) else {
            return Ok(at);
        };
        let mut hour = Hour::of(appended_at).previous();
        // Clocks differ: the broker's may be in the next hour already.
        while hour <= now.next() {
            let name = ObjectName {
                hour,
                partition,
                first: at,
            };
            match self.footer(&name).await? {
                Some(footer) => {
                    at = tips.past(partition, footer.end);
                    hour = hour.previous();
                }
                None => hour = hour.next(),
            }
        }
        Ok(at)
    }
}
