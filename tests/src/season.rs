//! A season of a shop as a lake, written by the sink itself: so many days, objects an hour and
//! partition, and rows in all.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use futures::future::try_join_all;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sink::{Batch, Hour, Lake, LakeId};
use topic::{Identity, Offset, Partition, Record, Timestamp, Unit};
use transformer::{Enrichment, transform};

use crate::defaults::section;

/// 2026-01-01T00:00:00Z, in microseconds.
pub const BEGIN: i64 = 1_767_225_600_000_000;
/// How long Q1's lasts.
pub const DAYS: u32 = 90;
/// A product that people look at.
pub const PRODUCT: &str = "p7";

const HOUR: i64 = Unit::Hour.micros();
const PARTITIONS: u32 = 2;
const PRODUCTS: usize = 1_000;
const CATEGORIES: usize = 20;
/// How many clicks a visit is, on average.
const VISIT: u64 = 12;
const COUNTRIES: [&str; 12] = [
    "DE", "FR", "US", "GB", "IN", "BR", "JP", "ES", "IT", "NL", "PL", "SE",
];
const COMMIT_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a season lasts, and how large its objects are.
#[derive(Debug, Clone, Copy)]
pub struct Season {
    /// How many days.
    pub days: u32,
    /// How many rows, in all.
    pub rows: u64,
    /// How many objects an hour of a partition is.
    pub hourly: u32,
}

/// Writes it. Each row is as `record`, but for what makes it a click of its own. `progress` gets the day
/// that was written, some nine times.
///
/// # Errors
/// The store's, or if `record` is no row.
pub async fn write(
    lake: &Lake,
    season: Season,
    record: &Record,
    progress: fn(u64, Season),
) -> Result<()> {
    let identity = Identity {
        cluster: "bench".to_owned(),
        topic: "clicks".to_owned(),
    };
    lake.found(&identity, BTreeMap::new(), LakeId::new(7))
        .await?;
    let writing = (0..PARTITIONS).map(|partition| {
        let (lake, identity, record) = (lake.clone(), identity.clone(), record.clone());
        let of = Partition(partition);
        tokio::spawn(
            async move { partition_of(&lake, &identity, of, season, &record, progress).await },
        )
    });
    for written in try_join_all(writing).await? {
        written?;
    }
    Ok(())
}

/// The visitor of the first visit of a slot of the first partition, in the season's first 720 hours.
#[must_use]
pub fn visitor(season: Season, slot: u64) -> String {
    let (of, rows) = (Partition(0), season.rows / u64::from(PARTITIONS));
    named(of, dice(slot, of).random_range(0..among(rows)))
}

fn dice(slot: u64, partition: Partition) -> StdRng {
    StdRng::seed_from_u64(slot << 8 | u64::from(partition.0))
}

/// How many visitors a partition has in 720 hours.
fn among(rows: u64) -> u64 {
    (rows / VISIT / 3).max(1)
}

fn named(partition: Partition, visitor: u64) -> String {
    format!("visitor-{}-{visitor:016x}", partition.0)
}

async fn partition_of(
    lake: &Lake,
    identity: &Identity,
    partition: Partition,
    season: Season,
    record: &Record,
    progress: fn(u64, Season),
) -> Result<()> {
    let rows = season.rows / u64::from(PARTITIONS);
    let length = HOUR / i64::from(season.hourly);
    let configuration =
        section::<transformer::Config>("transformer", &[])?.configuration(&Enrichment::default());
    let enrichment = Enrichment::default();
    let texts = Texts::new();
    let slots = u64::from(season.days * 24 * season.hourly);
    let mut first = 0;
    for slot in 0..slots {
        let hour = slot / u64::from(season.hourly);
        let end = rows * (slot + 1) / slots;
        let begin = BEGIN + i64::try_from(slot)? * length;
        let at = Hour::of(Timestamp::from_micros(begin));
        let (topic, conf) = (identity.clone(), configuration.clone());
        let mut batch = Batch::new(topic, conf, partition, Offset(first), at, false);
        let mut dice = dice(slot, partition);
        // This hour's visitors are drawn from those of a month, and most come once.
        let visits = (end - first) / VISIT + 1;
        let among = among(rows) * (hour / 720 + 1);
        let here: Vec<u64> = (0..visits).map(|_| dice.random_range(0..among)).collect();
        let mut row = transform(partition, record, &enrichment)
            .map_err(|defect| anyhow::anyhow!("{}", defect.detail))?;
        for offset in first..end {
            let product = dice
                .random_range(0..PRODUCTS)
                .min(dice.random_range(0..PRODUCTS));
            let action = [
                "view", "view", "view", "view", "details", "details", "browse", "cart", "buy",
                "cancel",
            ][dice.random_range(0..10)];
            row.offset = offset;
            let number = u128::from(partition.0) << 64 | u128::from(offset);
            row.event_id = sink::uuid_text(number.to_be_bytes()).into();
            let within = i64::try_from(offset - first)? * length / i64::try_from(end - first)?;
            row.occurred_at = Timestamp::from_micros(begin + within);
            row.appended_at = row.occurred_at;
            row.received_at = row.occurred_at;
            row.action = action.into();
            row.product_id = Some(texts.products[product].as_str().into());
            row.product_name = Some(texts.names[product].as_str().into());
            row.category = Some(texts.categories[product % CATEGORIES].as_str().into());
            row.path = Some(texts.pages[product].as_str().into());
            row.country = Some(COUNTRIES[dice.random_range(0..12)].into());
            row.price = Some(f64::from(dice.random_range(100..10_000_u32)) / 100.0);
            row.quantity = Some(if action == "cancel" { -1 } else { 1 });
            let trades = matches!(action, "buy" | "cancel");
            row.order_id = trades.then(|| format!("o{}-{offset}", partition.0).into());
            let visitor = here[dice.random_range(0..here.len())];
            row.visitor_id = Some(named(partition, visitor).into());
            batch.push(&row);
        }
        let sealed = tokio::task::spawn_blocking(move || batch.seal()).await?;
        lake.commit(sealed, 1, COMMIT_TIMEOUT).await?;
        if partition.0 == 0 && (slot + 1) % (slots / 9).max(1) == 0 {
            progress(slot / u64::from(24 * season.hourly) + 1, season);
        }
        first = end;
    }
    Ok(())
}

/// The properties of the products.
struct Texts {
    products: Vec<String>,
    names: Vec<String>,
    categories: Vec<String>,
    pages: Vec<String>,
}

impl Texts {
    fn new() -> Self {
        let all = |text: &str, many| (0..many).map(|n| format!("{text}{n}")).collect();
        Self {
            products: all("p", PRODUCTS),
            names: all("Stoneware number ", PRODUCTS),
            categories: all("category ", CATEGORIES),
            pages: all("/product/p", PRODUCTS),
        }
    }
}
