//! What is refused, and what the refusal says.

use std::path::PathBuf;
use std::process::Output;

use tests::clickweir::Place;

use super::{ALWAYS, NO_WINDOW, clicks, files, replay, replayed, said};

/// A node whose topic has a few clicks, and a replay `a` of the offsets 1 and 2.
struct Scene(Place);

fn offsets(first: &'static str, end: &'static str) -> [&'static str; 6] {
    [
        "--partition",
        "0",
        "--from-offset",
        first,
        "--to-offset",
        end,
    ]
}

/// The command failed and said each of the words.
fn refused(output: &Output, words: &[&str]) {
    assert!(!output.status.success());
    for word in words {
        assert!(said(output).contains(word), "{word}: {}", said(output));
    }
}

impl Scene {
    fn run(&self, command: &[&str]) -> Output {
        self.0.run(command).unwrap()
    }

    fn replay(&self, name: &str, range: &[&str]) -> Output {
        replay(&self.0, name, range)
    }

    fn folder(&self, below: &str) -> PathBuf {
        self.0.path().join("data/lake").join(below)
    }

    fn refuses_ranges(&self) {
        let without_window = [&offsets("1", "3")[..], &NO_WINDOW].concat();
        let elsewhere = ["--partition", "7", "--from-offset", "1", "--to-offset", "3"];
        for (name, range, words) in [
            (
                "a",
                &offsets("1", "4")[..],
                &["partition 0: 1..3", "another name"][..],
            ),
            (
                "a",
                &without_window,
                &["another configuration", "another name"],
            ),
            (
                "b",
                &offsets("1", "1000000"),
                &["committed it up to", "wait"],
            ),
            ("b", &offsets("3", "3"), &["no click was appended"]),
            ("b", &elsewhere, &["no partition 7", "0 to 0"]),
            ("b", &[], &["no replay b (a)", "--from-offset"]),
            (
                "b",
                &["--from", "now", "--to", "then"],
                &["is not a date we can read"],
            ),
            ("b", &["--partition", "0"], &["--from-offset"]),
        ] {
            refused(&self.replay(name, range), words);
        }
    }

    fn refuses_names(&self) {
        for name in ["", "B", "b; DROP TABLE clicks", "../b", "live", "b'"] {
            let replayed = self.replay(name, &offsets("1", "3"));
            refused(&replayed, &["cannot name a replay"]);
            for command in ["diff", "promote", "rollback"] {
                refused(&self.run(&[command, name]), &["cannot name a replay"]);
            }
        }
        for command in ["diff", "promote"] {
            let words = ["no replay b (a)", "clickweir replay --into b"];
            refused(&self.run(&[command, "b"]), &words);
        }
    }

    /// Promotes `a`.
    fn refuses_a_second_promotion(&self) {
        let rolled_back = self.run(&["rollback", "b"]);
        refused(&rolled_back, &["not promoted", "there is none"]);
        self.0.must(&["promote", "a"]).unwrap();
        let promoted = self.run(&["promote", "a"]);
        refused(&promoted, &["promoted already", "clickweir rollback a"]);
        refused(&self.run(&["rollback", "b"]), &["promoted now: a"]);
    }

    /// One bit of a replay flips: it is not promoted, and the audit names it until it is
    /// deleted.
    fn refuses_a_damaged_replay(&self) {
        replayed(&self.0, "b", &offsets("0", "3"));
        let object = &files(&self.folder("replays/b/clicks"))[0];
        let mut bytes = std::fs::read(object).unwrap();
        bytes[100] ^= 1;
        std::fs::write(object, bytes).unwrap();
        let promoted = self.run(&["promote", "b"]);
        refused(&promoted, &["is damaged", "another name"]);
        assert!(!self.run(&["audit"]).status.success());
        assert!(clicks(&self.0) > 0);
        // Its deletion is interrupted: the rest is no replay.
        std::fs::remove_dir_all(self.folder("replays/b/_ledger")).unwrap();
        assert!(self.0.must(&["audit"]).unwrap().contains("clean"));
    }

    /// What was promoted is the live lake's own: the replay may go, and come back.
    fn needs_no_replay_that_is_promoted(&self) {
        let ledger = self.folder("replays/a/_ledger");
        let away = self.0.path().join("away");
        std::fs::rename(&ledger, &away).unwrap();
        assert!(self.0.must(&["audit"]).unwrap().contains("clean"));
        std::fs::rename(&away, &ledger).unwrap();
        self.0.must(&["audit"]).unwrap();
    }

    /// The live objects that a promotion must cut are truncated.
    fn refuses_a_promotion_that_cannot_read_what_stays(&self) {
        self.0.must(&["rollback", "a"]).unwrap();
        let settled = self.run(&["promote", "--settle", "a"]);
        refused(&settled, &["not promoted"]);
        for object in files(&self.folder("swaps")) {
            let bytes = std::fs::read(&object).unwrap();
            std::fs::write(&object, &bytes[..bytes.len() / 2]).unwrap();
        }
        refused(&self.run(&["promote", "a"]), &["swaps/", "damaged"]);
        let ledger = files(&self.folder("_ledger"));
        refused(&self.run(&["promote", "a"]), &["swaps/", "damaged"]);
        assert_eq!(files(&self.folder("_ledger")), ledger);
    }
}

#[tokio::test]
async fn what_cannot_be_replayed_or_promoted_is_refused_with_the_remedy() {
    let place = Place::new().unwrap().with("TOPIC__PARTITIONS", "1");
    refused(&replay(&place, "a", &ALWAYS), &["the lake is empty"]);
    place.must(&["up", "--visitors", "3", "--once"]).unwrap();
    let up = place.up(&[]).unwrap();
    let scene = Scene(place);
    replayed(&scene.0, "a", &offsets("1", "3"));
    scene.refuses_ranges();
    scene.refuses_names();
    scene.refuses_a_second_promotion();
    scene.refuses_a_damaged_replay();
    scene.needs_no_replay_that_is_promoted();
    scene.refuses_a_promotion_that_cannot_read_what_stays();
    assert!(up.process.end().unwrap());
}
