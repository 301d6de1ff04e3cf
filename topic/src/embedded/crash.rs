//! Faults 8, 9 and 10: a process that appends is killed, its fsync fails, its disk is
//! full. The process is this test itself, started again in a folder that holds a note.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use super::tests::{Folder, config};
use super::*;
use crate::Draft;

/// What makes a started test the child, in its working directory.
const NOTE: &str = "this-process-appends";
/// How long a test waits for the child's next line.
const CHILD_TIMEOUT: Duration = Duration::from_secs(30);

/// A value of a few kilobytes that does not compress, so that a journal fills.
fn value(number: usize) -> Vec<u8> {
    let mut value = format!("{number}:").into_bytes();
    let mut noise = number as u64 + 1;
    while value.len() < 6_000 {
        noise = noise
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        value.extend(noise.to_le_bytes());
    }
    value
}

fn number_of(record: &Record) -> usize {
    let value = record.value.as_deref().unwrap();
    let digits = value.split(|&byte| byte == b':').next().unwrap();
    let number = std::str::from_utf8(digits).unwrap().parse().unwrap();
    assert_eq!(value, self::value(number), "a record's bytes are whole");
    number
}

/// The child: appends one number after the other and says how each was answered.
async fn append_for_ever() {
    let mut out = std::io::stdout();
    out.write_all(format!("pid {}\n", std::process::id()).as_bytes())
        .unwrap();
    let with = Open {
        clock: crate::clock::system(),
        create: true,
    };
    let topic = open(&config(1), Path::new("topic"), with).await.unwrap();
    for number in 0.. {
        let draft = Draft {
            key: "k".into(),
            value: value(number).into(),
        };
        let answer = match topic.writer().unwrap().append(vec![draft]) {
            Ok(delivery) => delivery.await.map(drop),
            Err(error) => Err(error),
        };
        let line = match answer {
            Ok(()) => format!("ok {number}\n"),
            Err(error) => {
                let read = topic.fetch(Partition(0), Offset(0), 1).await.is_ok();
                tokio::time::sleep(Duration::from_millis(20)).await;
                format!("no {number} {read} {error}\n")
            }
        };
        out.write_all(line.as_bytes()).unwrap();
    }
}

/// The child's answers. A test harness writes lines of its own too; they are skipped.
struct Answers {
    child: Child,
    /// The child's own process: a wrapper around it must not take it along.
    process: Option<String>,
    lines: Receiver<String>,
    acknowledged: Vec<usize>,
}

impl Answers {
    /// Starts the test `name` as the child in `folder`, behind `prefix`.
    fn start(folder: &Path, name: &str, prefix: &[&str]) -> std::io::Result<Self> {
        std::fs::write(folder.join(NOTE), "")?;
        let program = std::env::current_exe()?;
        let name = format!("{}::{name}", module_path!().split_once("::").unwrap().1);
        let mut words = prefix
            .iter()
            .map(std::ffi::OsStr::new)
            .chain([program.as_os_str()]);
        let mut child = Command::new(words.next().unwrap())
            .args(words)
            .args(["--exact", &name, "--nocapture", "--test-threads=1"])
            .current_dir(folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let (sender, lines) = sync_channel(1_000);
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            child,
            process: None,
            lines,
            acknowledged: Vec::new(),
        })
    }

    /// Reads on until `enough` says so; gives the line at which it did.
    fn until(&mut self, enough: impl Fn(&str, usize) -> bool) -> String {
        let started = tokio::time::Instant::now();
        loop {
            assert!(
                started.elapsed() < CHILD_TIMEOUT,
                "the child comes so far in time"
            );
            let line = self
                .lines
                .recv_timeout(CHILD_TIMEOUT)
                .expect("the child answers");
            if let Some(at) = line.find("pid ") {
                self.process = Some(line[at + 4..].to_owned());
            }
            // The harness may have begun the line.
            let Some(at) = line.find("ok ").or_else(|| line.find("no ")) else {
                continue;
            };
            let line = &line[at..];
            if let Some(number) = line.strip_prefix("ok ").and_then(|rest| rest.parse().ok()) {
                self.acknowledged.push(number);
            }
            if enough(line, self.acknowledged.len()) {
                return line.to_owned();
            }
        }
    }

    /// Kills the child and takes what it had said.
    fn kill(mut self) -> Vec<usize> {
        self.end();
        while let Ok(line) = self.lines.recv_timeout(CHILD_TIMEOUT) {
            if let Some(number) = line.strip_prefix("ok ").and_then(|rest| rest.parse().ok()) {
                self.acknowledged.push(number);
            }
        }
        std::mem::take(&mut self.acknowledged)
    }

    fn end(&mut self) {
        if let Some(process) = self.process.take() {
            // It may be gone already.
            let _ = Command::new("kill")
                .args(["-9", &process])
                .stderr(Stdio::null())
                .status();
        } else {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        self.end();
    }
}

