//! Erasures, beside compactions, late commits and replays; and certificates with forgeries.

use topic::{Offset, Partition};

use super::shore::{LATER, SUBJECT, Shore};
use crate::{LakeKeys, Outcome, SignedCertificate};

/// Rows and letters of the subject in one object of 20 offsets.
const TAKEN: u64 = 5;

async fn resumes_at(shore: &Shore) -> [Offset; 2] {
    let ledger = shore.lake.ledger().await.unwrap().unwrap();
    let both = [Partition(0), Partition(1)];
    let tips = shore.lake.tips(ledger, &both.into()).await.unwrap();
    both.map(|partition| tips.resume(partition))
}

#[tokio::test]
async fn an_erasure_takes_the_subject_out_of_commits_swaps_and_letters_and_nothing_else() {
    for compacted in [false, true] {
        let shore = Shore::new().await;
        let before = shore.audit().await;
        assert!(before.clean(), "{:?}", before.findings);
        if compacted {
            assert!(shore.compact().await > 0);
        }
        let forget = shore.ask(60).await;
        let number = shore.erase(&forget).await;
        assert_eq!(shore.mentions(SUBJECT).await, Vec::<String>::new());
        let after = shore.audit().await;
        assert!(after.clean(), "{:?}", after.findings);
        let of = |audit: &crate::audit::Audit| (audit.rows, audit.dead_letters, audit.dropped);
        let (rows, letters, dropped) = of(&before);
        assert_eq!(of(&after), (rows - 24, letters - 6, dropped + 6 * TAKEN));
        assert_eq!(resumes_at(&shore).await, [Offset(60); 2]);
        let signed = shore.certify(&forget, number).await;
        assert_eq!(signed.certificate.taken, 6 * TAKEN);
        assert_eq!(shore.proves(&signed).await, Vec::<String>::new());
        // Nothing is left to do, and nothing is done.
        let entries = shore.lake.ledger().await.unwrap().unwrap().next;
        assert_eq!(shore.erase(&forget).await, entries);
    }
}

#[tokio::test]
async fn what_came_after_the_request_is_kept() {
    let shore = Shore::new().await;
    let forget = shore.ask(40).await;
    shore.erase(&forget).await;
    let left = shore.mentions(SUBJECT).await;
    assert_eq!(left.len(), 4, "the last object of each partition: {left:?}");
    assert!(shore.audit().await.clean());
    let missing = shore.lake.uncommitted(&forget.until).await.unwrap();
    assert!(missing.is_empty());
    let more = [(Partition(0), Offset(61))].into();
    let missing = shore.lake.uncommitted(&more).await.unwrap();
    assert_eq!(missing, [(Partition(0), (Offset(60), Offset(61)))].into());
}

#[tokio::test]
async fn a_compaction_and_an_erasure_at_once_leave_no_row_of_the_subject_and_lose_none() {
    for late in [false, true] {
        let shore = Shore::new().await;
        let forget = shore.ask(60).await;
        let (number, hours) = match late {
            true => {
                let number = shore.erase(&forget).await;
                (number, shore.compact().await)
            }
            false => tokio::join!(shore.erase(&forget), shore.compact()),
        };
        assert!(number > 1, "{hours}");
        assert_eq!(shore.mentions(SUBJECT).await, Vec::<String>::new());
        let audit = shore.audit().await;
        assert!(audit.clean(), "{:?}", audit.findings);
        assert_eq!(audit.rows + audit.dead_letters, 120 - 6 * TAKEN);
    }
}

#[tokio::test]
async fn what_earlier_swaps_replaced_and_what_lands_late_is_deleted_too() {
    let shore = Shore::new().await;
    shore.compact().await;
    let forget = shore.ask(60).await;
    // What was compacted is still there, and so is what a killed maker wrote.
    let committed = shore.mentions(SUBJECT).await;
    let stray = shore.get(&committed[0]).await;
    shore.erase(&forget).await;
    assert_eq!(shore.mentions(SUBJECT).await, Vec::<String>::new());
    shore.put("swaps/0000.parquet", stray.clone()).await;
    shore.put(&committed[0], stray).await;
    assert_eq!(shore.mentions(SUBJECT).await.len(), 2);
    shore.erase(&forget).await;
    assert_eq!(shore.mentions(SUBJECT).await, Vec::<String>::new());
    assert!(shore.audit().await.clean());
    assert_eq!(shore.commit(0, 40, 1).await, Outcome::GivenUp);
}

