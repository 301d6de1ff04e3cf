//! The published tables, as their files say them.

use std::fs;

use serde_json::Value;

use super::replays::{range, replay};
use super::{ARRIVAL, Shore, VIEW, swaps};
use crate::Catalog;

/// The newest metadata of a table, and where it is.
async fn loaded(catalog: &Catalog, table: &str) -> (String, Value) {
    let table = catalog.iceberg_table(table).await.unwrap().unwrap();
    let metadata = serde_json::from_slice(&table.metadata).unwrap();
    (table.metadata_location, metadata)
}

fn files(shore: &Shore, table: &str, begins: &str) -> usize {
    let folder = shore.path(&format!("published/iceberg/{table}/metadata"));
    let names = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    names
        .filter(|name| name.to_str().unwrap().starts_with(begins))
        .count()
}

#[tokio::test]
async fn a_state_is_published_once_and_a_day_s_manifest_stays_while_its_objects_do() {
    let shore = Shore::new().await;
    shore
        .commit_at("2026-11-20T10:00:00Z", 0, 0, &[VIEW, VIEW], 1)
        .await;
    shore
        .commit_at("2026-11-20T11:00:00Z", 1, 0, &[VIEW], 0)
        .await;
    shore.commit_at(ARRIVAL, 1, 1, &[VIEW], 0).await;
    let catalog = shore.catalog().await;
    catalog.crawl(false).await.unwrap();
    for _ in 0..2 {
        catalog.publish(None).await.unwrap();
        let (location, metadata) = loaded(&catalog, "clicks").await;
        assert!(location.ends_with("/published/iceberg/clicks/metadata/v1.metadata.json"));
        assert_eq!(metadata["snapshots"][0]["summary"]["total-records"], "4");
    }
    assert_eq!(files(&shore, "clicks", "m-2026-11-20"), 1);
    assert_eq!(files(&shore, "clicks", "m-2026-11-22"), 1);
    shore.commit_at(ARRIVAL, 1, 2, &[VIEW], 0).await;
    catalog.crawl(false).await.unwrap();
    catalog.publish(None).await.unwrap();
    let (location, metadata) = loaded(&catalog, "clicks").await;
    assert!(location.ends_with("/v2.metadata.json"), "{location}");
    assert_eq!(metadata["snapshots"].as_array().unwrap().len(), 2);
    assert_eq!(metadata["current-snapshot-id"], 2);
    assert_eq!(files(&shore, "clicks", "m-2026-11-20"), 1);
    assert_eq!(files(&shore, "clicks", "m-2026-11-22"), 2);
    // The letters did not change, and have a table of their own.
    let (location, metadata) = loaded(&catalog, "dead_letters").await;
    assert!(location.ends_with("/v1.metadata.json"), "{location}");
    assert_eq!(metadata["snapshots"][0]["summary"]["total-records"], "1");
    assert_eq!(
        catalog.iceberg_tables().await.unwrap(),
        ["clicks", "dead_letters"]
    );
    assert!(catalog.iceberg_table("nothing").await.unwrap().is_none());
}

#[tokio::test]
async fn who_knows_less_publishes_nothing_and_who_knows_the_same_changes_nothing() {
    let shore = Shore::new().await;
    shore.commit(0, 0, &[VIEW]).await;
    let old = shore.catalog().await;
    old.crawl(false).await.unwrap();
    shore.commit(0, 1, &[VIEW]).await;
    let mut config = shore.config();
    config.path = shore.folder.path().join("other/catalog.duckdb");
    let new = shore.open(config).await.unwrap();
    new.crawl(false).await.unwrap();
    new.publish(None).await.unwrap();
    let copy = || fs::read(shore.path(crate::PUBLISHED)).unwrap();
    let (newest, published) = (loaded(&new, "clicks").await, copy());
    old.publish(None).await.unwrap();
    assert_eq!(loaded(&old, "clicks").await, newest);
    assert_eq!(copy(), published, "nor is the copy put back");
    old.crawl(false).await.unwrap();
    old.publish(None).await.unwrap();
    assert_eq!(loaded(&old, "clicks").await, newest, "it is the same state");
    // Both at once, of one new state: it is there once.
    shore.commit(0, 2, &[VIEW]).await;
    for catalog in [&old, &new] {
        catalog.crawl(false).await.unwrap();
    }
    let (first, second) = tokio::join!(old.publish(None), new.publish(None));
    first.and(second).unwrap();
    let (location, metadata) = loaded(&new, "clicks").await;
    assert!(location.ends_with("/v2.metadata.json"), "{location}");
    assert_eq!(metadata["snapshots"][1]["summary"]["total-records"], "3");
}

