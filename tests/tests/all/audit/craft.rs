//! Objects that no transformer would write, each with a correct hash.

use std::path::Path;
use std::time::Duration;

use sha2::{Digest, Sha256};
use sink::{Batch, Contents, Lake, ObjectName, S3};
use tests::defaults::section;
use topic::{Identity, Partition, Record};
use transformer::{Enrichment, transform};

/// The fate of a record in a crafted object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Row,
    Letter,
    Neither,
}

/// Its fate in a real object.
pub(super) fn fate(contents: &Contents, record: &Record) -> Fate {
    let at = record.offset;
    if contents.rows.offsets.binary_search(&at).is_ok() {
        Fate::Row
    } else if contents.letters.iter().any(|letter| letter.offset == at) {
        Fate::Letter
    } else {
        Fate::Neither
    }
}

/// Writes an object of `name` and its letters into a lake's folder, over what is there: these
/// records, each with its fate.
pub(super) async fn object(
    folder: &Path,
    name: ObjectName,
    topic: &Identity,
    configuration: &str,
    records: &[(Record, Fate)],
) {
    let mut batch = Batch::new(
        topic.clone(),
        configuration.to_owned(),
        name.partition,
        name.first,
        name.hour,
        false,
    );
    for (record, fate) in records {
        take(&mut batch, name.partition, record, fate);
    }
    // Beside the lake, since only a plain copy replaces an object.
    let aside = tempfile::tempdir().unwrap();
    let url = format!("file:{}", aside.path().display());
    let config: S3 = section("lake", &[("url", &url)]).unwrap();
    let lake = Lake::open(&config).unwrap();
    let silence = Duration::from_secs(1);
    lake.commit(batch.seal(), 1, silence).await.unwrap();
    super::scene::copy(aside.path(), folder).unwrap();
}

fn take(batch: &mut Batch, partition: Partition, record: &Record, fate: &Fate) {
    let made = transform(partition, record, &Enrichment::default());
    match (fate, made) {
        (Fate::Row, Ok(row)) => batch.push(&row),
        (Fate::Row | Fate::Letter, Err(defect)) => batch.reject(defect.letter(record)),
        (Fate::Letter, Ok(_)) => panic!("{} is no bad click", record.offset),
        (Fate::Neither, _) => batch.duplicate(record.offset, record.appended_at, false),
    }
}

/// Changes numbers in an object's footer, each by so much, and corrects its hash. Returns false if
/// a number would become longer, shorter or negative.
pub(super) fn edit(object: &mut [u8], changes: &[(&str, i64)]) -> bool {
    for (field, by) in changes {
        let key = format!("\"{field}\":");
        let at = last(object, key.as_bytes()) + key.len();
        let digits = object[at..].iter().take_while(|byte| byte.is_ascii_digit());
        let place = at..at + digits.count();
        let number: i64 = std::str::from_utf8(&object[place.clone()])
            .unwrap()
            .parse()
            .unwrap();
        let changed = (number + by).to_string();
        if number + by < 0 || changed.len() != place.len() {
            return false;
        }
        object[place].copy_from_slice(changed.as_bytes());
    }
    let key = b"clickweir.sha256";
    let after = last(object, key) + key.len();
    let at = (after..after + 8)
        .find(|at| object[*at..at + 64].iter().all(u8::is_ascii_hexdigit))
        .expect("a hash follows its key");
    object[at..at + 64].fill(b'0');
    let digest = format!("{:x}", Sha256::digest(&*object));
    object[at..at + 64].copy_from_slice(digest.as_bytes());
    true
}

fn last(object: &[u8], text: &[u8]) -> usize {
    object
        .windows(text.len())
        .rposition(|window| window == text)
        .expect("the footer holds it")
}
