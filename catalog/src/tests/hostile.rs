//! What strangers send, and what others put into the lake's folder.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, symlink};
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::{Click, Shore, VIEW, moment};
use crate::{Dimension, Filter, Metric, Step, short_value};

/// The day of the clicks, with ends within an hour, so that rollups and rows are both read.
fn day() -> Filter {
    Filter {
        from: moment("2026-11-22T00:00:00Z"),
        to: moment("2026-11-23T00:00:00Z"),
        ..Filter::default()
    }
}

fn leaked(text: String) -> &'static str {
    text.leak()
}

#[tokio::test]
async fn attack_7_rollups_and_rows_cut_long_values_alike() {
    let shore = Shore::new().await;
    let long = leaked("<".repeat(20_000));
    let other = leaked(format!("{}!", "<".repeat(20_000)));
    let click = |action| Click {
        action,
        product: long,
        path: long,
        category: long,
        ..VIEW
    };
    shore.commit(0, 0, &[click(long), click(other), VIEW]).await;
    let catalog = shore.catalog().await;
    catalog.crawl(false).await.unwrap();
    let key = short_value(long);
    assert_eq!(key.chars().count(), 200);
    for step in [Step::Minute, Step::Hour, Step::Month] {
        let buckets = catalog.actions_by(&day(), step).await.unwrap();
        let found: Vec<_> = buckets
            .iter()
            .map(|one| (&*one.action, one.clicks))
            .collect();
        assert_eq!(found, [(&*key, 2), ("view", 1)], "{step:?}");
    }
    assert_eq!(catalog.actions().await.unwrap(), [&*key, "view"]);
    for by in [Dimension::Product, Dimension::Page, Dimension::Category] {
        let found = catalog
            .breakdown(&day(), by, Metric::Clicks, 5)
            .await
            .unwrap();
        let of = found
            .slices
            .iter()
            .find(|slice| slice.value.as_deref() == Some(&*key));
        assert_eq!(of.map(|slice| slice.clicks), Some(2), "{by:?} {found:?}");
    }
    // The whole value and the cut one ask for the same clicks, in rollups and in rows.
    for value in [long, &*key] {
        let only = [(Dimension::Action, Some(value.to_owned()))].into();
        let filter = Filter { only, ..day() };
        assert_eq!(catalog.totals(&filter).await.unwrap().clicks, 2);
        let minutes = catalog.actions_by(&filter, Step::Minute).await.unwrap();
        assert_eq!(minutes[0].clicks, 2);
        let steps = [value.to_owned()];
        let reached = catalog
            .funnel(&day(), &steps, Duration::from_secs(60))
            .await;
        assert_eq!(reached.unwrap()[0].visitors, 1);
    }
}

#[tokio::test]
async fn attack_7_actions_without_end_are_told_apart_up_to_a_thousand() {
    let shore = Shore::new().await;
    let clicks: Vec<Click> = (0..1_100)
        .map(|n| Click {
            action: leaked(format!("action {n:04}")),
            ..VIEW
        })
        .collect();
    shore.commit(0, 0, &clicks).await;
    let catalog = shore.catalog().await;
    catalog.crawl(false).await.unwrap();
    for step in [Step::Minute, Step::Day] {
        let buckets = catalog.actions_by(&day(), step).await.unwrap();
        assert_eq!(buckets.len(), 1_001);
        let others = buckets.iter().find(|bucket| bucket.action == "(others)");
        assert_eq!(others.map(|bucket| bucket.clicks), Some(100));
        let all: u64 = buckets.iter().map(|bucket| bucket.clicks).sum();
        assert_eq!(all, 1_100);
    }
}