#[tokio::test]
async fn a_compaction_is_a_new_state_of_the_same_rows_and_stays() {
    let shore = swaps::shore().await;
    let old = shore.catalog().await;
    let mut config = shore.config();
    config.path = shore.folder.path().join("other/catalog.duckdb");
    let new = shore.open(config).await.unwrap();
    for catalog in [&old, &new] {
        catalog.crawl(true).await.unwrap();
    }
    new.publish(None).await.unwrap();
    let compacted = swaps::compact(&shore).await;
    assert!(compacted.objects > 0 && compacted.replaced > 0);
    new.crawl(true).await.unwrap();
    new.publish(None).await.unwrap();
    let (location, metadata) = loaded(&new, "clicks").await;
    assert!(location.ends_with("/v2.metadata.json"), "{location}");
    let said = |state: usize, key: &str| {
        let number = metadata["snapshots"][state]["summary"][key].as_str();
        number.unwrap().parse::<u64>().unwrap()
    };
    assert_eq!(said(0, "total-records"), said(1, "total-records"));
    assert_eq!(
        said(1, "total-data-files"),
        said(0, "total-data-files") - compacted.replaced + compacted.objects
    );
    assert_eq!(said(1, "clickweir.swaps"), compacted.hours);
    // One that knows the same offsets and none of the swaps publishes nothing.
    old.publish(None).await.unwrap();
    assert_eq!(loaded(&old, "clicks").await, (location, metadata));
    old.crawl(true).await.unwrap();
    old.publish(None).await.unwrap();
    assert!(
        loaded(&old, "clicks")
            .await
            .0
            .ends_with("/v2.metadata.json")
    );
}

#[tokio::test]
async fn a_replay_that_was_begun_anew_or_lost_its_letters_keeps_nothing_else_back() {
    let shore = Shore::new().await;
    shore.commit(0, 0, &[VIEW; 4]).await;
    let catalog = shore.catalog().await;
    let folder = shore.path("replays/again");
    for (end, rows) in [(4, "3"), (2, "1")] {
        let clicks = &[VIEW; 3][..end as usize - 1];
        replay(&shore, "again", &range(0, 0, end), clicks, 1).await;
        catalog.crawl(true).await.unwrap();
        catalog.publish(None).await.unwrap();
        let (_, metadata) = loaded(&catalog, "clicks_again").await;
        let snapshots = metadata["snapshots"].as_array().unwrap();
        let newest = &snapshots[snapshots.len() - 1]["summary"];
        assert_eq!(newest["total-records"], rows, "{newest}");
        if end == 4 {
            fs::remove_dir_all(&folder).unwrap();
        }
    }
    // Its letters are gone, and the live tables go on.
    fs::remove_dir_all(folder.join("dead_letters")).unwrap();
    shore.commit(0, 4, &[VIEW]).await;
    drop(catalog);
    let again = shore.catalog().await;
    again.crawl(true).await.unwrap();
    again.publish(None).await.unwrap();
    let (_, metadata) = loaded(&again, "clicks").await;
    let snapshots = metadata["snapshots"].as_array().unwrap();
    let newest = &snapshots[snapshots.len() - 1]["summary"];
    assert_eq!(newest["total-records"], "5");
}
