//! What a hostile tester did to whole processes.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::json;
use sink::Hour;
use tests::clickweir::{Place, Process, make_pipe};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout};
use topic::clock;

/// How long a command may wait for an owner that is silent.
const SILENCE: Duration = Duration::from_secs(20);

/// The exit code and what was said on standard error.
fn said(output: &Output) -> (Option<i32>, String) {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), text)
}

/// Runs a command to its end, beside the test.
async fn run(place: &Place, arguments: &[&str]) -> Output {
    let mut command = place.command(arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let running = tokio::task::spawn_blocking(move || command.output().unwrap());
    running.await.unwrap()
}

/// Sends one click.
async fn click(edge: &str) -> u16 {
    let client = reqwest::Client::new();
    let sent = client.post(format!("{edge}/v1/events"));
    let sent = sent.json(&json!({ "action": "view", "visitor_id": "ada" }));
    sent.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn attack_8_a_log_that_cannot_be_written_stops_nothing() {
    let place = Place::new().unwrap().with("LOG__LEVEL", "trace");
    let mut command = place.command(&["up"]);
    command.stderr(OpenOptions::new().write(true).open("/dev/full").unwrap());
    let mut up = Process::spawn(&mut command).unwrap();
    let word = |line: String| line.split_whitespace().next().unwrap().to_owned();
    let edge = word(up.line_after("edge ").unwrap());
    let pages = word(up.line_after("dashboard ").unwrap());
    for _ in 0..5 {
        assert_eq!(click(&edge).await, 202);
        // Each query is a line of the log.
        for path in ["api/query?sql=SELECT%201", "api/query?sql=SELEC", "nothing"] {
            let answer = reqwest::get(format!("{pages}{path}")).await;
            let status = answer.expect("an answer, not a closed connection").status();
            assert!(status.as_u16() < 500, "{path}: {status}");
        }
    }
    place.settled().await.unwrap();
    assert!(up.end().unwrap());
}

#[tokio::test]
async fn attack_8_an_answer_that_cannot_be_written_is_a_failure() {
    let place = Place::new().unwrap();
    for arguments in [["config", "show"], ["query", "SELECT 1"]] {
        let mut command = place.command(&arguments);
        command.stdout(OpenOptions::new().write(true).open("/dev/full").unwrap());
        let (code, said) = said(&command.stderr(Stdio::piped()).output().unwrap());
        assert_eq!(code, Some(1), "{said}");
        let expect = "the answer cannot be written to standard output: No space left on device";
        assert!(said.contains(expect), "{said}");
    }
}

/// Something that listens where an owner did.
async fn imposter(place: &Place) -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    fs::create_dir_all(place.path().join("data")).unwrap();
    let owner = json!({ "pid": 1_234_567, "address": address, "token": "of the owner" });
    fs::write(place.path().join("data/owner.json"), owner.to_string()).unwrap();
    listener
}

/// Serves `behaves(0)`, `behaves(1)` and so on; `None` is silence.
async fn serve(listener: TcpListener, behaves: fn(usize) -> Option<&'static str>) {
    let mut open: Vec<TcpStream> = Vec::new();
    for number in 0.. {
        let (mut stream, _) = listener.accept().await.unwrap();
        if let Some(answer) = behaves(number) {
            let mut heard = [0; 8 << 10];
            let _ = stream.read(&mut heard).await.unwrap();
            let _ = stream.write_all(answer.as_bytes()).await;
        }
        open.push(stream);
    }
}

const PONG: &str =
    "HTTP/1.1 200 OK\r\nContent-Length: 15\r\nConnection: close\r\n\r\n{\"pid\":1234567}";
const UNKNOWN: &str =
    "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";

#[tokio::test]
async fn attack_14_no_command_waits_for_an_owner_that_falls_silent() {
    let behaves = |number| (number == 0).then_some(PONG);
    let check = async |arguments: &[&str]| {
        let place = Place::new().unwrap();
        let listener = imposter(&place).await;
        let serving = tokio::spawn(serve(listener, behaves));
        let begun = Instant::now();
        let output = timeout(SILENCE, run(&place, arguments)).await;
        let (code, said) = said(&output.unwrap_or_else(|_| panic!("{arguments:?} waits")));
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("process 1234567 owns the files"), "{said}");
        assert!(begun.elapsed() < SILENCE);
        serving.abort();
    };
    tokio::join!(
        check(&["topic"]),
        check(&["query", "SELECT 1"]),
        check(&["audit"]),
        check(&["publish"]),
        check(&["gap", "accept", "--partition", "0"]),
    );
}

#[tokio::test]
async fn attack_14_what_listens_in_the_owners_place_is_not_taken_for_it() {
    let place = Place::new().unwrap();
    let behaves = |_| Some(UNKNOWN);
    let listener = imposter(&place).await;
    let serving = tokio::spawn(serve(listener, behaves));
    let output = run(&place, &["query", "SELECT 1 AS one"]).await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success() && text.contains("one"),
        "{:?}",
        said(&output)
    );
    serving.abort();
}

/// Waits until a process has written the owner's file, and returns what it says.
async fn owner(file: &Path, other_than: &str) -> String {
    let written = async {
        loop {
            match fs::read_to_string(file) {
                Ok(owner) if owner != other_than => return owner,
                _ => sleep(Duration::from_millis(20)).await,
            }
        }
    };
    timeout(SILENCE, written)
        .await
        .expect("it becomes the owner")
}

