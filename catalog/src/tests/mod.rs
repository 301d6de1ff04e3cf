//! A small lake of real objects, and a catalog over it.

mod cells;
mod crawls;
mod desk;
mod external;
mod files;
mod formats;
mod funnels;
mod hostile;
mod ids;
mod letters;
mod live;
mod misfits;
mod panels;
mod periods;
mod planted;
mod promotions;
mod published;
mod queries;
mod replays;
mod retention;
mod swaps;
mod trees;
mod uniques;
mod writers;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use bytesize::ByteSize;
use sink::clock::system;
use sink::{
    Batch, DeadLetter, Hour, Identity, Lake, LakeId, Offset, Partition, Reason, Row, S3, Timestamp,
};
use tempfile::TempDir;

use crate::{Catalog, Config, Rows};

/// 2026-11-22T21:00:00Z, the hour in which the objects arrive unless a test says otherwise.
pub(super) const ARRIVAL: &str = "2026-11-22T21:00:00Z";

pub(super) fn moment(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
}

/// One click of a test, short.
#[derive(Debug, Clone, Copy)]
pub(super) struct Click {
    pub(super) action: &'static str,
    pub(super) product: &'static str,
    pub(super) visitor: &'static str,
    pub(super) country: &'static str,
    pub(super) occurred_at: &'static str,
    pub(super) quantity: i64,
    pub(super) price: f64,
    pub(super) category: &'static str,
    pub(super) campaign: &'static str,
    pub(super) referrer: &'static str,
    pub(super) device: &'static str,
    pub(super) path: &'static str,
}

pub(super) const VIEW: Click = Click {
    action: "view",
    product: "p1",
    visitor: "ann",
    country: "DE",
    occurred_at: ARRIVAL,
    quantity: 1,
    price: 10.0,
    category: "",
    campaign: "",
    referrer: "",
    device: "",
    path: "",
};

/// The id of the row at an offset.
pub(super) fn id(partition: u32, offset: u64) -> String {
    let number = (u128::from(partition) << 64) | u128::from(offset);
    sink::uuid_text(number.to_be_bytes())
}

pub(super) struct Shore {
    pub(super) folder: TempDir,
    pub(super) lake: Lake,
    pub(super) s3: S3,
}

impl Shore {
    pub(super) async fn new() -> Self {
        Self::named("lake").await
    }

    /// … in a folder of that name.
    pub(super) async fn named(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let s3 = S3::in_folder(&folder.path().join(name));
        let lake = Lake::open(&s3).unwrap();
        let new = LakeId::new(7);
        lake.found(&Self::topic(), BTreeMap::new(), new)
            .await
            .unwrap();
        Self { folder, lake, s3 }
    }

    pub(super) fn topic() -> Identity {
        Identity {
            cluster: "cluster".into(),
            topic: "clicks".into(),
        }
    }

    pub(super) fn config(&self) -> Config {
        Config {
            path: self.folder.path().join("data/catalog.duckdb"),
            every: Duration::from_millis(20),
            full_every: Duration::from_secs(3_600),
            memory: ByteSize::mib(512),
            query_memory: ByteSize::mib(512),
            tail_memory: ByteSize::mib(16),
            fold_rows: 500_000,
            threads: 2,
            query_timeout: Duration::from_secs(30),
            query_rows: 10_000,
            publish_every: Duration::from_secs(60),
            iceberg_keys: false,
            extensions: PathBuf::new(),
            externals: Vec::new(),
            datasets: Vec::new(),
            worker: None,
        }
    }

    pub(super) async fn catalog(&self) -> Catalog {
        self.open(self.config()).await.unwrap()
    }

    pub(super) async fn open(&self, config: Config) -> Result<Catalog, crate::Error> {
        Catalog::open(config, self.lake.clone(), &self.s3, system()).await
    }

    /// Commits one object of `clicks` from `first` on, and its name.
    pub(super) async fn commit(&self, partition: u32, first: u64, clicks: &[Click]) -> String {
        self.commit_at(ARRIVAL, partition, first, clicks, 0).await
    }

    /// … that arrives at `arrival`, with so many dead letters after its rows.
    pub(super) async fn commit_at(
        &self,
        arrival: &str,
        partition: u32,
        first: u64,
        clicks: &[Click],
        letters: u64,
    ) -> String {
        Self::commit_in(&self.lake, arrival, partition, first, clicks, letters).await
    }

    /// … in that lake.
    pub(super) async fn commit_in(
        lake: &Lake,
        arrival: &str,
        partition: u32,
        first: u64,
        clicks: &[Click],
        letters: u64,
    ) -> String {
        let appended_at = moment(arrival);
        let hour = Hour::of(appended_at);
        let mut batch = batch(arrival, partition, first, clicks);
        let letters_from = first + clicks.len() as u64;
        for offset in letters_from..letters_from + letters {
            batch.reject(DeadLetter {
                offset: Offset(offset),
                appended_at,
                event_id: Some(id(partition, offset)),
                item: None,
                reason: Reason::WrongType,
                detail: "price is text".into(),
                raw: Some(Bytes::from_static(b"{\"price\":\"x\"}")),
            });
        }
        let sealed = batch.seal();
        let ledger = lake.ledger().await.unwrap();
        let read = ledger.map_or(0, |ledger| ledger.next);
        lake.commit(sealed, read, Duration::from_secs(10))
            .await
            .unwrap();
        format!("clicks/{hour}/{partition:05}-{first:020}.parquet")
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("lake").join(name)
    }
}

/// A batch of these rows, still open.
pub(super) fn batch(arrival: &str, partition: u32, first: u64, clicks: &[Click]) -> Batch {
    let appended_at = moment(arrival);
    let (hour, topic) = (Hour::of(appended_at), Shore::topic());
    let begin = (Partition(partition), Offset(first));
    let mut batch = Batch::new(topic, "c0".into(), begin.0, begin.1, hour, false);
    for (offset, click) in (first..).zip(clicks) {
        batch.push(&row(partition, offset, appended_at, click));
    }
    batch
}

fn row<'r>(partition: u32, offset: u64, appended_at: Timestamp, click: &Click) -> Row<'r> {
    let given = |text: &'static str| (!text.is_empty()).then(|| text.into());
    Row {
        event_id: id(partition, offset).into(),
        partition,
        offset,
        appended_at,
        received_at: appended_at,
        occurred_at: moment(click.occurred_at),
        occurred_at_given: true,
        action: click.action.into(),
        product_id: given(click.product),
        product_name: (!click.product.is_empty()).then(|| format!("The {}", click.product).into()),
        category: given(click.category),
        quantity: Some(click.quantity),
        price: Some(click.price),
        order_id: (click.action == "buy").then(|| format!("o{offset}").into()),
        visitor_id: given(click.visitor),
        path: given(click.path),
        referrer: given(click.referrer),
        utm_campaign: given(click.campaign),
        device: given(click.device),
        country: given(click.country),
        ..Row::default()
    }
}

/// An answer as lines of cells, NULL as a dash.
pub(super) fn lines(rows: &Rows) -> Vec<String> {
    let cell = |cell: Option<String>| cell.unwrap_or_else(|| "-".into());
    rows.cells()
        .map(|cells| cells.into_iter().map(cell).collect::<Vec<_>>().join(" "))
        .collect()
}
