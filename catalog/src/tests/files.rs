//! The catalog's own file, and its published copy.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use duckdb::Connection;
use sink::LakeId;

use super::crawls::digests;
use super::{ARRIVAL, Shore, VIEW, lines};
use crate::{Error, PUBLISHED};

async fn clicks(catalog: &crate::Catalog) -> String {
    lines(&catalog.query("SELECT count(*) FROM clicks").await.unwrap()).remove(0)
}

#[tokio::test]
async fn fault_34_a_deleted_or_corrupt_catalog_is_built_anew() {
    let shore = Shore::new().await;
    shore.commit(0, 0, &[VIEW, VIEW]).await;
    let path = shore.config().path;
    let spoil: [&dyn Fn(); 4] = [
        &|| fs::remove_file(&path).unwrap(),
        &|| fs::write(&path, b"not a database").unwrap(),
        &|| fs::write(&path, vec![7; 300_000]).unwrap(),
        &|| {
            let bytes = fs::read(&path).unwrap();
            fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        },
    ];
    let catalog = shore.catalog().await;
    catalog.crawl(false).await.unwrap();
    drop(catalog);
    for (number, spoil) in spoil.iter().enumerate() {
        spoil();
        let catalog = shore.catalog().await;
        catalog.crawl(false).await.unwrap();
        assert_eq!(clicks(&catalog).await, "2", "case {number}");
    }
}

#[tokio::test]
async fn fault_34_a_byte_flipped_in_any_block_ends_in_the_same_catalog() {
    /// DuckDB's headers, each with a checksum of its own, and of a block with one checksum a part.
    const HEADER: usize = 4 << 10;
    const PART: usize = 64 << 10;
    let shore = Shore::new().await;
    shore.commit(0, 0, &[VIEW, VIEW]).await;
    let path = shore.config().path;
    let catalog = shore.catalog().await;
    catalog.crawl(false).await.unwrap();
    let whole = digests(&catalog).await;
    drop(catalog);
    let sound = fs::read(&path).unwrap();
    let headers = (0..3).map(|number| number * HEADER);
    let parts = (3 * HEADER..sound.len()).step_by(PART);
    let mut rebuilt = 0;
    for at in headers.chain(parts) {
        let mut bytes = sound.clone();
        bytes[at + 16] ^= 1;
        fs::write(&path, bytes).unwrap();
        let catalog = shore.catalog().await;
        catalog.crawl(false).await.unwrap();
        assert_eq!(
            digests(&catalog).await,
            whole,
            "byte {at} of {}",
            sound.len()
        );
        drop(catalog);
        let damaged = path.with_extension("duckdb.damaged");
        rebuilt += u32::from(fs::remove_file(damaged).is_ok());
    }
    assert!(rebuilt > 0, "no flip was found");
}

#[tokio::test]
async fn a_catalog_of_other_tables_is_built_anew() {
    let shore = Shore::new().await;
    shore.commit(0, 0, &[VIEW, VIEW]).await;
    let path = shore.config().path;
    let catalog = shore.catalog().await;
    catalog.crawl(false).await.unwrap();
    let whole = digests(&catalog).await;
    drop(catalog);
    for (how, sql) in [
        ("an older version", "UPDATE meta SET version = 11"),
        (
            "ids of another type",
            "UPDATE meta SET definition = replace(definition, 'VARCHAR', 'UUID')",
        ),
        ("no definition", "ALTER TABLE meta DROP COLUMN definition"),
        ("no version", "ALTER TABLE meta DROP COLUMN version"),
        ("no lake", "DELETE FROM meta"),
    ] {
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch(sql).unwrap();
        drop(connection);
        let catalog = shore.catalog().await;
        catalog.crawl(false).await.unwrap();
        assert_eq!(digests(&catalog).await, whole, "{how}");
        drop(catalog);
        let aside = path.with_extension("duckdb.damaged");
        fs::remove_file(aside).unwrap_or_else(|_| panic!("{how}: it was used as it is"));
    }
}

#[tokio::test]
async fn a_catalog_of_another_lake_is_built_anew() {
    let shore = Shore::new().await;
    shore.commit(0, 0, &[VIEW]).await;
    let catalog = shore.catalog().await;
    catalog.crawl(false).await.unwrap();
    drop(catalog);
    let other = Shore::new().await;
    other.commit(0, 0, &[VIEW, VIEW, VIEW]).await;
    let config = crate::Config {
        path: shore.config().path,
        ..other.config()
    };
    let catalog = other.open(config).await.unwrap();
    catalog.crawl(false).await.unwrap();
    assert_eq!(clicks(&catalog).await, "3");
}

/// Deletes the lake and founds another one of the same topic at the same URL.
async fn replace_lake(shore: &Shore, id: u128) {
    fs::remove_dir_all(shore.path("")).unwrap();
    let lake = sink::Lake::open(&shore.s3).unwrap();
    let topic = Shore::topic();
    let found = lake.found(&topic, BTreeMap::new(), LakeId::new(id));
    found.await.unwrap();
}

