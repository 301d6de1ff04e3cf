//! `clickweir sql-worker`: runs people's SQL and reads foreign files for the process that started it.
//! It has no listener, no configuration, and of an environment only what its libraries are found by;
//! its standard output is a socket to that process.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;

use catalog::WorkerCommand;
use rustix::process::{Signal, getpid, kill_process};

/// How much more address space a worker may have than twice its memory. It ends what grows too
/// fast to be measured in time.
const SPARE_BYTES: u64 = 4 << 30;
/// How willingly the kernel ends a worker before everything else, when memory is short.
const OOM_SCORE: &str = "1000";
/// How much later than ingestion and the pages a worker gets a processor, where they are short.
const NICENESS: i32 = 5;

/// The variables by which the system finds a program's libraries, where its own list does not.
const LINKER_VARIABLES: [&str; 3] = [
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "DYLD_FALLBACK_LIBRARY_PATH",
];

/// How this program is started as a worker.
pub(crate) fn command(catalog: &catalog::Config) -> WorkerCommand {
    let bytes = 2 * catalog.query_memory.as_u64() + SPARE_BYTES;
    // The running program, even after its file was replaced by a newer one.
    let running = PathBuf::from("/proc/self/exe");
    let program = match running.exists() {
        true => running,
        false => std::env::current_exe().unwrap_or_else(|_| PathBuf::from("clickweir")),
    };
    WorkerCommand {
        program,
        arguments: vec!["sql-worker".into(), bytes.to_string()],
        variables: LINKER_VARIABLES
            .iter()
            .filter_map(|name| Some(((*name).into(), std::env::var_os(name)?)))
            .collect(),
    }
}

/// Serves statements until the other end of the socket is closed.
pub(crate) fn sql_worker(max_bytes: u64) -> anyhow::Result<ExitCode> {
    confine(max_bytes);
    std::thread::Builder::new()
        .name("leash".into())
        .spawn(end_with_the_starter)?;
    let socket = UnixStream::from(io::stdout().as_fd().try_clone_to_owned()?);
    catalog::serve_statements(socket)?;
    Ok(ExitCode::SUCCESS)
}

/// Bounds what this process may take of the machine. Where the system has no such bound, the
/// process that started it still looks at its memory and its time.
fn confine(max_bytes: u64) {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Resource, Rlimit, setrlimit};
        let limit = |bytes| Rlimit {
            current: Some(bytes),
            maximum: Some(bytes),
        };
        let _ = setrlimit(Resource::As, limit(max_bytes));
        // What it dies of is somebody's statement, of which nobody needs an image.
        let _ = setrlimit(Resource::Core, limit(0));
        let _ = std::fs::write("/proc/self/oom_score_adj", OOM_SCORE);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = max_bytes;
    let _ = rustix::process::nice(NICENESS);
}

/// Waits for the end of the process that started this one, which closes standard input, and ends
/// this one with whatever it computes.
fn end_with_the_starter() {
    let _ = io::copy(&mut io::stdin(), &mut io::sink());
    let _ = kill_process(getpid(), Signal::KILL);
}
