//! A topic that takes the place of one that is lost: it has that one's identity, and its partitions
//! begin where somebody knows that the lost ones had got.

use std::collections::BTreeMap;
use std::path::Path;

use fjall::KeyspaceCreateOptions;

use super::error::{of_folder, of_opening};
use super::folder::{database, has_topic};
use super::layout::{self, TOPIC};
use crate::blocking::blocking;
use crate::{Config, Identity, Offset, Partition, ReadError};

/// Makes a topic in `folder` that begins at these offsets.
///
/// # Errors
/// [`ReadError::Unfit`] if there is a topic already, or the identity is not that of an embedded one;
/// [`ReadError::Unavailable`] if the disk does not answer.
pub async fn begin(
    config: &Config,
    folder: &Path,
    identity: &Identity,
    lows: &BTreeMap<Partition, Offset>,
) -> Result<(), ReadError> {
    let at = folder.display().to_string();
    if identity.topic != TOPIC {
        return Err(ReadError::Unfit(format!(
            "the topic {identity} was none of clickweir's own, so none in {at} can take its place"
        )));
    }
    if has_topic(folder) {
        return Err(ReadError::Unfit(format!(
            "there is a topic in {at}: move it away, or set topic.url to another folder"
        )));
    }
    let named = lows.keys().next_back().map_or(0, |last| last.0 + 1);
    let (identity, lows, count) = (identity.clone(), lows.clone(), named.max(config.partitions));
    let folder = folder.to_owned();
    blocking(move || {
        std::fs::create_dir_all(&folder).map_err(|error| of_folder(&at, &error))?;
        let unavailable = |error: fjall::Error| of_opening(&at, &error);
        let db = database(&folder).map_err(unavailable)?;
        let settings = db.keyspace("settings", KeyspaceCreateOptions::default);
        let settings = settings.map_err(unavailable)?;
        layout::write(&db, &settings, &identity.cluster, count, &lows).map_err(unavailable)
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::super::tests::config;
    use super::*;
    use crate::{Draft, Open, Topic, Watermarks, clock};

    #[tokio::test]
    async fn a_topic_begins_where_the_lost_one_had_got_and_has_its_identity() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("topic");
        let identity = Identity {
            cluster: "lost".into(),
            topic: TOPIC.into(),
        };
        let lows = BTreeMap::from([(Partition(0), Offset(7))]);
        begin(&config(1), &at, &identity, &lows).await.unwrap();
        for appended in [0, 1] {
            let with = Open {
                clock: clock::system(),
                create: false,
            };
            let topic = super::super::open(&config(1), &at, with).await.unwrap();
            assert_eq!(*topic.identity(), identity);
            let marks = topic.watermarks().await.unwrap();
            let (low, high) = (Offset(7), Offset(7 + appended));
            assert_eq!(marks, [(Partition(0), Watermarks { low, high })].into());
            let draft = Draft {
                key: "k".into(),
                value: "x".into(),
            };
            let delivery = topic.writer().unwrap().append(vec![draft]).unwrap();
            assert_eq!(delivery.await.unwrap()[0].offset, high);
            drop(topic);
        }
        let again = begin(&config(1), &at, &identity, &lows).await.unwrap_err();
        assert!(again.to_string().contains("move it away"), "{again}");
        let theirs = Identity {
            topic: "shop-clicks".into(),
            ..identity
        };
        let other = folder.path().join("other");
        let refused = begin(&config(1), &other, &theirs, &lows).await.unwrap_err();
        assert!(refused.to_string().contains("shop-clicks"), "{refused}");
        assert!(!other.exists());
    }
}
