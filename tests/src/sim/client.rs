//! The topic as one process of the simulation sees it.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use topic::{
    AppendError, Identity, Offset, Partition, ReadError, Reader, Record, Timestamp, Topic,
    Watermarks, Writer,
};

use super::brokers::Brokers;
use super::member::Member;
use super::pipe::{Pen, Pipe};
use super::{Bug, Fault, Link, Process};

/// The topic as one process sees it.
pub struct Client {
    brokers: Arc<Brokers>,
    process: Arc<Process>,
    pipe: Arc<Pipe>,
    bug: Option<Bug>,
}

impl Client {
    /// Connects a process to the brokers, perhaps with a planted bug.
    #[must_use]
    pub fn new(brokers: &Arc<Brokers>, process: &Arc<Process>, bug: Option<Bug>) -> Arc<Self> {
        Arc::new(Self {
            brokers: brokers.clone(),
            process: process.clone(),
            pipe: Pipe::lay(brokers, process),
            bug,
        })
    }

    async fn request(&self) -> Result<(), ReadError> {
        self.process.pass().await;
        let cut = self.process.is_cut(Link::Topic).await;
        if cut || self.brokers.dice.strikes(Fault::ReadFailed, 10) {
            return Err(ReadError::Unavailable("the request timed out".into()));
        }
        Ok(())
    }
}

#[async_trait]
impl Topic for Client {
    fn identity(&self) -> &Identity {
        &self.brokers.identity
    }

    async fn watermarks(&self) -> Result<BTreeMap<Partition, Watermarks>, ReadError> {
        self.request().await?;
        let mut marks = self.brokers.marks();
        if self.brokers.dice.strikes(Fault::MarksStale, 10) {
            for marks in marks.values_mut() {
                let back = self.brokers.dice.number(0..20);
                marks.high = marks.low.max(Offset(marks.high.0.saturating_sub(back)));
            }
        }
        self.process.pass().await;
        Ok(marks)
    }

    async fn offset_at(&self, partition: Partition, time: Timestamp) -> Result<Offset, ReadError> {
        self.request().await?;
        Ok(self.brokers.offset_at(partition, time))
    }

    async fn fetch(
        &self,
        partition: Partition,
        from: Offset,
        limit: usize,
    ) -> Result<Vec<Record>, ReadError> {
        self.request().await?;
        Ok(self.brokers.read(partition, from, limit))
    }

    fn writer(&self) -> Result<Arc<dyn Writer>, AppendError> {
        Ok(Arc::new(Pen::new(&self.pipe)))
    }

    fn reader(&self, group: &str) -> Result<Box<dyn Reader>, ReadError> {
        let member = Member::join(&self.brokers, &self.process, group, self.bug);
        Ok(Box::new(member))
    }
}
