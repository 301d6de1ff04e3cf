//! A worker as the process that started it sees it: how it is started, measured and ended.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
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
                    .spawn(move || serve(theirs, &served))
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
            spill: PathBuf::from(&opening.spill),
            living: Arc::clone(living),
        };
        worker.open(opening)?;
        Ok(worker)
    }

    fn open(&mut self, opening: &Opening) -> Result<(), Error> {
        let silent = |error: io::Error| {
            Error::Unavailable(format!("a process for SQL does not answer: {error}"))
        };
        let stream = &mut self.stream;
        stream
            .set_read_timeout(Some(START_TIMEOUT))
            .map_err(silent)?;
        send(stream, &WorkerOrder::Open(opening.clone()), &[]).map_err(silent)?;
        let (report, _) = receive(stream).map_err(silent)?;
        stream.set_read_timeout(None).map_err(silent)?;
        match report {
            WorkerReport::Ready => Ok(()),
            WorkerReport::Failed(error) => Err(error.within(START_TIMEOUT)),
            _ => Err(silent(io::Error::other("it said something else"))),
        }
    }

    /// Returns true if it can be given a statement.
    pub(super) fn is_alive(&self) -> bool {
        !self.broken && !self.leash.has_ended()
    }

    /// Why a worker that nobody ended is gone.
    pub(super) fn obituary(&self) -> Error {
        let Leash::Process(child) = &self.leash else {
            return Error::Unavailable("the thread for SQL ended: see the log".into());
        };
        let mut child = child.lock();
        // It may have closed its socket a moment before it ends.
        let _ = child.kill();
        let signal = child.wait().ok().and_then(|status| status.signal());
        match signal {
            // The kernel ends processes so when memory is short.
            Some(9) => Error::TooLarge(
                "the process that ran the query was ended, probably for its memory: narrow the query"
                    .into(),
            ),
            None => Error::Unavailable("the process for SQL ended by itself".into()),
            Some(signal) => Error::Invalid(format!(
                "the query ended the process that ran it (signal {signal}), and nothing else: a value may be nested too deep, or too large"
            )),
        }
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

/// Starts the program. It gets no environment; its standard output is the socket, and it ends when
/// its standard input does, which is when this process ends.
fn spawn(command: &WorkerCommand, socket: UnixStream) -> io::Result<Child> {
    Command::new(&command.program)
        .args(&command.arguments)
        .arg0("clickweir")
        .env_clear()
        // A terminal's Ctrl-C is for the process that started it.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::from(OwnedFd::from(socket)))
        .stderr(Stdio::null())
        .spawn()
}
