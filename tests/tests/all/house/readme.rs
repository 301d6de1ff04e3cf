//! The README tells nothing untried: every line of its `sh` blocks is run by CI or a test, or
//! needs what no test has, and then the README says so.

use super::{none, read, sources};

/// Who runs a command of the README.
#[derive(Clone, Copy)]
enum Tried {
    /// `.ci/run` names this target of make.
    ByCi(&'static str),
    /// A test outside `house` holds this text, which stands for the command.
    ByTest(&'static str),
    /// Nobody here; the README holds this sentence about it.
    Not(&'static str),
}

/// What a command begins with, and who tries it.
const COMMANDS: &[(&str, Tried)] = &[
    ("make demo", Tried::ByCi("demo")),
    ("make test", Tried::ByCi("test")),
    ("make sim", Tried::ByTest("CLICKWEIR_SEEDS")),
    ("make soak", Tried::ByTest("CLICKWEIR_SOAK")),
    ("make notebook", Tried::ByTest("clicks.ipynb")),
    ("make up", Tried::ByTest("compose.yaml")),
    (
        "make down",
        Tried::Not("not run here: there was no container engine"),
    ),
    (
        "curl -i http://127.0.0.1:8080/v1/events",
        Tried::ByTest("/v1/events"),
    ),
    (
        "curl \"http://127.0.0.1:8081/api/breakdown?by",
        Tried::ByTest("/api/breakdown?by=country&metric=revenue"),
    ),
    (
        "curl \"http://127.0.0.1:8081/api/query?format",
        Tried::ByTest("/api/query?format=parquet&sql="),
    ),
    ("export CLICKWEIR__TOPIC__URL", Tried::ByTest("TOPIC__URL")),
    ("export CLICKWEIR__LAKE__URL", Tried::ByTest("LAKE__URL")),
    (
        "export CLICKWEIR__LAKE__ACCESS_KEY",
        Tried::ByTest("LAKE__ACCESS_KEY"),
    ),
    ("target/debug/clickweir query", Tried::ByTest("\"query\"")),
    ("target/debug/clickweir audit", Tried::ByTest("\"audit\"")),
    ("target/debug/clickweir replay", Tried::ByTest("\"replay\"")),
    ("target/debug/clickweir diff", Tried::ByTest("\"diff\"")),
    (
        "target/debug/clickweir promote",
        Tried::ByTest("\"promote\""),
    ),
    (
        "target/debug/clickweir rollback",
        Tried::ByTest("\"rollback\""),
    ),
    ("target/debug/clickweir topic", Tried::ByTest("\"topic\"")),
    (
        "target/debug/clickweir prepare",
        Tried::ByTest("\"prepare\""),
    ),
    (
        "target/debug/clickweir producer",
        Tried::ByTest("\"producer\""),
    ),
    (
        "target/debug/clickweir transformer",
        Tried::ByTest("\"transformer\""),
    ),
    (
        "target/debug/clickweir dashboard",
        Tried::ByTest("\"dashboard\""),
    ),
    (
        "target/debug/clickweir config show",
        Tried::ByTest("\"config\""),
    ),
    ("target/debug/clickweir import", Tried::ByTest("\"import\"")),
];

/// The commands of the `sh` blocks, without their comments.
fn commands(page: &str) -> Vec<String> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in page.lines() {
        match line.trim_end() {
            "```sh" => inside = true,
            "```" => inside = false,
            line if inside => {
                let command = line
                    .split("  #")
                    .next()
                    .expect("a split has a first part")
                    .trim();
                if !command.is_empty() && !command.starts_with('#') {
                    found.push(command.to_owned());
                }
            }
            _ => {}
        }
    }
    found
}

/// Whether `command` is `known`, perhaps with arguments.
fn begins(command: &str, known: &str) -> bool {
    command
        .strip_prefix(known)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '=']))
}

#[test]
fn commands_are_the_lines_of_the_shell_blocks() {
    let page = "```\nno\n```\n```sh\na b    # why\n\nc '#1'\n```\nno\n```toml\nno = 1\n```\n";
    assert_eq!(commands(page), ["a b", "c '#1'"]);
    assert!(begins("make up --now", "make up") && begins("export A=1", "export A"));
    assert!(!begins("make upset", "make up"));
}

#[test]
fn every_command_of_the_readme_is_in_the_table_and_the_table_holds_no_other() {
    let commands = commands(&read("README.md"));
    assert!(commands.len() > 10, "the page has commands");
    let known = |command: &String| COMMANDS.iter().any(|(known, _)| begins(command, known));
    let untried: Vec<String> = commands
        .iter()
        .filter(|command| !known(command))
        .cloned()
        .collect();
    none("nobody tries these", &untried);
    let stale: Vec<String> = COMMANDS
        .iter()
        .filter(|(known, _)| !commands.iter().any(|command| begins(command, known)))
        .map(|(known, _)| (*known).to_owned())
        .collect();
    none("the README has these no more", &stale);
}

#[test]
fn what_the_readme_shows_is_tried() {
    let (page, ci, makefile) = (read("README.md"), read(".ci/run"), read("Makefile"));
    let tests: Vec<String> = sources()
        .into_iter()
        .filter(|source| source.path.starts_with("tests/") && !source.path.contains("/house"))
        .map(|source| source.text)
        .collect();
    let untried: Vec<String> = COMMANDS
        .iter()
        .filter(|(_, tried)| match tried {
            Tried::ByCi(target) => {
                let called = ci.lines().any(|line| {
                    line.starts_with("make ") && line.split(' ').any(|word| word == *target)
                });
                !called || !makefile.contains(&format!("\n{target}:"))
            }
            Tried::ByTest(text) => !tests.iter().any(|test| test.contains(text)),
            Tried::Not(sentence) => !page.contains(sentence),
        })
        .map(|(command, _)| (*command).to_owned())
        .collect();
    none("shown, and tried by nobody", &untried);
}

#[test]
fn the_readme_links_to_what_is_there() {
    let page = read("README.md");
    let mut dangling = Vec::new();
    let mut links = 0;
    for (at, _) in page.match_indices("](") {
        let rest = &page[at + 2..];
        let target = &rest[..rest.find(')').expect("a link is closed")];
        links += 1;
        if !super::root().join(target).exists() {
            dangling.push(target.to_owned());
        }
    }
    assert!(links > 5, "the page has links");
    none("nothing is there", &dangling);
}
