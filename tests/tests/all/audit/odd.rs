//! Both audits over what others put into the lake: they end soon and in little memory, with a
//! sentence for what they found and exit code 1, beside a running `up` and without it.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;
use tests::clickweir::{Place, Up, make_pipe};
use tests::tree::files;
use tests::usage;
use tokio::time::Instant;

/// How long an audit of a small lake may take, whatever is in it.
const SOON: Duration = Duration::from_secs(60);
/// How much more memory it may take, in megabytes.
const LITTLE: f64 = 300.0;

/// A running shop whose lake has an object, and one of dead letters.
async fn shop() -> (Place, Up, PathBuf) {
    let place = Place::new().unwrap().with("TOPIC__PARTITIONS", "1");
    let up = place.up(&[]).unwrap();
    let client = reqwest::Client::new();
    for click in [json!({"action": "view"}), json!({"quantity": "many"})] {
        let sent = client.post(format!("{}/v1/events", up.shop)).json(&click);
        assert_eq!(sent.send().await.unwrap().status(), 202);
    }
    place.settled().await.unwrap();
    let object = files(&place.path().join("data/lake/clicks")).remove(0);
    (place, up, object)
}

/// Runs both audits, each of which must find something, and returns what they print.
fn audits(place: &Place, up: Option<&Up>) -> Vec<String> {
    let memory = || up.map_or(0.0, |up| usage::peak(up.process.id()).unwrap());
    let before = memory();
    let said = [&["audit"][..], &["audit", "--deep"]].map(|arguments| {
        let begun = Instant::now();
        let output = place.run(arguments).unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}{errors}");
        assert!(
            begun.elapsed() < SOON,
            "{arguments:?}: {:?}",
            begun.elapsed()
        );
        assert!(said.contains("NOT clean"), "{said}{errors}");
        said
    });
    assert!(
        memory() - before < LITTLE,
        "{before} MB, then {} MB",
        memory()
    );
    said.into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_9_both_audits_end_soon_and_small_over_files_of_any_size() {
    let (place, up, object) = shop().await;
    let sound = fs::read(&object).unwrap();
    let named = |first: u64| object.with_file_name(format!("00000-{first:020}.parquet"));
    let sparse = |path: &Path, size: u64, end: &[u8]| {
        let file = File::create(path).unwrap();
        file.set_len(size).unwrap();
        file.write_all_at(end, size - end.len() as u64).unwrap();
    };
    sparse(&named(9_001), 1 << 40, b"");
    sparse(&named(9_002), 1 << 40, &sound);
    sparse(&named(9_003), 3 << 30, &sound);
    // A footer that is as long as half of its file, and one that declares what no memory holds.
    let end = [&(1_u32 << 30).to_le_bytes()[..], b"PAR1"].concat();
    sparse(&named(9_004), 2 << 30, &end);
    let mut hostile = b"PAR1\x15\x02\x29\xfc\xff\xff\xff\xff\x07".to_vec();
    hostile.resize(122, 0);
    hostile.extend(118_u32.to_le_bytes());
    fs::write(named(9_005), [&hostile[..], b"PAR1"].concat()).unwrap();
    fs::write(named(9_006), b"").unwrap();
    let letters = files(&place.path().join("data/lake/dead_letters")).remove(0);
    let kept = fs::read(&letters).unwrap();
    sparse(&letters, 1 << 40, b"");
    let expect = [
        "09001.parquet: ",
        "more than clickweir writes",
        "09003.parquet: ",
        "describes another number",
        "longer than 64 MiB",
        "declares more than it holds",
        "it is empty",
        letters.file_name().unwrap().to_str().unwrap(),
        "to mend it",
    ];
    let check = |up: Option<&Up>| {
        for said in audits(&place, up) {
            for part in expect {
                assert!(said.contains(part), "{part} in {said}");
            }
        }
    };
    check(Some(&up));
    assert!(up.process.end().unwrap());
    check(None);
    for first in 9_001..=9_006 {
        fs::remove_file(named(first)).unwrap();
    }
    fs::write(&letters, kept).unwrap();
    place.must(&["audit", "--deep"]).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_10_both_audits_name_what_others_put_into_the_lake() {
    let (place, up, object) = shop().await;
    let hour = object.parent().unwrap();
    fs::write(hour.join("two\nlines"), "x").unwrap();
    fs::write(hour.join(OsStr::from_bytes(b"latin-\xe9")), "x").unwrap();
    fs::write(hour.join("50%off 'and' \"more\""), "x").unwrap();
    fs::write(hour.join("x".repeat(255)), "x").unwrap();
    fs::write(hour.join("+0000-00000000000000000000.parquet"), "x").unwrap();
    symlink(".", hour.join("self")).unwrap();
    symlink("/", hour.join("root")).unwrap();
    symlink(&object, hour.join("00000-00000000000000000077.parquet")).unwrap();
    fs::create_dir_all(hour.join("00000-00000000000000000078.parquet/theirs")).unwrap();
    fs::write(
        hour.join("00000-00000000000000000078.parquet/theirs/file"),
        "x",
    )
    .unwrap();
    let pipe = hour.join("00000-00000000000000000079.parquet");
    make_pipe(&pipe);
    fs::create_dir_all(place.path().join("data/lake/clicks/backup/of/mine")).unwrap();
    for number in 0..200 {
        let name = format!("data/lake/clicks/backup/of/mine/{number}.csv");
        fs::write(place.path().join(name), "x").unwrap();
    }
    let check = |up: Option<&Up>| {
        for said in audits(&place, up) {
            for part in [
                "no object has such a name",
                "more files have names that no object has",
                "clicks/backup/of/mine/",
                "move it out of the lake",
            ] {
                assert!(said.contains(part), "{part} in {said}");
            }
            let lines = said.lines().count();
            assert!(lines < 150, "{lines} lines");
        }
    };
    check(Some(&up));
    fs::remove_dir_all(place.path().join("data/lake/clicks/backup")).unwrap();
    for said in audits(&place, Some(&up)) {
        for part in [
            "two%0Alines",
            "latin-\u{fffd}",
            "50%off 'and' \"more\"",
            "+0000-00000000000000000000.parquet",
            "self (a symbolic link)",
            "root (a symbolic link)",
            "77.parquet (a symbolic link)",
            "78.parquet/theirs/file",
            "79.parquet (no file)",
        ] {
            assert!(said.contains(part), "{part} in {said}");
        }
    }
    // Crawls and publications go on, and the crawl says what it leaves out.
    let client = reqwest::Client::new();
    let sent = client
        .post(format!("{}/v1/events", up.shop))
        .json(&json!({"action": "buy"}));
    assert_eq!(sent.send().await.unwrap().status(), 202);
    place.settled().await.unwrap();
    assert_eq!(place.ask("SELECT count(*) FROM clicks").unwrap(), json!(2));
    let said = place.ask("SELECT detail FROM crawls ORDER BY started_at DESC LIMIT 1");
    assert!(said.unwrap().to_string().contains("foreign clicks/"));
    place.must(&["publish"]).unwrap();
    assert!(up.process.end().unwrap());
}
