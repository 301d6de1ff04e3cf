//! What the audit must find of a compacted lake: each fault is planted in one of its own.

use std::path::PathBuf;

use super::Shore;
use super::swaps::{COUNTS, audited, compact, shore};

/// Plants a fault, and expects these words of the audit, of which all are returned.
async fn plant(expect: &str, fault: impl FnOnce(&Shore)) -> String {
    let shore = shore().await;
    compact(&shore).await;
    let catalog = shore.catalog().await;
    catalog.crawl(true).await.unwrap();
    fault(&shore);
    let audit = audited(&shore, &catalog).await;
    let found = audit.findings.iter().map(ToString::to_string);
    let found: Vec<String> = found.collect();
    assert!(
        found.iter().any(|one| one.contains(expect)),
        "{expect}: {found:?}"
    );
    found.join("\n")
}

/// An object of a swap.
fn object(shore: &Shore) -> PathBuf {
    let mut all = std::fs::read_dir(shore.path("swaps")).unwrap();
    all.next().unwrap().unwrap().path()
}

/// The first swap's entry.
fn entry(shore: &Shore) -> PathBuf {
    shore.path("_ledger/0000000001.json")
}

/// An object of dead letters that the entry names.
fn letters(shore: &Shore) -> PathBuf {
    let text = std::fs::read_to_string(entry(shore)).unwrap();
    let at = text.find("dead_letters/").unwrap();
    let end = text[at..].find('"').unwrap();
    shore.path(&text[at..at + end])
}

fn change(path: PathBuf, from: &str, to: &str) {
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    std::fs::write(path, text.replacen(from, to, 1)).unwrap();
}

/// Changes a bit at that part of a file.
fn flip(path: PathBuf, part: usize) {
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.len() / part;
    bytes[at] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn the_audit_finds_what_is_wrong_with_a_swaps_object() {
    // The ledger is sound, so none of it is to be put back.
    let remove = |shore: &Shore| std::fs::remove_file(object(shore)).unwrap();
    let found = plant("is not there", remove).await;
    assert!(!found.contains("put the ledger back"), "{found}");
    let found = plant("damaged", |shore| flip(object(shore), 3)).await;
    assert!(!found.contains("put the ledger back"), "{found}");
    plant("its hash does not fit", |shore| {
        let path = object(shore);
        let mut others = std::fs::read_dir(shore.path("swaps")).unwrap();
        let other = others.find(|one| one.as_ref().unwrap().path() != path);
        std::fs::copy(other.unwrap().unwrap().path(), path).unwrap();
    })
    .await;
    plant("the catalog lists", |shore| {
        let bytes = std::fs::metadata(object(shore)).unwrap().len();
        for number in [1, 2] {
            let path = shore.path(&format!("_ledger/000000000{number}.json"));
            let text = std::fs::read_to_string(&path).unwrap();
            let said = format!("\"bytes\": {bytes},");
            std::fs::write(path, text.replace(&said, "\"bytes\": 17,")).unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn the_audit_finds_what_is_wrong_with_a_swaps_entry() {
    plant("are not those that its swap has proved", |shore| {
        let text = std::fs::read_to_string(entry(shore)).unwrap();
        let at = text.find("\"digest\": \"").unwrap() + 11;
        let digest = &text[at..at + 32];
        change(entry(shore), digest, "00000000000000000000000000000007");
    })
    .await;
    plant("its swap counts 7 rows", |shore| {
        let others = "\"rows\": 7,\n      \"dead_letters\": 3,";
        change(entry(shore), COUNTS, others);
    })
    .await;
    let found = plant("no swap covers it", |shore| {
        change(entry(shore), "\"end\": 10,", "\"end\": 8,");
        let fewer = "\"rows\": 7,\n      \"dead_letters\": 1,";
        change(entry(shore), COUNTS, fewer);
    });
    assert!(found.await.contains("put the ledger back"));
}

#[tokio::test]
async fn the_audit_finds_what_is_wrong_with_a_swaps_letters() {
    plant("a swap names it, and it is not there", |shore| {
        std::fs::remove_file(letters(shore)).unwrap();
    })
    .await;
    plant("dead_letters/", |shore| flip(letters(shore), 2)).await;
    plant("its swaps count 2 dead letters", |shore| {
        let path = letters(shore);
        let named = path.file_name().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(entry(shore)).unwrap();
        let at = text.find(&named).unwrap();
        let (before, after) = text.split_at(at);
        let more = after.replacen("\"dead_letters\": 1", "\"dead_letters\": 2", 1);
        assert_ne!(after, more, "{text}");
        std::fs::write(entry(shore), format!("{before}{more}")).unwrap();
    })
    .await;
}
