//! The commands of the pages are run as they are printed: those for one machine beside a running
//! demo, those for a cluster on a real Kafka and a real object store. The few that no test can
//! run are listed by name.

mod blocks;
mod session;

use std::collections::BTreeSet;

use tests::{kafka, s3};

use self::blocks::{Block, Command};
use self::session::Session;

/// Who runs a command that these tests cannot run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Elsewhere {
    /// `.ci/run` calls this target of make.
    Ci(&'static str),
    /// Another target of make does what the command does, or it needs a machine of its own;
    /// the sentence says which.
    Not(&'static str),
}

/// The beginnings of the commands that run elsewhere.
const ELSEWHERE: &[(&str, Elsewhere)] = &[
    ("make demo", Elsewhere::Ci("demo")),
    ("make test", Elsewhere::Ci("test")),
    (
        "make sim",
        Elsewhere::Not("the tests of `sim` run 200 seeds"),
    ),
    (
        "make soak",
        Elsewhere::Not("the test of `soak` runs shorter"),
    ),
    ("make bench", Elsewhere::Not("it takes an hour")),
    (
        "make up",
        Elsewhere::Not("make test-containers, where an engine is"),
    ),
    (
        "make down",
        Elsewhere::Not("make test-containers, where an engine is"),
    ),
    (
        "docker compose",
        Elsewhere::Not("the containers must run; the command inside is tried beside the demo"),
    ),
    (
        "make notebook",
        Elsewhere::Not("the test of `notebook` runs the same notebook"),
    ),
];

/// Returns who runs the command, `None` if the tests here do.
fn elsewhere(command: &Command) -> Option<Elsewhere> {
    let begins = |known: &str| {
        let rest = command.text.strip_prefix(known);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '=']))
    };
    let found = ELSEWHERE.iter().find(|(known, _)| begins(known));
    found.map(|(_, elsewhere)| *elsewhere)
}

/// Returns true if the block is for a cluster: it names brokers.
fn is_for_a_cluster(block: &Block) -> bool {
    let names_brokers = |command: &Command| command.text.contains("kafka://");
    block.commands.iter().any(names_brokers)
}

/// The blocks, without what runs elsewhere; those for a cluster, or the others.
fn to_run(for_a_cluster: bool) -> Vec<Block> {
    let blocks = blocks::all().into_iter();
    let mut blocks: Vec<Block> = blocks
        .filter(|block| is_for_a_cluster(block) == for_a_cluster)
        .collect();
    for block in &mut blocks {
        block
            .commands
            .retain(|command| elsewhere(command).is_none());
    }
    blocks.retain(|block| !block.commands.is_empty());
    blocks
}

/// The names of the metrics on a page, as samples have them; those of a histogram without the
/// endings.
fn families(page: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut histogram = String::new();
    for line in page.lines() {
        if let Some(family) = line.strip_prefix("# TYPE ") {
            histogram = family
                .strip_suffix(" histogram")
                .unwrap_or_default()
                .to_owned();
        } else if !line.starts_with('#') {
            let name = line.split(['{', ' ']).next().unwrap_or_default();
            let is_of_it = !histogram.is_empty() && name.starts_with(&histogram);
            names.insert(if is_of_it {
                histogram.clone()
            } else {
                name.to_owned()
            });
        }
    }
    names.remove("");
    names
}