#[tokio::test]
async fn what_counts_no_more_is_deleted_also_if_it_is_damaged_and_what_is_not_ours_is_left() {
    let shore = Shore::new().await;
    shore.compact().await;
    let replaced = shore.mentions(SUBJECT).await;
    let is_commit = |path: &&String| path.starts_with("clicks/");
    let path = replaced.iter().find(is_commit).unwrap();
    shore.flip(path).await;
    let flipped = shore.get(path).await;
    shore.put("swaps/of-others.parquet", flipped).await;
    let forget = shore.ask(60).await;
    shore.erase(&forget).await;
    let is_there = async |path: &str| shore.lake.size(path).await.unwrap().is_some();
    assert!(!is_there(path).await);
    assert!(is_there("swaps/of-others.parquet").await);
}

#[tokio::test]
async fn a_certificate_proves_and_each_of_ten_forgeries_is_found() {
    let shore = Shore::new().await;
    let forget = shore.ask(60).await;
    let before = shore.mentions(SUBJECT).await;
    let committed = before.iter().find(|path| path.starts_with("clicks/"));
    let committed = committed.unwrap().clone();
    let replaced = shore.get(&committed).await;
    let number = shore.erase(&forget).await;
    let signed = shore.certify(&forget, number).await;
    assert_eq!(shore.proves(&signed).await, Vec::<String>::new());
    let json = serde_json::to_string(&signed).unwrap();
    assert!(!json.contains(SUBJECT));
    assert_eq!(SignedCertificate::parse(json.as_bytes()).unwrap(), signed);

    let keys = shore.keys().await.signing_key();
    let check = |forged: SignedCertificate, expect: &'static str| {
        let shore = &shore;
        async move {
            let faults = shore.proves(&forged).await.join("; ");
            assert!(faults.contains(expect), "{expect}: {faults:?}");
        }
    };
    let forge = |change: &dyn Fn(&mut SignedCertificate)| {
        let mut forged = signed.clone();
        change(&mut forged);
        forged
    };
    // The holder of the key may sign what is not so: the ledger says otherwise.
    let sign = |forged: SignedCertificate| SignedCertificate::sign(forged.certificate, &keys);
    // 1: a number is changed.
    let more = forge(&|one| one.certificate.taken += 1);
    check(more.clone(), "its signature does not fit").await;
    // 2: and signed again by the lake's own key.
    check(sign(more), "number of rows").await;
    // 3: it is signed by another key.
    let other = LakeKeys::new([1; 32], [2; 32]).signing_key();
    let theirs = SignedCertificate::sign(signed.certificate.clone(), &other);
    check(theirs, "its key is not this lake's").await;
    // 4: it is said to be of another subject.
    let other = shore.keys().await.subjects().hash("v-1");
    let other = forge(&|one| one.certificate.subject = crate::Subject::Visitor(other));
    check(sign(other), "the ledger says otherwise: subject").await;
    // 5: it reaches further than was asked.
    let further = forge(&|one| {
        one.certificate.until.insert(Partition(0), Offset(99));
    });
    check(sign(further), "the ledger says otherwise: ends").await;
    // 6: an object that was replaced is left out.
    let fewer = forge(&|one| drop(one.certificate.before.pop_first()));
    check(sign(fewer), "objects before").await;
    // 7: what is not covered is left out.
    let all = forge(&|one| one.certificate.not_covered.clear());
    check(sign(all), "what is not covered").await;
    // 8: a replaced object is put back.
    shore.put(&committed, replaced).await;
    check(signed.clone(), "was replaced and is still there").await;
    shore.erase(&forget).await;
    check(signed.clone(), "").await;
    // 9: an object that took its place is another one.
    let (path, _) = signed.certificate.after.first_key_value().unwrap();
    let sound = shore.get(path).await;
    let mut flipped = sound.clone();
    flipped[100] ^= 1;
    shore.put(path, flipped).await;
    check(signed.clone(), "is not the object that was written").await;
    shore.put(path, sound).await;
    // 10: an entry of the ledger is another one.
    let entries = signed.certificate.entries.keys();
    let entry = entries.last().unwrap();
    let written = String::from_utf8(shore.get(entry).await).unwrap();
    let taken = format!("\"taken\": {}", signed.certificate.taken);
    assert!(written.contains(&taken), "{written}");
    let forged = written.replace(&taken, "\"taken\": 1");
    shore.put(entry, forged.into_bytes()).await;
    check(signed.clone(), "entries").await;
    shore.put(entry, written.into_bytes()).await;
    assert_eq!(shore.proves(&signed).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_certificate_of_another_lake_or_of_an_unfinished_erasure_proves_nothing() {
    let (shore, other) = (Shore::new().await, Shore::new().await);
    let forget = shore.ask(60).await;
    let number = shore.erase(&forget).await;
    let keys = shore.keys().await;
    let certificate = shore.lake.certificate(forget.id, LATER).await.unwrap();
    let signed = SignedCertificate::sign(certificate, &keys.signing_key());
    let unfinished = shore.proves(&signed).await;
    assert_eq!(
        unfinished,
        ["the ledger does not say that the erasure is complete"]
    );
    let faults = other.proves(&signed).await;
    assert_eq!(faults, ["this lake has signed no certificate"]);
    // Another maker came between: it must be looked at again.
    let written = shore
        .lake
        .certify(&signed, &keys, (number - 1, LATER))
        .await;
    assert!(!written.unwrap());
}

#[tokio::test]
async fn a_certificate_is_proved_after_a_replay_of_it_was_deleted() {
    let shore = Shore::new().await;
    let name = crate::ReplayName::parse("again").unwrap();
    let below = shore.replayed(&name, SUBJECT).await;
    let forget = shore.ask(60).await;
    shore.lake.forget_in_replays(&forget).await.unwrap();
    let number = shore.erase(&forget).await;
    shore.erase_in(&below.lake, &forget).await;
    let signed = shore.certify(&forget, number).await;
    let names = signed.certificate.before.keys();
    assert!(names.filter(|path| path.starts_with("replays/")).count() > 0);
    assert_eq!(shore.proves(&signed).await, Vec::<String>::new());
    shore.lake.delete_replay(&name).await.unwrap();
    assert_eq!(shore.proves(&signed).await, Vec::<String>::new());
    // Another one of that name has objects at the same paths.
    shore.replayed(&name, "v-1").await;
    assert_eq!(shore.proves(&signed).await, Vec::<String>::new());
    // What it says of the live lake is compared as before.
    let mut forged = signed.clone();
    forged.certificate.before.pop_first().unwrap();
    let forged = SignedCertificate::sign(forged.certificate, &shore.keys().await.signing_key());
    let faults = shore.proves(&forged).await.join("; ");
    assert!(faults.contains("objects before"), "{faults}");
}

#[tokio::test]
async fn a_flipped_bit_hides_nobody_from_an_erasure() {
    for is_compacted in [false, true] {
        let shore = Shore::new().await;
        if is_compacted {
            shore.compact().await;
        }
        let forget = shore.ask(60).await;
        let whole = shore.share(&forget).await.unwrap();
        assert_eq!(whole.rows + whole.letters, 6 * TAKEN);
        let mut counted = shore.mentions(SUBJECT).await;
        if is_compacted {
            // What was replaced is looked at no more.
            let ledger = shore.lake.ledger().await.unwrap().unwrap();
            let objects = ledger.coverage.objects().map(|one| one.path().to_string());
            let letters = ledger.coverage.letters().map(|one| one.path.clone());
            counted = objects.chain(letters).collect();
        }
        assert!(counted.iter().any(|path| path.starts_with("dead_letters/")));
        for path in counted {
            let sound = shore.get(&path).await;
            for part in [2, 3, 5] {
                let mut flipped = sound.clone();
                flipped[sound.len() / part] ^= 1;
                shore.put(&path, flipped).await;
                let share = shore.share(&forget).await;
                let said = share.expect_err(&path).to_string();
                assert!(said.contains(&path), "{said}");
            }
            shore.put(&path, sound).await;
        }
        assert_eq!(shore.share(&forget).await.unwrap(), whole);
    }
}
