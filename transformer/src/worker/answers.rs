//! What the lake answered: positions, commits, and what stops a partition.

use std::collections::BTreeSet;

use sink::{Knowledge, Outcome};
use tokio::time::Instant;
use topic::Partition;

use super::{Assignment, PULSE_EVERY, RETRY_EVERY, TaskResult, Worker};
use crate::Error;
use crate::partition::Active;
use crate::resume::{ResumePoint, ResumePoints};
use crate::status::CommitCosts;
use crate::window::DuplicateWindow;

impl Worker {
    /// Takes a task's result; an aborted task has none.
    pub(super) fn step(&mut self, step: Option<TaskResult>) -> Result<(), Error> {
        match step {
            Some(TaskResult::Resumed {
                partitions,
                epoch,
                positions,
            }) => self.positioned(partitions, epoch, positions),
            Some(TaskResult::Committed {
                partition,
                epoch,
                outcome,
                costs,
            }) => {
                self.committed(partition, epoch, outcome, &costs);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Takes the answer to the question of an epoch, where partitions continue.
    fn positioned(
        &mut self,
        partitions: BTreeSet<Partition>,
        epoch: u64,
        positions: Result<ResumePoints, Error>,
    ) -> Result<(), Error> {
        use sink::Error::{AnotherTopic, Unfit};
        match positions {
            Ok(positions) => positions
                .into_iter()
                .try_for_each(|(partition, position)| self.resumed(partition, epoch, position)),
            Err(error @ Error::Lake(AnotherTopic { .. } | Unfit(_))) => Err(error),
            Err(error) => {
                for partition in partitions {
                    if self.is_resuming(partition, epoch) {
                        self.stop(partition, &error);
                    }
                }
                Ok(())
            }
        }
    }

    fn is_resuming(&self, partition: Partition, epoch: u64) -> bool {
        matches!(self.partitions.get(&partition), Some(Assignment::Resuming(at)) if *at == epoch)
    }

    fn resumed(
        &mut self,
        partition: Partition,
        epoch: u64,
        position: Result<ResumePoint, Error>,
    ) -> Result<(), Error> {
        if !self.is_resuming(partition, epoch) {
            return Ok(());
        }
        let position = match position {
            Ok(position) => position,
            Err(error) => {
                self.stop(partition, &error);
                return Ok(());
            }
        };
        tracing::debug!(%partition, next = %position.next, from = %position.from, "resumes");
        let window = DuplicateWindow::new(self.config.window, self.config.window_records);
        let (next, from) = (position.next, position.from);
        let active = Box::new(Active::new(partition, position, window));
        self.partitions
            .insert(partition, Assignment::Active { epoch, active });
        self.status.committed(partition, next);
        self.reader.report(partition, next);
        if let Err(error) = self.reader.seek(partition, from) {
            self.stop(partition, &error.into());
        }
        if self.paused
            && let Err(error) = self.reader.pause(partition)
        {
            tracing::debug!(%partition, "{error}");
        }
        Ok(())
    }

    fn committed(
        &mut self,
        partition: Partition,
        epoch: u64,
        outcome: Result<Outcome, sink::Error>,
        costs: &CommitCosts,
    ) {
        let Some(Assignment::Active { epoch: at, active }) = self.partitions.get_mut(&partition)
        else {
            return;
        };
        if *at != epoch {
            return;
        }
        active.committing = None;
        match outcome {
            Ok(Outcome::Committed(footer)) => {
                active.known = Knowledge {
                    entries: footer.ledger,
                    previous: Some(footer.first),
                };
                tracing::debug!(%partition, first = %footer.first, end = %footer.end, "committed");
                self.reader.report(partition, footer.end);
                self.status.lands(&footer, costs);
            }
            Ok(Outcome::AlreadyCommitted(there)) => {
                tracing::info!(%partition, end = %there.end, "already committed by another");
                self.resume_after(*there);
            }
            Ok(Outcome::GivenUp) => {
                tracing::info!(%partition, "the ledger has given something up");
                self.resume(BTreeSet::from([partition]));
            }
            Err(sink::Error::Unavailable(why)) => {
                tracing::error!(%partition, "starting again from the lake's tips: {why}");
                self.resume(BTreeSet::from([partition]));
            }
            Err(error) => self.stop(partition, &error.into()),
        }
    }

    /// The partition goes no further until the lake and the topic agree again; nothing is
    /// skipped meanwhile. What passes by itself is asked again soon.
    pub(super) fn stop(&mut self, partition: Partition, error: &Error) {
        self.drop_work(partition);
        let (why, soon) = (error.to_string(), error.passes());
        let known = self
            .status
            .partitions()
            .get(&partition)
            .and_then(|status| status.stopped.as_ref().map(|stopped| stopped.why.clone()));
        if soon {
            tracing::warn!(%partition, "waits: {why}");
        } else if known.as_ref() != Some(&why) {
            tracing::error!(%partition, "stopped: {why}");
        }
        self.status.stopped(partition, error.kind(), why);
        let wait = if soon { PULSE_EVERY } else { RETRY_EVERY };
        self.partitions
            .insert(partition, Assignment::Stopped(Instant::now() + wait));
    }
}
