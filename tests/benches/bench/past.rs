//! A place whose lake holds a season that is over, and whose topic begins where that ends.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use sink::Lake;
use tests::clickweir::Place;
use tests::defaults::section;
use tests::season::Season;
use topic::{Offset, Partition};

use crate::audit::lake_in;
use crate::q1::write;

/// Writes it.
pub(crate) async fn past(of: Season) -> Result<(Place, Lake)> {
    let place = Place::new()?.with("TOPIC__PARTITIONS", "2");
    let data = place.path().join("data");
    let s3 = lake_in(&data.join("lake"))?;
    let lake = Lake::open(&s3)?.with_spill(data.clone());
    write(&lake, of).await?;
    let ledger = lake.ledger().await?.context("the lake has a ledger")?;
    let (config, topic) = (section("topic", &[])?, data.join("topic"));
    topic::embedded::begin(&config, &topic, &ledger.topic, &ends(of)).await?;
    Ok((place, lake))
}

/// Where lake and topic end.
pub(crate) fn ends(of: Season) -> BTreeMap<Partition, Offset> {
    let end = Offset(of.rows / 2);
    [(Partition(0), end), (Partition(1), end)].into()
}