/// Says in one line what a machine cannot cause; under CI that is a failure.
fn left_out(what: &str) {
    #[expect(
        clippy::disallowed_methods,
        reason = "the tests are started by a person or CI, not by compose"
    )]
    let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(!ci, "{what}");
    // Written past the test harness's capture.
    let _ = writeln!(std::io::stderr(), "left out: {what}");
}

fn is_child() -> bool {
    Path::new(NOTE).exists()
}

/// What the topic in `folder` holds, in order.
async fn numbers(folder: &Path) -> Vec<usize> {
    let with = Open {
        clock: crate::clock::system(),
        create: false,
    };
    let topic = open(&config(1), &folder.join("topic"), with).await.unwrap();
    let marks = topic.watermarks().await.unwrap()[&Partition(0)];
    let mut numbers = Vec::new();
    while (numbers.len() as u64) < marks.high.0 {
        let from = Offset(numbers.len() as u64);
        let records = topic.fetch(Partition(0), from, 500).await.unwrap();
        assert_eq!(records[0].offset, from, "offsets have no hole");
        numbers.extend(records.iter().map(number_of));
    }
    numbers
}

/// Every acknowledged number is there once and in order; of the others only the refused
/// ones may be missing.
fn check(numbers: &[usize], acknowledged: &[usize]) {
    assert!(
        numbers.is_sorted_by(|one, two| one < two),
        "in order, and each once: {numbers:?}"
    );
    let missing: Vec<_> = acknowledged
        .iter()
        .filter(|number| numbers.binary_search(number).is_err())
        .collect();
    assert_eq!(
        missing,
        Vec::<&usize>::new(),
        "what was acknowledged is there"
    );
}

#[tokio::test]
async fn fault_08_a_kill_in_an_append_keeps_what_was_acknowledged() {
    if is_child() {
        return append_for_ever().await;
    }
    for round in 0..4 {
        let folder = tempfile::tempdir().unwrap();
        let name = "fault_08_a_kill_in_an_append_keeps_what_was_acknowledged";
        let mut answers = Answers::start(folder.path(), name, &[]).unwrap();
        answers.until(|_, acknowledged| acknowledged > 5 + round * 17);
        let acknowledged = answers.kill();
        check(&numbers(folder.path()).await, &acknowledged);
    }
}

#[tokio::test]
async fn fault_08_a_garbled_tail_is_dropped_and_the_rest_is_kept() {
    let mut folder = Folder::new();
    folder.config.max_record = ByteSize::kib(64);
    let topic = folder.topic().await;
    for number in 0..20 {
        let draft = Draft {
            key: "k".into(),
            value: value(number).into(),
        };
        topic
            .writer()
            .unwrap()
            .append(vec![draft])
            .unwrap()
            .await
            .unwrap();
    }
    drop(topic);
    let journal = folder.folder.path().join("0.jnl");
    let whole = loop {
        // The last handles close a moment after the topic is dropped.
        if let Ok(topic) = folder.try_open().await {
            drop(topic);
            break std::fs::read(&journal).unwrap();
        }
    };
    let end = whole.iter().rposition(|&byte| byte != 0).unwrap() + 1;
    let last = end - 5_000;
    // In the last batch: cut at several places, zeroed, garbled within, garbled trailer.
    let cut = |at: usize| whole[..at].to_vec();
    let garbled = |range: std::ops::Range<usize>, mask: u8| {
        let mut bytes = whole.clone();
        bytes[range].iter_mut().for_each(|byte| *byte ^= mask);
        bytes
    };
    let mut zeroed = whole.clone();
    zeroed[last..].fill(0);
    let tails = [
        cut(end - 1),
        cut(end - 12),
        cut(last),
        zeroed,
        garbled(last..last + 1, 1),
        garbled(last..last + 900, 0xff),
        garbled(end - 3..end, 0xff),
    ];
    for (index, tail) in tails.into_iter().enumerate() {
        let copy = tempfile::tempdir().unwrap();
        let status = Command::new("cp")
            .arg("-r")
            .arg(folder.folder.path())
            .arg(copy.path().join("topic"))
            .status();
        assert!(status.unwrap().success());
        std::fs::write(copy.path().join("topic/0.jnl"), tail).unwrap();
        let numbers = numbers(copy.path()).await;
        assert_eq!(numbers, (0..19).collect::<Vec<_>>(), "tail {index}");
    }
}

