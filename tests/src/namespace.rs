//! A network namespace with a cable to this one. When the cable is pulled, neither end learns of
//! it, and packets in flight are gone. Needs root and Linux.

use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};

/// A namespace at the other end of a pair of virtual cables. It ends when this is dropped and no
/// process runs in it any more.
pub struct Namespace {
    holder: Child,
    cables: Vec<String>,
}

impl Namespace {
    /// One cable for each of these third bytes of an address: `10.213.BYTE.1` is this end,
    /// `10.213.BYTE.2` the other.
    ///
    /// # Errors
    /// If this machine or this user cannot make one.
    pub fn new(bytes: &[u8]) -> Result<Self> {
        // It holds the namespace until its input ends, at the latest when this process ends.
        let holder = Command::new("unshare")
            .args([
                "--net",
                "sh",
                "-c",
                "ip link set lo up && echo ready && cat",
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("unshare is not there")?;
        let mut space = Self {
            holder,
            cables: Vec::new(),
        };
        space.wait()?;
        for byte in bytes {
            let cable = format!("cw{}-{byte}", std::process::id());
            ip(&[
                "link",
                "add",
                &cable,
                "type",
                "veth",
                "peer",
                "name",
                "far",
                "netns",
                &space.holder.id().to_string(),
            ])?;
            ip(&["addr", "add", &format!("10.213.{byte}.1/24"), "dev", &cable])?;
            ip(&["link", "set", &cable, "up"])?;
            // Its other end has a name of its own, so that the next can have this one.
            let far = format!("far-{byte}");
            space.ip(&["link", "set", "far", "name", &far])?;
            space.ip(&["addr", "add", &format!("10.213.{byte}.2/24"), "dev", &far])?;
            space.ip(&["link", "set", &far, "up"])?;
            space.cables.push(cable);
        }
        Ok(space)
    }

    /// The same command, run in the namespace.
    #[must_use]
    pub fn within(&self, command: &Command) -> Command {
        let mut inside = Command::new("nsenter");
        inside
            .arg(format!("--net=/proc/{}/ns/net", self.holder.id()))
            .arg(command.get_program())
            .args(command.get_args());
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                inside.env(name, value);
            }
        }
        if let Some(folder) = command.get_current_dir() {
            inside.current_dir(folder);
        }
        inside
    }

    /// Pulls a cable out, or puts it back, by its place in the list.
    ///
    /// # Errors
    /// If it is gone.
    pub fn plug(&self, cable: usize, plugged: bool) -> Result<()> {
        let state = if plugged { "up" } else { "down" };
        ip(&["link", "set", &self.cables[cable], state])
    }

    fn ip(&self, arguments: &[&str]) -> Result<()> {
        let mut command = Command::new("ip");
        command.args(arguments);
        run(&mut self.within(&command))
    }

    fn wait(&mut self) -> Result<()> {
        use std::io::Read;
        let said = self.holder.stdout.as_mut().context("its output is piped")?;
        let mut ready = [0; 5];
        said.read_exact(&mut ready)
            .context("no network namespace can be made here; it needs root")
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
        for cable in &self.cables {
            // It may have gone with the namespace.
            let _ = ip(&["link", "delete", cable]);
        }
    }
}

fn ip(arguments: &[&str]) -> Result<()> {
    run(Command::new("ip").args(arguments))
}

fn run(command: &mut Command) -> Result<()> {
    let done = command.output()?;
    let said = String::from_utf8_lossy(&done.stderr);
    ensure!(done.status.success(), "{command:?}: {said}");
    Ok(())
}