#[tokio::test]
async fn fault_49_a_catalog_does_not_outlive_its_lake() {
    let mut shore = Shore::new().await;
    shore.commit(0, 0, &[VIEW, VIEW]).await;
    let catalog = shore.catalog().await;
    catalog.crawl(false).await.unwrap();
    assert_eq!(catalog.listing(None).await.unwrap().objects.len(), 1);
    drop(catalog);
    // The next process meets another lake, which is empty.
    replace_lake(&shore, 2).await;
    shore.lake = sink::Lake::open(&shore.s3).unwrap();
    let catalog = shore.catalog().await;
    catalog.crawl(false).await.unwrap();
    let listing = catalog.listing(None).await.unwrap();
    assert_eq!((listing.objects.len(), listing.ends.len()), (0, 0));
    assert_eq!(clicks(&catalog).await, "0");
    shore.commit(0, 0, &[VIEW; 3]).await;
    catalog.crawl(false).await.unwrap();
    assert_eq!(clicks(&catalog).await, "3");
    // And a running one: the same offsets, other rows.
    replace_lake(&shore, 3).await;
    shore.commit(0, 0, &[VIEW; 3]).await;
    shore.commit(0, 3, &[VIEW]).await;
    let before = catalog.objects().await.unwrap();
    catalog.crawl(false).await.unwrap();
    assert_eq!(clicks(&catalog).await, "4");
    let after = catalog.objects().await.unwrap();
    assert_ne!(before, after);
    assert_eq!(catalog.freshness().await.unwrap()[0].objects, 2);
}

#[tokio::test]
async fn fault_35_a_second_process_is_told_of_the_published_copy() {
    let shore = Shore::new().await;
    drop(shore.catalog().await);
    let path = shore.config().path;
    // DuckDB's lock is the operating system's, so any process can hold it.
    let holder = "import fcntl,sys\nf=open(sys.argv[1],'r+b')\nfcntl.lockf(f,fcntl.LOCK_EX)\nprint('held',flush=True)\nsys.stdin.readline()";
    let mut child = Command::new("python3")
        .args(["-c", holder])
        .arg(&path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut said)
        .unwrap();
    assert_eq!(said, "held\n");
    let error = shore.open(shore.config()).await.unwrap_err();
    child.stdin.take().unwrap().write_all(b"\n").unwrap();
    child.wait().unwrap();
    assert!(matches!(error, Error::InUse { .. }), "{error:?}");
    assert!(error.to_string().contains(PUBLISHED), "{error}");
    drop(shore.catalog().await);
}

#[tokio::test]
async fn the_published_copy_is_attached_and_read() {
    let shore = Shore::new().await;
    let catalog = shore.catalog().await;
    let read = |sql: &str| -> u64 {
        let connection = Connection::open_in_memory().unwrap();
        let copy = shore.path(PUBLISHED);
        let attach = format!("ATTACH '{}' AS shop (READ_ONLY)", copy.display());
        connection.execute_batch(&attach).unwrap();
        connection.query_row(sql, [], |row| row.get(0)).unwrap()
    };
    catalog.publish(None).await.unwrap();
    assert_eq!(read("SELECT count(*) FROM shop.clicks"), 0);
    shore.commit_at(ARRIVAL, 0, 0, &[VIEW; 3], 2).await;
    shore.commit(1, 0, &[VIEW; 4]).await;
    catalog.crawl(false).await.unwrap();
    catalog.publish(None).await.unwrap();
    assert_eq!(read("SELECT count(*) FROM shop.clicks"), 7);
    assert_eq!(read("SELECT count(*) FROM shop.dead_letters"), 2);
    assert_eq!(read("SELECT count(*) FROM shop.objects"), 2);
    assert_eq!(
        read("SELECT count(*) FROM shop.clicks WHERE action = 'view'"),
        7
    );
    // The same copy for a reader who has the lake elsewhere.
    let moved = shore.folder.path().join("moved");
    catalog
        .publish(Some(&format!("{}/", moved.display())))
        .await
        .unwrap();
    let names = format!(
        "SELECT count(*) FROM shop.objects WHERE path LIKE '{}/clicks/%'",
        moved.display()
    );
    assert_eq!(read(&names), 2);
    fs::create_dir(&moved).unwrap();
    fs::rename(shore.path("clicks"), moved.join("clicks")).unwrap();
    assert_eq!(read("SELECT count(*) FROM shop.clicks"), 7);
}

#[tokio::test]
async fn fault_36_a_publication_that_was_cut_off_leaves_the_previous_copy() {
    let shore = Shore::new().await;
    let catalog = shore.catalog().await;
    shore.commit(0, 0, &[VIEW]).await;
    catalog.crawl(false).await.unwrap();
    catalog.publish(None).await.unwrap();
    let before = fs::read(shore.path(PUBLISHED)).unwrap();
    // What a kill leaves behind: a half-written file beside the catalog.
    let mut half = shore.config().path.into_os_string();
    half.push(".publishing");
    fs::write(&half, &before[..1_000]).unwrap();
    assert_eq!(fs::read(shore.path(PUBLISHED)).unwrap(), before);
    catalog.publish(None).await.unwrap();
    assert!(!fs::exists(&half).unwrap());
}
