//! What a worker's process may touch, whatever its database lets through: where the kernel has
//! Landlock, it refuses everything else to the thread that runs statements and to those that it
//! starts.

#[cfg(target_os = "linux")]
use landlock::{
    ABI, Access, AccessFs, AccessNet, RestrictionStatus, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetError, Scope, path_beneath_rules,
};

use crate::query::worker::wire::Opening;

/// The newest interface of the kernel that is asked for. An older one holds what it knows of it.
#[cfg(target_os = "linux")]
const NEWEST: ABI = ABI::V6;
/// What every process reads: libraries, what the system says of itself, chance.
#[cfg(target_os = "linux")]
const SYSTEM_PLACES: [&str; 11] = [
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/share/zoneinfo",
    "/etc/ld.so.cache",
    "/proc/self",
    "/sys/fs/cgroup",
    "/dev/null",
    "/dev/random",
    "/dev/urandom",
];
/// What a process reads to reach a server: names, certificates.
#[cfg(target_os = "linux")]
const NETWORK_PLACES: [&str; 5] = [
    "/etc",
    "/run/systemd/resolve",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
    "/var/lib/ca-certificates",
];

/// Confines this thread, and says for a log what the kernel holds.
#[cfg(target_os = "linux")]
pub(super) fn confine(opening: &Opening) -> String {
    match restrict(opening) {
        Ok(status) => format!("Landlock: {:?}", status.ruleset),
        Err(error) => format!("no Landlock: {error}"),
    }
}

/// Other systems have nothing of the kind.
#[cfg(not(target_os = "linux"))]
pub(super) fn confine(_opening: &Opening) -> String {
    "no Landlock".to_owned()
}

/// A place that is not there is left out.
#[cfg(target_os = "linux")]
fn restrict(opening: &Opening) -> Result<RestrictionStatus, RulesetError> {
    let mut rules = Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?;
    let mut network = NETWORK_PLACES.as_slice();
    if !opening.network {
        rules = rules.handle_access(AccessNet::from_all(NEWEST))?;
        network = &[];
    }
    // No program is started, so nothing is executed.
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let write = AccessFs::from_all(NEWEST) & !AccessFs::Execute;
    rules
        .create()?
        .add_rules(path_beneath_rules(
            SYSTEM_PLACES.iter().chain(network),
            read,
        ))?
        .add_rules(path_beneath_rules(&opening.reads, read))?
        .add_rules(path_beneath_rules(&opening.writes, write))?
        .add_rules(path_beneath_rules([&opening.spill], write))?
        .restrict_self()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs;
    use std::io::ErrorKind;
    use std::net::TcpStream;
    use std::path::Path;

    use super::*;

    #[test]
    #[expect(clippy::print_stderr, reason = "it says what was left out")]
    fn a_confined_thread_opens_no_file_outside_and_no_connection() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["lake", "other", "spill"] {
            fs::create_dir(at(name)).unwrap();
            fs::write(at(name).join("file"), name).unwrap();
        }
        std::os::unix::fs::symlink(at("other"), at("lake/link")).unwrap();
        let opening = Opening {
            reads: vec![at("lake")],
            spill: at("spill").display().to_string(),
            ..Opening::default()
        };
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        let (lake, other, spill) = (at("lake"), at("other"), at("spill"));
        let confined = std::thread::spawn(move || {
            let held = confine(&opening);
            if held.starts_with("no Landlock") || held.ends_with("NotEnforced") {
                return held;
            }
            let denied = |result: std::io::Result<()>, what: &str| {
                let kind = result.map_err(|error| error.kind());
                assert_eq!(kind, Err(ErrorKind::PermissionDenied), "{what}, {held}");
            };
            let read = |path: &Path| fs::read(path).map(drop);
            read(&lake.join("file")).unwrap();
            fs::write(spill.join("new"), "x").unwrap();
            fs::remove_file(spill.join("new")).unwrap();
            denied(read(&other.join("file")), "another file");
            denied(read(&lake.join("link/file")), "a link's target");
            denied(read(Path::new("/etc/passwd")), "the system's users");
            denied(fs::read_dir(&other).map(drop), "another folder");
            denied(fs::write(lake.join("file"), "x"), "the lake is read");
            denied(fs::write(other.join("new"), "x"), "a new file");
            denied(fs::remove_file(lake.join("file")), "a removal");
            // Threads that it starts are confined, too.
            let started = std::thread::spawn(move || fs::read(other.join("file")).map(drop));
            denied(started.join().unwrap(), "another thread");
            if held.ends_with("FullyEnforced") {
                denied(TcpStream::connect(address).map(drop), "a connection");
            }
            held
        });
        let held = confined.join().unwrap();
        if !held.ends_with("FullyEnforced") {
            eprintln!("this kernel does not hold all of it: {held}");
        }
        // This process is not.
        fs::read(at("other/file")).unwrap();
    }
}