#[tokio::test]
async fn fault_09_after_a_failed_fsync_nothing_is_acknowledged_until_a_reopen() {
    let name = "fault_09_after_a_failed_fsync_nothing_is_acknowledged_until_a_reopen";
    if is_child() {
        return append_for_ever().await;
    }
    let probed = Command::new("strace")
        .args(["-o", "/dev/null", "true"])
        .stderr(Stdio::null())
        .status();
    if !probed.is_ok_and(|status| status.success()) {
        return left_out(
            "an fsync that fails needs strace, and to be let trace: `make test-setup`",
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let prefix = [
        "strace",
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        "trace=fdatasync",
    ];
    let inject = ["-e", "inject=fdatasync:error=EIO:when=20..21"];
    let mut answers =
        Answers::start(folder.path(), name, &[&prefix[..], &inject].concat()).unwrap();
    let refused = answers.until(|line, _| line.starts_with("no "));
    assert!(refused.contains("cannot be written"), "{refused}");
    let before = answers.acknowledged.len();
    answers.until(|_, acknowledged| acknowledged > before + 20);
    let acknowledged = answers.kill();
    check(&numbers(folder.path()).await, &acknowledged);
}

#[tokio::test]
async fn fault_10_a_full_disk_refuses_appends_and_goes_on_when_there_is_room() {
    let name = "fault_10_a_full_disk_refuses_appends_and_goes_on_when_there_is_room";
    if is_child() {
        return append_for_ever().await;
    }
    let folder = tempfile::tempdir().unwrap();
    let room = folder.path().join("topic");
    std::fs::create_dir(&room).unwrap();
    // A small disk of the child's own: a tmpfs in a name space of its own, which holds
    // a file that the test takes away later, from within the same name space.
    let script = "mount -t tmpfs -o size=4m clicks topic && head -c 2500000 /dev/zero >topic/ballast \
                  && { sh -c 'for i in $(seq 300); do [ -e room ] && break; sleep 0.1; done; rm topic/ballast' & } && exec \"$0\" \"$@\"";
    // Root needs no name space of users, and in a changed root gets none.
    let alone = ["-m", "-Urm"].into_iter().find(|alone| {
        let mut probe = Command::new("unshare");
        probe.args([alone, "mount", "-t", "tmpfs", "probe", "topic"]);
        let probed = probe.current_dir(&folder).stderr(Stdio::null()).status();
        probed.is_ok_and(|status| status.success())
    });
    let Some(alone) = alone else {
        return left_out("a full disk needs a name space of its own: root, or user name spaces");
    };
    let prefix = ["unshare", alone, "sh", "-c", script];
    let mut answers = Answers::start(folder.path(), name, &prefix).unwrap();
    let refused = answers.until(|line, _| line.starts_with("no "));
    assert!(refused.contains("cannot be written"), "{refused}");
    let reading = answers.until(|line, _| line.starts_with("no ") && line.contains(" true "));
    assert!(reading.starts_with("no "), "reads go on");
    let before = answers.acknowledged.len();
    assert!(before > 5, "appends were taken before the disk was full");
    std::fs::write(folder.path().join("room"), "").unwrap();
    answers.until(|_, acknowledged| acknowledged > before + 20);
    answers.kill();
}
