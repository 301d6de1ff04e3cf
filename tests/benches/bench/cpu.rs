//! Which core a process has, and how much of it it took.

use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The core of whoever is measured, alone.
pub(crate) const MEASURED: &str = "0";
/// The core of all else: this process, Kafka, the load.
pub(crate) const REST: &str = "1";

/// Linux tells CPU time in these, whatever its own clock ticks at.
const TICKS_PER_SECOND: f64 = 100.0;

/// Puts a process with all its threads on a core; what it starts later inherits that.
pub(crate) fn pin(pid: u32, core: &str) -> Result<()> {
    let pid = pid.to_string();
    let told = Command::new("taskset")
        .args(["--all-tasks", "--cpu-list", "--pid", core, &pid])
        .output()
        .context("taskset is not there")?;
    let why = String::from_utf8_lossy(&told.stderr);
    ensure!(
        told.status.success(),
        "process {pid} cannot have core {core}: {why}"
    );
    Ok(())
}

/// A program that begins on the core of whoever is measured; its process id stays.
pub(crate) fn measured(program: &str) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", MEASURED, program]);
    command
}

/// The CPU time that a process has taken, user and system, in seconds.
pub(crate) fn seconds(pid: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .with_context(|| format!("process {pid} is gone"))?;
    // Its name, in brackets, may hold anything; after it the state, and ten fields on user time.
    let (_, rest) = stat.rsplit_once(") ").context("a stat names its process")?;
    let fields = rest.split(' ').skip(11).take(2);
    let ticks: Vec<f64> = fields.map(str::parse).collect::<Result<_, _>>()?;
    Ok(ticks.iter().sum::<f64>() / TICKS_PER_SECOND)
}
