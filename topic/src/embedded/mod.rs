//! The embedded topic: one folder on one machine, durable, opened by one process.
//!
//! The folder is a fjall database. An append waits a moment for others, is committed
//! together with them by one fsync, and then acknowledged. A partition is kept in segments, each
//! a keyspace of its own; retention drops them whole, and never one that the lake lacks. While a
//! partition is at its bound and nothing of it may be dropped, appends are refused with the
//! reason; as they are while a store that failed is closed and opened again.

mod begin;
mod error;
mod folder;
mod group;
mod handle;
mod layout;
mod memory;
mod placement;
mod reader;
mod retention;
mod segment;
mod store;
mod stored;
mod writer;

#[cfg(test)]
mod crash;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytesize::ByteSize;
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use crate::blocking::blocking;
use crate::{
    AppendError, Config, Identity, Offset, Open, Partition, ReadError, Reader, Record, Timestamp,
    Topic, Watermarks, Writer,
};
use group::Group;
use handle::StoreHandle;
use placement::Placement;
use reader::EmbeddedReader;
use retention::Retention;
use segment::Limits;
use store::StoreSettings;
use writer::Appender;

pub use begin::begin;
pub use folder::has_topic;

/// How many bytes a fetch brings at most, unless a single record is larger.
const FETCH_BYTES: usize = 4 << 20;

/// The embedded topic, open. It closes when it, its writer and its readers are dropped.
pub struct Embedded {
    identity: Identity,
    shared: Arc<StoreHandle>,
    writer: Arc<Appender>,
    groups: Mutex<HashMap<String, Arc<Group>>>,
}

/// Opens the topic in `folder`, or makes it if `with.create` is true.
///
/// # Errors
/// [`ReadError::Unfit`] if there is no topic and none may be made, if the folder
/// holds something else, or if another process has it open;
/// [`ReadError::Unavailable`] if the disk does not answer.
pub async fn open(config: &Config, folder: &Path, with: Open) -> Result<Arc<Embedded>, ReadError> {
    if config.partitions == 0 {
        return Err(ReadError::Unfit(
            "topic.partitions is 0: a topic has at least 1".into(),
        ));
    }
    let settings = StoreSettings {
        partitions: config.partitions,
        retention: Retention {
            age: config.retention,
            bytes: match config.retention_size.as_u64() {
                0 => None,
                bytes => Some(bytes),
            },
        },
        create: with.create,
    };
    let shared = Arc::new(StoreHandle {
        store: RwLock::new(None),
        folder: folder.to_owned(),
        settings,
        committed: Mutex::default(),
        clock: with.clock,
        placement: Placement::default(),
        appended: watch::Sender::new(0),
    });
    let identity = {
        let shared = Arc::clone(&shared);
        blocking(move || shared.open()).await?
    };
    let size = |size: ByteSize| usize::try_from(size.as_u64()).unwrap_or(usize::MAX);
    let limits = (size(config.queue), size(config.max_record), config.linger);
    let writer = Arc::new(Appender::start(Arc::clone(&shared), limits));
    Ok(Arc::new(Embedded {
        identity,
        shared,
        writer,
        groups: Mutex::default(),
    }))
}

#[async_trait]
impl Topic for Embedded {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    async fn watermarks(&self) -> Result<BTreeMap<Partition, Watermarks>, ReadError> {
        self.shared.with(|store| {
            let partitions = (0..store.count()).map(Partition);
            partitions
                .map(|partition| Ok((partition, store.watermarks(partition)?)))
                .collect()
        })
    }

    async fn offset_at(&self, partition: Partition, time: Timestamp) -> Result<Offset, ReadError> {
        self.shared
            .run(move |store| store.offset_at(partition, time))
            .await
    }

    async fn fetch(
        &self,
        partition: Partition,
        from: Offset,
        limit: usize,
    ) -> Result<Vec<Record>, ReadError> {
        let limits = Limits {
            records: limit.max(1),
            bytes: FETCH_BYTES,
        };
        self.shared
            .run(move |store| store.read(partition, from, limits))
            .await
    }

    fn writer(&self) -> Result<Arc<dyn Writer>, AppendError> {
        Ok(Arc::clone(&self.writer) as Arc<dyn Writer>)
    }

    fn reader(&self, group: &str) -> Result<Box<dyn Reader>, ReadError> {
        let count = self.shared.with(|store| Ok(store.count()))?;
        let group = Arc::clone(
            self.groups
                .lock()
                .entry(group.to_owned())
                .or_insert_with(|| Group::new(count)),
        );
        Ok(Box::new(EmbeddedReader::join(
            Arc::clone(&self.shared),
            group,
        )))
    }
}
