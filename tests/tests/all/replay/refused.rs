//! What is refused, and what is told when something cannot be done.

use super::*;

#[tokio::test]
async fn what_cannot_be_replayed_or_promoted_is_refused_with_the_remedy() {
    let place = Place::new().unwrap().with("TOPIC__PARTITIONS", "1");
    let empty = replay(&place, "a", &ALWAYS);
    assert!(
        said(&empty).contains("the lake is empty"),
        "{}",
        said(&empty)
    );
    place.must(&["up", "--visitors", "3", "--once"]).unwrap();
    let up = place.up(&[]).unwrap();
    let offsets = |first: &'static str, end: &'static str| {
        [
            "--partition",
            "0",
            "--from-offset",
            first,
            "--to-offset",
            end,
        ]
    };
    replayed(&place, "a", &offsets("1", "3"));
    let refused = |output: Output, words: &[&str]| {
        assert!(!output.status.success());
        for word in words {
            assert!(said(&output).contains(word), "{word}: {}", said(&output));
        }
    };
    let run = |command: &[&str]| place.run(command).unwrap();
    refused(
        replay(&place, "a", &offsets("1", "4")),
        &["partition 0: 1..3", "another name"],
    );
    refused(
        replay(&place, "a", &[&offsets("1", "3")[..], &NO_WINDOW].concat()),
        &["another configuration", "another name"],
    );
    refused(
        replay(&place, "b", &offsets("1", "1000000")),
        &["committed it up to", "wait"],
    );
    refused(
        replay(&place, "b", &offsets("3", "3")),
        &["no click was appended"],
    );
    refused(
        replay(
            &place,
            "b",
            &["--partition", "7", "--from-offset", "1", "--to-offset", "3"],
        ),
        &["no partition 7", "0 to 0"],
    );
    refused(
        replay(&place, "b", &[]),
        &["no replay b (a)", "--from-offset"],
    );
    refused(
        replay(&place, "b", &["--from", "now", "--to", "then"]),
        &["no moment"],
    );
    refused(
        replay(&place, "b", &["--partition", "0"]),
        &["--from-offset"],
    );
    for name in ["", "B", "b; DROP TABLE clicks", "../b", "live", "b'"] {
        refused(
            replay(&place, name, &offsets("1", "3")),
            &["cannot name a replay"],
        );
        for command in ["diff", "promote", "rollback"] {
            refused(run(&[command, name]), &["cannot name a replay"]);
        }
    }
    for command in ["diff", "promote"] {
        refused(
            run(&[command, "b"]),
            &["no replay b (a)", "clickweir replay --into b"],
        );
    }
    refused(run(&["rollback", "b"]), &["not promoted", "there is none"]);
    place.must(&["promote", "a"]).unwrap();
    refused(
        run(&["promote", "a"]),
        &["promoted already", "clickweir rollback a"],
    );
    refused(run(&["rollback", "b"]), &["promoted now: a"]);

    // One bit of another replay flips: it is not promoted.
    replayed(&place, "b", &offsets("0", "3"));
    let objects = files(&place.path().join("data/lake/replays/b/clicks"));
    let mut bytes = std::fs::read(&objects[0]).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&objects[0], bytes).unwrap();
    refused(run(&["promote", "b"]), &["is damaged", "another name"]);
    assert!(!run(&["audit"]).status.success(), "and the audit names it");
    assert!(clicks(&place) > 0);

    // Its deletion is interrupted: what is left is no replay, and promoted it was never.
    let ledger = place.path().join("data/lake/replays/b/_ledger");
    std::fs::remove_dir_all(ledger).unwrap();
    assert!(place.must(&["audit"]).unwrap().contains("clean"));
    // One that is promoted is missed.
    let ledger = place.path().join("data/lake/replays/a/_ledger");
    let away = place.path().join("away");
    std::fs::rename(&ledger, &away).unwrap();
    let audit = run(&["audit"]);
    let found = String::from_utf8_lossy(&audit.stdout).into_owned();
    assert!(
        !audit.status.success() && found.contains("a is promoted, and there is no replay a"),
        "{found}"
    );
    std::fs::rename(&away, &ledger).unwrap();
    place.must(&["audit"]).unwrap();

    // A live object out of which something must be cut is truncated.
    place.must(&["rollback", "a"]).unwrap();
    for object in files(&place.path().join("data/lake/clicks")) {
        let bytes = std::fs::read(&object).unwrap();
        std::fs::write(&object, &bytes[..bytes.len() / 2]).unwrap();
    }
    refused(
        run(&["promote", "a"]),
        &["it is in the ledger", "cannot show it yet", "parquet"],
    );
    refused(run(&["promote", "a"]), &["promoted already"]);
    assert!(up.process.end().unwrap());
}
