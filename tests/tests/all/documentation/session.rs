//! A terminal in a scratch folder that looks like a checkout: the commands of a page are typed
//! there as they are printed. Only addresses and the names of a topic and a bucket are replaced,
//! because a test uses free ports and servers that others use too.

use std::os::unix::fs::symlink;
use std::process::{Command as Program, Output, Stdio};
use std::time::Duration;

use tests::clickweir::{Place, Process, binary};
use tokio::time::{Instant, sleep};

use super::blocks::{Block, Command, root};

/// How long a query may be repeated until it shows what was sent.
const QUERY_TIMEOUT: Duration = Duration::from_secs(30);
/// A few lines as the public file has them, for the mapping in the repository.
const RETAIL: &str = "\
InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country
536365,85123A,WHITE HANGING HEART T-LIGHT HOLDER,6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom
C536379,D,Discount,-1,2010-12-01 09:41:00,27.5,14527.0,United Kingdom
";

/// What a command must print, by its beginning. A query is repeated until it does.
const PRINTS: &[(&str, &[&str])] = &[
    ("curl -i http://127.0.0.1:8080/v1/events", &["202 Accepted"]),
    (
        "target/debug/clickweir query \"SELECT occurred_at, action, product_id FROM clicks_live",
        &["tea"],
    ),
    (
        "target/debug/clickweir query \"SELECT reason, detail, raw FROM dead_letters\"",
        &["wrong_type"],
    ),
    (
        "target/debug/clickweir query \"SELECT path,",
        &["clicks/year=20"],
    ),
    (
        "target/debug/clickweir query \"SELECT number,",
        &["registered"],
    ),
    ("target/debug/clickweir audit --json", &["acknowledged"]),
    ("target/debug/clickweir audit", &["clean"]),
    ("target/debug/clickweir topic read", &["\"offset\""]),
    ("target/debug/clickweir topic", &["partition"]),
    (
        "target/debug/clickweir import --check",
        &["nothing was sent"],
    ),
    ("target/debug/clickweir import", &["there already"]),
    ("target/debug/clickweir diff", &["no row differs"]),
    ("target/debug/clickweir rollback", &["no longer"]),
];

/// A terminal.
pub(super) struct Session {
    pub(super) place: Place,
    /// What is typed differently here: the page's words, and what takes their place.
    instead: Vec<(String, String)>,
    /// What the commands read of the environment, besides what the place sets.
    environment: Vec<(String, String)>,
    /// The block's `export` lines so far.
    exports: String,
    /// Commands that were left running with `&`, in their order.
    pub(super) background: Vec<Process>,
    /// How many commands ran.
    pub(super) ran: usize,
}

impl Session {
    /// In a new folder with what a checkout has and the commands name.
    pub(super) fn new(instead: &[(&str, &str)]) -> anyhow::Result<Self> {
        let place = Place::new()?.with_demo()?;
        let folder = place.path();
        std::fs::create_dir_all(folder.join("target/debug"))?;
        symlink(binary(), folder.join("target/debug/clickweir"))?;
        std::fs::create_dir_all(folder.join("producer"))?;
        symlink(
            root().canonicalize()?.join("producer/maps"),
            folder.join("producer/maps"),
        )?;
        std::fs::write(folder.join("online_retail.csv"), RETAIL)?;
        let mut session = Self {
            place,
            instead: Vec::new(),
            environment: Vec::new(),
            exports: String::new(),
            background: Vec::new(),
            ran: 0,
        };
        for (from, to) in instead {
            session.replace(from, to);
        }
        Ok(session)
    }

    /// From now on the commands are typed with `to` in the place of `from`.
    pub(super) fn replace(&mut self, from: &str, to: &str) {
        self.instead.push((from.to_owned(), to.to_owned()));
    }

    /// Sets a key for the commands that are typed from now on: `SECTION__KEY`.
    pub(super) fn set(&mut self, key: &str, value: &str) {
        let variable = (format!("CLICKWEIR__{key}"), value.to_owned());
        self.environment.push(variable);
    }

    /// Types the commands of a block one after the other.
    pub(super) async fn run(&mut self, block: &Block) {
        self.exports.clear();
        for command in &block.commands {
            self.type_in(&block.page, command).await;
        }
    }

    /// Types one command, and looks at its exit code and at what it prints.
    pub(super) async fn type_in(&mut self, page: &str, command: &Command) {
        self.ran += 1;
        let line = self
            .instead
            .iter()
            .fold(command.text.clone(), |line, (from, to)| {
                line.replace(from, to)
            });
        if line.starts_with("export ") {
            self.exports += &format!("{line}\n");
            return;
        }
        if let Some(line) = line.strip_suffix('&') {
            let started = self.start(line.trim());
            started.unwrap_or_else(|error| panic!("{page}: {}: {error:#}", command.text));
            return;
        }
        let deadline = Instant::now() + QUERY_TIMEOUT;
        let complaint = loop {
            let Some(complaint) = wrong(command, &self.output(&line)) else {
                return;
            };
            let repeatable = command.text.starts_with("target/debug/clickweir query");
            if !repeatable || command.exit != 0 || Instant::now() > deadline {
                break complaint;
            }
            sleep(Duration::from_millis(200)).await;
        };
        panic!("{page}: {}: {complaint}", command.text);
    }

    fn shell(&self, line: &str) -> Program {
        let mut shell = Program::new("sh");
        // What the place sets for its own processes, then what the test found out: ports.
        let place = self.place.command(&[]);
        let variables = place.get_envs();
        shell.envs(variables.filter_map(|(key, value)| Some((key, value?))));
        shell.envs(self.environment.iter().map(|(key, value)| (key, value)));
        shell
            .args(["-c", &format!("{}{line}", self.exports)])
            .current_dir(self.place.path())
            .stdin(Stdio::null());
        shell
    }

    fn output(&self, line: &str) -> Output {
        self.shell(line).output().expect("there is a shell")
    }

    /// Starts what stays, and waits until it says where it is. Its address takes the place of
    /// the page's.
    fn start(&mut self, line: &str) -> anyhow::Result<()> {
        let mut process = Process::spawn(&mut self.shell(&format!("exec {line}")))?;
        let (says, address) = match line.rsplit(' ').next() {
            Some("producer") => ("edge on ", "http://127.0.0.1:8080"),
            Some("dashboard") => ("dashboard on ", "http://127.0.0.1:8081"),
            _ => ("from ", ""),
        };
        let url = process.line_after(says)?;
        if !address.is_empty() {
            self.replace(address, &url);
        }
        self.background.push(process);
        Ok(())
    }
}

/// What is wrong with the outcome of a command. `None` if it is as its page says.
fn wrong(command: &Command, output: &Output) -> Option<String> {
    let (text, error) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    if output.status.code() != Some(command.exit) {
        return Some(format!(
            "{}, not {}: {text}{error}",
            output.status, command.exit
        ));
    }
    if command.exit != 0 {
        return error
            .is_empty()
            .then(|| "it fails without a word".to_owned());
    }
    let is_silent = text.is_empty()
        && command.text.starts_with("target/debug/clickweir")
        && !command.text.starts_with("target/debug/clickweir health");
    if is_silent {
        return Some("it prints nothing".to_owned());
    }
    let expected = PRINTS
        .iter()
        .find(|(begins, _)| command.text.starts_with(begins))
        .map_or(&[][..], |(_, texts)| texts);
    let missing = expected.iter().find(|expected| !text.contains(**expected));
    missing.map(|missing| format!("{missing:?} is not in {text}{error}"))
}
