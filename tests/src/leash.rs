//! A server on a leash: it ends when the test that started it ends, even if that is killed.

use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A shell that runs a server and kills it when its own input ends, so that a test that
/// is killed leaves neither a server nor the server's folder behind.
pub struct Leash {
    shell: Child,
}

/// `$1` is the folder to remove, `$2` the other paths, without spaces; the rest is the server. The
/// shell ignores Ctrl-C, which is meant for the test: it must live to kill the server.
const HOLD: &str = r#"folder=$1; litter=$2; shift 2; "$@" </dev/null & server=$!
trap '' INT TERM HUP; cat >/dev/null; kill -9 $server; wait $server; rm -rf "$folder" $litter"#;

impl Leash {
    /// Runs `server` with both outputs in `log`. `folder` is removed when the server is
    /// gone; it must be the server's own.
    ///
    /// # Errors
    /// If no shell can be started or the log cannot be written.
    pub fn hold(server: &Command, folder: &Path, log: &File) -> io::Result<Self> {
        Self::hold_and_sweep(server, folder, log, &[])
    }

    /// The same for a server that makes files outside its folder: `litter`, removed with it.
    ///
    /// # Errors
    /// As [`Leash::hold`].
    pub fn hold_and_sweep(
        server: &Command,
        folder: &Path,
        log: &File,
        litter: &[String],
    ) -> io::Result<Self> {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", HOLD, "leash"])
            .arg(folder)
            .arg(litter.join(" "))
            .arg(server.get_program())
            .args(server.get_args())
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log.try_clone()?);
        for (name, value) in server.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        if let Some(folder) = server.get_current_dir() {
            shell.current_dir(folder);
        }
        Ok(Self {
            shell: shell.spawn()?,
        })
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        // The shell ends as soon as it has killed the server.
        let _ = self.shell.wait();
    }
}