#[test]
fn a_command_that_no_test_runs_is_known_by_name_and_runs_elsewhere() {
    let blocks = blocks::all();
    let all: Vec<&Command> = blocks.iter().flat_map(|block| &block.commands).collect();
    let read = |path: &str| std::fs::read_to_string(blocks::root().join(path)).unwrap();
    let (ci, makefile) = (read(".ci/run"), read("Makefile"));
    for (begins, how) in ELSEWHERE {
        let shown = all.iter().any(|command| command.text.starts_with(begins));
        assert!(shown, "no page shows {begins} any more");
        if let Some(target) = begins.strip_prefix("make ") {
            let rule = format!("\n{target}:");
            assert!(makefile.contains(&rule), "the Makefile has no {target}");
        }
        if let Elsewhere::Ci(target) = how {
            let mut calls = ci.lines().filter(|line| line.starts_with("make "));
            let called = calls.any(|line| line.split(' ').any(|word| word == *target));
            assert!(called, ".ci/run does not call make {target}");
        }
    }
    for command in all {
        let is_make = command.text.starts_with("make ");
        assert!(
            !is_make || elsewhere(command).is_some(),
            "{}: say who runs it",
            command.text
        );
    }
}

#[tokio::test]
async fn the_commands_of_the_pages_run_as_printed_beside_the_demo() {
    let mut session = Session::new(&[]).unwrap();
    let demo = [
        "--config",
        "compose/demo/demo.toml",
        "--visitors",
        "200",
        "--set",
        "sink.max_age=1s",
        "--set",
        "catalog.every=1s",
    ];
    let mut up = session.place.up(&demo).unwrap();
    up.process.line_after("serving").unwrap();
    session.replace("http://127.0.0.1:8080", &up.shop);
    session.replace("http://127.0.0.1:8081", &up.dashboard);
    let edge = up.shop.trim_start_matches("http://");
    session.set("PRODUCER__LISTEN", edge);
    let mut page = String::new();
    for block in to_run(false) {
        if block.page != page {
            // A page takes the lake as it is, and not what the page before left on its way.
            session.place.settled().await.unwrap();
            page.clone_from(&block.page);
        }
        session.run(&block).await;
    }
    assert!(session.ran > 40, "only {} commands ran", session.ran);
    let answer = reqwest::get(format!("{}/metrics", up.dashboard))
        .await
        .unwrap();
    let served = families(&answer.text().await.unwrap());
    assert!(served.len() > 20, "{served:?}");
    let page = std::fs::read_to_string(blocks::root().join("docs/operations.md")).unwrap();
    let unlisted: Vec<_> = served
        .iter()
        .filter(|name| !page.contains(&format!("| `{name}` |")))
        .collect();
    assert!(
        unlisted.is_empty(),
        "docs/operations.md does not list {unlisted:?}"
    );
    assert!(up.process.end().unwrap());
}

#[tokio::test]
async fn the_commands_for_a_cluster_run_as_printed_on_a_real_kafka_and_a_real_store() {
    let (Some(kafka), Some(store)) = (kafka::shared().await, s3::shared().await) else {
        return;
    };
    // Names of the test's own, in case the servers outlive this run.
    let name = format!("pages-{}", std::process::id());
    let mut session = Session::new(&[
        (
            "localhost:9092/clicks",
            &format!("{}/{name}", kafka.brokers()),
        ),
        ("s3://clicks/lake", &format!("s3://{name}/lake")),
        ("http://localhost:9000", store.endpoint()),
        ("ACCESS_KEY=key", &format!("ACCESS_KEY={}", store.keys().0)),
        (
            "SECRET_KEY=secret",
            &format!("SECRET_KEY={}", store.keys().1),
        ),
    ])
    .unwrap();
    let blocks = to_run(true);
    assert_eq!(blocks.len(), 1, "one block starts the roles");
    session.run(&blocks[0]).await;
    assert_eq!(session.background.len(), 3, "the roles stay");
    // The first click goes the same way.
    let readme = to_run(false)
        .into_iter()
        .filter(|block| block.page == "README.md");
    let first: Vec<Command> = readme.flat_map(|block| block.commands).take(2).collect();
    assert!(first[0].text.contains("/v1/events"), "{first:?}");
    for command in &first {
        session.type_in("README.md", command).await;
    }
    session.place.settled().await.unwrap();
    for process in session.background {
        assert!(process.end().unwrap(), "a role ends in order");
    }
}