#[tokio::test]
async fn attack_10_odd_names_stop_no_crawl() {
    let shore = Shore::new().await;
    let name = shore.commit(0, 0, &[VIEW]).await;
    let path = shore.path(&name);
    let hour = path.parent().unwrap();
    fs::write(hour.join("two\nlines"), "x").unwrap();
    symlink(".", hour.join("self")).unwrap();
    symlink("/", hour.join("root")).unwrap();
    symlink(&path, hour.join("00001-00000000000000000000.parquet")).unwrap();
    let catalog = shore.catalog().await;
    let run = catalog.crawl(true).await.unwrap();
    assert_eq!((run.registered, run.foreign), (1, 4), "{run:?}");
    for named in [
        "two%0Alines",
        "self (a symbolic link)",
        "root (a symbolic link)",
    ] {
        assert!(run.detail.contains(named), "{run:?}");
    }
    shore.commit(0, 1, &[VIEW]).await;
    assert_eq!(catalog.crawl(false).await.unwrap().registered, 1);
}

#[tokio::test]
async fn attack_9_an_object_of_a_terabyte_is_refused_at_once() {
    let shore = Shore::new().await;
    let name = shore.commit(0, 0, &[VIEW]).await;
    let catalog = shore.catalog().await;
    let (path, next) = (shore.path(&name), shore.commit(0, 1, &[VIEW]).await);
    // Empty, and sound at its end.
    let sound = fs::read(&path).unwrap();
    for (first, size, end) in [(9_001, 1_u64 << 40, &[][..]), (9_002, 1 << 31, &sound)] {
        let sparse = path.with_file_name(format!("00000-{first:020}.parquet"));
        let file = File::create(&sparse).unwrap();
        file.set_len(size).unwrap();
        file.write_all_at(end, size - end.len() as u64).unwrap();
    }
    // A full crawl reads what it refused before whole, to see whether it is mended.
    for registered in [2, 0] {
        let crawl = timeout(Duration::from_secs(60), catalog.crawl(true));
        let run = crawl.await.expect("nothing of it is read").unwrap();
        assert_eq!((run.registered, run.refused), (registered, 2), "{run:?}");
    }
    assert!(
        !shore
            .lake
            .intact(&name.replace("00000000000000000000.", "00000000000000009002."))
            .await
            .unwrap()
    );
    assert!(shore.lake.intact(&next).await.unwrap());
}

#[tokio::test]
async fn attack_12_a_run_takes_as_long_as_its_folding() {
    let shore = Shore::new().await;
    let clicks: Vec<Click> = (0..20_000)
        .map(|n| Click {
            product: leaked(format!("p{n}")),
            visitor: leaked(format!("v{n}")),
            path: leaked(format!("/{n}")),
            ..VIEW
        })
        .collect();
    shore.commit(0, 0, &clicks).await;
    let catalog = shore.catalog().await;
    let begun = Instant::now();
    catalog.crawl(false).await.unwrap();
    let took = begun.elapsed();
    let run = catalog.crawls(1).await.unwrap().remove(0);
    // Before it is only a list and a footer, behind it a commit.
    let told = Duration::from_millis(run.took_ms);
    assert!(told <= took && told * 2 > took, "{told:?} of {took:?}");
}

#[tokio::test]
async fn b106_a_lake_of_any_name_is_read_back() {
    for name in [
        "~alice",
        "ünï",
        "50%off",
        "a b+c",
        "[x]*?",
        "it's \"#1\"",
        "%7Ealice",
    ] {
        let shore = Shore::named(name).await;
        shore.commit(0, 0, &[VIEW]).await;
        let catalog = shore.catalog().await;
        catalog
            .probe("nonce")
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(catalog.crawl(false).await.unwrap().registered, 1, "{name}");
        let rows = catalog.query("SELECT count(*) FROM clicks").await.unwrap();
        assert_eq!(super::lines(&rows), ["1"], "{name}");
        catalog.publish(None).await.unwrap();
        let left = fs::read_dir(shore.folder.path().join(name).join("_probe"));
        assert_eq!(left.map_or(0, Iterator::count), 0, "{name}");
    }
}