#[tokio::test]
async fn attack_15_a_second_process_does_not_take_the_owners_file() {
    let place = Place::new().unwrap();
    let up = place.up(&[]).unwrap();
    let file = place.path().join("data/owner.json");
    let owner = owner(&file, "").await;
    let second = [
        "up",
        "--set=topic.url=file:data/other-topic",
        "--set=lake.url=file:data/other-lake",
        "--set=catalog.path=data/other.duckdb",
    ];
    let (code, said) = said(&run(&place, &second).await);
    assert_eq!(code, Some(1), "{said}");
    let expect = format!("process {} owns the files in data", up.process.id());
    assert!(
        said.contains(&expect) && said.contains("set catalog.path"),
        "{said}"
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), owner);
    place.must(&["topic"]).unwrap();
    // A file that is another's by now stays.
    let others = owner.replace("\"token\":\"", "\"token\":\"0");
    fs::write(&file, &others).unwrap();
    assert!(up.process.end().unwrap());
    assert_eq!(fs::read_to_string(&file).unwrap(), others);
    // One that a killed process left is taken.
    let up = place.up(&[]).unwrap();
    self::owner(&file, &others).await;
    assert!(up.process.end().unwrap());
    assert!(!file.exists());
}

#[tokio::test]
async fn attack_17_a_folder_that_cannot_be_made_is_named_with_the_remedy() {
    let place = Place::new().unwrap();
    fs::write(place.path().join("data"), "a file").unwrap();
    for (set, expect) in [
        (
            "catalog.path=data/catalog.duckdb",
            "the folder data cannot be made: a file of that name is there; set catalog.path",
        ),
        (
            "catalog.path=/proc/none/catalog.duckdb",
            "the folder /proc/none cannot be made: ",
        ),
    ] {
        let (code, said) = said(&run(&place, &["up", "--set", set]).await);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(expect), "{said}");
    }
    let other = ["up", "--set=catalog.path=other/catalog.duckdb"];
    let (code, said) = said(&run(&place, &other).await);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("data/topic"), "{said}");
    let third = [
        "up",
        "--set=catalog.path=other/catalog.duckdb",
        "--set=topic.url=file:other/topic",
    ];
    let (code, said) = self::said(&run(&place, &third).await);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("the lake's folder data/lake cannot be used"),
        "{said}"
    );
}

/// What others may do with a file or folder, and all below it.
fn open_to_others(path: &Path, found: &mut Vec<String>) {
    let metadata = fs::symlink_metadata(path).unwrap();
    if metadata.permissions().mode() & 0o077 != 0 {
        found.push(format!(
            "{} {:o}",
            path.display(),
            metadata.permissions().mode()
        ));
    }
    if metadata.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            open_to_others(&entry.unwrap().path(), found);
        }
    }
}

#[tokio::test]
async fn attack_23_what_is_made_is_for_its_user_only() {
    let place = Place::new().unwrap();
    let mut umask = Command::new("sh");
    umask.args(["-c", "umask 0000 && exec \"$0\" up"]);
    umask.arg(place.command(&[]).get_program());
    let plain = place.command(&[]);
    umask.envs(
        plain
            .get_envs()
            .filter_map(|(key, value)| Some((key, value?))),
    );
    umask.current_dir(place.path());
    let mut up = Process::spawn(&mut umask).unwrap();
    let edge = up.line_after("edge ").unwrap();
    up.line_after("dashboard ").unwrap();
    assert_eq!(click(edge.split_whitespace().next().unwrap()).await, 202);
    place.settled().await.unwrap();
    assert!(up.end().unwrap());
    let mut found = Vec::new();
    open_to_others(&place.path().join("data"), &mut found);
    assert!(found.is_empty(), "{found:?}");
}

#[tokio::test]
async fn attack_10_a_pipe_in_the_next_objects_place_is_named_and_nothing_waits_for_it() {
    let place = Place::new().unwrap().with("TOPIC__PARTITIONS", "1");
    let log = place.path().join("log");
    let start = || {
        let mut command = place.command(&["up"]);
        command.stderr(
            OpenOptions::new()
                .append(true)
                .create(true)
                .open(&log)
                .unwrap(),
        );
        let mut up = Process::spawn(&mut command).unwrap();
        let edge = up.line_after("edge ").unwrap();
        (up, edge.split_whitespace().next().unwrap().to_owned())
    };
    let (up, edge) = start();
    assert_eq!(click(&edge).await, 202);
    place.settled().await.unwrap();
    // The clock may pass to the next hour meanwhile.
    let now = clock::system().now();
    let pipes: Vec<_> = [Hour::of(now), Hour::of(now).next()]
        .iter()
        .map(|hour| {
            let folder = place.path().join(format!("data/lake/clicks/{hour}"));
            fs::create_dir_all(&folder).unwrap();
            folder.join(format!("00000-{:020}.parquet", 1))
        })
        .collect();
    let plant = || pipes.iter().for_each(|pipe| make_pipe(pipe));
    let said = async || {
        let expect = "is a named pipe, where the lake has an object of its own: move it out";
        let told = async {
            while !fs::read_to_string(&log).unwrap().contains(expect) {
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(SILENCE, told).await.expect("it is named");
    };
    plant();
    assert_eq!(click(&edge).await, 202);
    said().await;
    // A start meets it, too; and once it is gone, all goes on.
    assert!(up.end().unwrap());
    fs::write(&log, "").unwrap();
    let (up, edge) = start();
    assert_eq!(click(&edge).await, 202);
    said().await;
    pipes.iter().for_each(|pipe| fs::remove_file(pipe).unwrap());
    let verdict = place.settled().await.unwrap();
    assert_eq!(verdict["rows"], 3, "{verdict}");
    assert!(up.end().unwrap());
}
