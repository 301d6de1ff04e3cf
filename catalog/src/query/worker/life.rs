//! A worker as the process that started it sees it: how it is started, measured and ended.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::config::WorkerCommand;
use crate::error::Error;
use crate::query::worker::serve::{InterruptSlot, STACK_BYTES, serve};
use crate::query::worker::wire::{Opening, WorkerOrder, WorkerReport, receive, send};

/// How long a worker may take to open its database.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// How much is read of what a worker says that could not start.
const MAX_LAST_WORDS_BYTES: u64 = 4 << 10;

/// All workers that run, by number.
pub(super) type Living = Arc<Mutex<BTreeMap<u64, Leash>>>;

/// What holds a worker: it can be ended and measured from any thread.
#[derive(Clone)]
pub(super) enum Leash {
    Process(Arc<Mutex<Child>>),
    /// A thread of this process, where no program is configured.
    Thread(InterruptSlot),
}

impl Leash {
    /// Ends it. A thread may need to be told more than once: an interrupt that comes between two
    /// statements is lost.
    pub(super) fn end(&self) {
        match self {
            // It fails if it has ended by itself.
            Self::Process(child) => drop(child.lock().kill()),
            Self::Thread(slot) => {
                if let Some(handle) = &*slot.lock() {
                    handle.interrupt();
                }
            }
        }
    }

    /// The memory that is its own. `None` if the system does not say, or for a thread.
    pub(super) fn resident_bytes(&self) -> Option<u64> {
        let Self::Process(child) = self else {
            return None;
        };
        let status = fs::read_to_string(format!("/proc/{}/status", child.lock().id())).ok()?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        };
        Some((field("RssAnon:")? + field("RssShmem:").unwrap_or_default()) << 10)
    }

    fn has_ended(&self) -> bool {
        match self {
            Self::Process(child) => !matches!(child.lock().try_wait(), Ok(None)),
            Self::Thread(_) => false,
        }
    }
}

/// A folder or a file, as the system numbers it. `None` if it is not there.
pub(super) type PlaceId = Option<(u64, u64)>;

/// What the places are now that a worker may touch. The kernel holds it to these, and not to their
/// names.
pub(super) fn place_ids(opening: &Opening) -> Vec<PlaceId> {
    let places = opening.reads.iter().chain(&opening.writes);
    let ids = places.map(|place| {
        let found = fs::metadata(place).ok()?;
        Some((found.dev(), found.ino()))
    });
    ids.collect()
}

/// A worker that runs.
pub(crate) struct RunningWorker {
    number: u64,
    pub(super) stream: UnixStream,
    pub(super) leash: Leash,
    /// The catalog's revision whose views it has.
    pub(crate) revision: Option<u64>,
    /// True if what it says can no longer be followed.
    pub(super) broken: bool,
    /// True if its socket is closed.
    pub(super) gone: bool,
    pub(super) idle_since: Instant,
    /// What the places are that it may touch: a folder that is made anew is another one.
    pub(super) places: Vec<PlaceId>,
    spill: PathBuf,
    living: Living,
}

impl RunningWorker {
    /// Starts a worker and opens its database.
    pub(super) fn start(
        number: u64,
        command: Option<&WorkerCommand>,
        opening: &Opening,
        living: &Living,
    ) -> Result<Self, Error> {
        let unstarted = |error: io::Error| {
            Error::Unavailable(format!("a process for SQL cannot be started: {error}"))
        };
        let (stream, theirs) = UnixStream::pair().map_err(unstarted)?;
        let leash = match command {
            Some(command) => Leash::Process(Arc::new(Mutex::new(
                spawn(command, theirs).map_err(unstarted)?,
            ))),
            None => {
                let slot = InterruptSlot::default();
                let served = Arc::clone(&slot);
                let worker = thread::Builder::new()
                    .name("sql-worker".into())
                    .stack_size(STACK_BYTES);
                // It ends with its socket.
                let _ = worker
                    .spawn(move || serve(theirs, &served, |_| "a thread".to_owned()))
                    .map_err(unstarted)?;
                Leash::Thread(slot)
            }
        };
        living.lock().insert(number, leash.clone());
        let mut worker = Self {
            number,
            stream,
            leash,
            revision: None,
            broken: false,
            gone: false,
            idle_since: Instant::now(),
            places: place_ids(opening),
            spill: PathBuf::from(&opening.spill),
            living: Arc::clone(living),
        };
        worker.open(opening)?;
        Ok(worker)
    }

