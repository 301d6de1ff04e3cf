//! Encryption by the store: each object says that it is encrypted as configured, and all that reads
//! the lake reads it, other engines among them.

use futures::TryStreamExt;
use object_store::ObjectStore;
use serde_json::json;
use tests::clickweir::Place;
use tests::clients::post;
use tests::s3::{self, KMS_KEY, S3Server};

use super::forget::replay;
use super::tables::find;
use super::tables::reader::{Published, bucket_keys, engines};

/// Clicks of so many letters, so that a merged object goes to the store in parts.
const CLICK_LETTERS: usize = 48 << 10;
const CLICKS: usize = 320;

/// Letters that do not compress well, others for each seed.
fn letters(seed: usize) -> String {
    let mut state = (seed as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let letter = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'!' + (state % 90) as u8)
    };
    let all: String = std::iter::repeat_with(letter).take(CLICK_LETTERS).collect();
    all.replace(['"', '\\'], "~")
}

async fn check(server: &S3Server, encryption: &str, key: &str) {
    let name = encryption.replace(':', "-");
    let prefix = format!("encrypted-{name}-{}", std::process::id());
    let bucket = server.lake(&prefix);
    let place = Place::new()
        .unwrap()
        .with_lake(&bucket)
        .with("CATALOG__ICEBERG_KEYS", "true")
        .with("LAKE__ENCRYPTION", encryption)
        .with("LAKE__KMS_KEY", key)
        .with("BACKUP__ENCRYPTION", encryption)
        .with("BACKUP__KMS_KEY", key);
    let up = place.up(&[]).unwrap();
    for n in 0..CLICKS {
        let click = json!({"id": format!("c{n}"), "visitor_id": "v", "note": letters(n)});
        assert_eq!(post(&up.shop, click.to_string()).await.0, 202);
    }
    let bad = json!({"id": "bad", "price": "dear"}).to_string();
    assert_eq!(post(&up.shop, bad).await.0, 202);
    place.settled().await.unwrap();
    replay(&place, "again");
    place.must(&["promote", "again"]).unwrap();
    place.must(&["publish"]).unwrap();
    let backup = format!("s3://{}/{prefix}-backup", s3::BUCKET);
    place.must(&["backup", &backup]).unwrap();
    let count =
        place.ask("SELECT count(note) FROM (SELECT properties->>'note' AS note FROM clicks)");
    assert_eq!(count.unwrap(), json!(CLICKS));
    if let Some(engines) = engines() {
        let at = Published {
            lake: bucket.url.clone(),
            catalog: format!("{}/iceberg", up.dashboard),
            environment: bucket_keys(&bucket, server.keys()),
        };
        find(&place, &engines, &at, &["clicks", "dead_letters"]);
    }
    let (mut objects, mut largest) = (0, 0);
    for folder in [prefix.clone(), format!("{prefix}-backup")] {
        let store = server.store(&folder).unwrap();
        let listed: Vec<_> = store.list(None).try_collect().await.unwrap();
        for meta in listed {
            let path = format!("{folder}/{}", meta.location);
            let said = server.head(&path).await.unwrap();
            let header = |name: &str| {
                let value = said.get(name).and_then(|value| value.to_str().ok());
                value.unwrap_or_default().to_owned()
            };
            assert_eq!(header("x-amz-server-side-encryption"), encryption, "{path}");
            let named = header("x-amz-server-side-encryption-aws-kms-key-id");
            assert!(named.ends_with(key), "{path}: {named}");
            objects += 1;
            largest = meta.size.max(largest);
        }
    }
    assert!(objects > 20, "{objects}");
    assert!(largest > 8 << 20, "one of {largest} bytes went in parts");
    assert!(up.process.end().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_object_in_a_bucket_is_encrypted_as_the_configuration_says() {
    let Some(server) = s3::minio().await else {
        return;
    };
    check(server, "AES256", "").await;
    check(server, "aws:kms", KMS_KEY).await;
}