    fn open(&mut self, opening: &Opening) -> Result<(), Error> {
        match self.greet(opening) {
            Ok(WorkerReport::Ready(confined)) => {
                tracing::debug!(number = self.number, confined, "a process for SQL is open");
                // It says nothing more that anybody reads.
                if let Leash::Process(child) = &self.leash {
                    drop(child.lock().stderr.take());
                }
                Ok(())
            }
            Ok(WorkerReport::Failed(error)) => Err(error.within(START_TIMEOUT)),
            Ok(_) => Err(Error::Unavailable(
                "a process for SQL said something else".into(),
            )),
            Err(error) => Err(self.stillborn(&error)),
        }
    }

    fn greet(&mut self, opening: &Opening) -> io::Result<WorkerReport> {
        self.stream.set_read_timeout(Some(START_TIMEOUT))?;
        send(&mut self.stream, &WorkerOrder::Open(opening.clone()), &[])?;
        let (report, _) = receive(&mut self.stream)?;
        self.stream.set_read_timeout(None)?;
        Ok(report)
    }

    /// Why a worker that was started did not open its database.
    fn stillborn(&self, error: &io::Error) -> Error {
        let late = [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut];
        let status = self.end();
        let why = match status {
            _ if late.contains(&error.kind()) => {
                format!("it does not answer within {} s", START_TIMEOUT.as_secs())
            }
            Some(status) => format!("it ended with {status}{}", self.last_words()),
            None => error.to_string(),
        };
        Error::Unavailable(format!(
            "a process for SQL cannot be started: {why}: look whether this program and its libraries can still be read"
        ))
    }

    /// The first line of what an ended process wrote to its standard error.
    fn last_words(&self) -> String {
        let mut said = Vec::new();
        if let Leash::Process(child) = &self.leash
            && let Some(stderr) = child.lock().stderr.take()
        {
            // Nobody else has the other end.
            let _ = stderr.take(MAX_LAST_WORDS_BYTES).read_to_end(&mut said);
        }
        let said = String::from_utf8_lossy(&said);
        let first = said.lines().map(str::trim).find(|line| !line.is_empty());
        first.map_or_else(String::new, |line| format!(" and said \"{line}\""))
    }

    /// Returns true if it can be given a statement.
    pub(super) fn is_alive(&self) -> bool {
        !self.broken && !self.leash.has_ended()
    }

    /// How a worker ended that nobody ended. `None` for a thread.
    pub(super) fn end(&self) -> Option<ExitStatus> {
        let Leash::Process(child) = &self.leash else {
            return None;
        };
        let mut child = child.lock();
        // It may have closed its socket a moment before it ends.
        let _ = child.kill();
        child.wait().ok()
    }
}

impl Drop for RunningWorker {
    fn drop(&mut self) {
        self.living.lock().remove(&self.number);
        if let Leash::Process(child) = &self.leash {
            let mut child = child.lock();
            let _ = child.kill();
            let _ = child.wait();
            // What it spilled is of no use to anyone.
            let _ = fs::remove_dir_all(&self.spill);
        }
    }
}

/// Starts the program. Of an environment it gets what its libraries are found by. Its standard
/// output is the socket, and it ends when its standard input does, which is when this process ends.
fn spawn(command: &WorkerCommand, socket: UnixStream) -> io::Result<Child> {
    Command::new(&command.program)
        .args(&command.arguments)
        .arg0("clickweir")
        .env_clear()
        .envs(command.variables.iter().cloned())
        // A terminal's Ctrl-C is for the process that started it.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::from(OwnedFd::from(socket)))
        .stderr(Stdio::piped())
        .spawn()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_cannot_start_says_why() {
        let started = |program: &str, script: &str| {
            let command = WorkerCommand {
                program: program.into(),
                arguments: vec!["-c".into(), script.into()],
                variables: Vec::new(),
            };
            let opening = Opening::default();
            let worker = RunningWorker::start(0, Some(&command), &opening, &Living::default());
            worker.map(drop).unwrap_err().to_string()
        };
        let why = started(
            "/bin/sh",
            "echo; echo no library of that name >&2; exit 127",
        );
        assert!(
            why.contains("exit status: 127") && why.contains("\"no library of that name\""),
            "{why}"
        );
        assert!(why.contains("its libraries can still be read"), "{why}");
        let why = started("/bin/sh", "kill -SEGV $$");
        assert!(why.contains("signal: 11"), "{why}");
        let why = started("/none/such", "");
        assert!(why.contains("No such file"), "{why}");
    }
}
