//! Which core a process has.

use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The core of the measured process alone.
pub(crate) const MEASURED: &str = "0";
/// The core of everything else: this process, Kafka, the load.
pub(crate) const REST: &str = "1";

/// Pins a process with all its threads to a core; its later children inherit that.
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

/// A command that starts on the measured core; its process id stays.
pub(crate) fn measured(program: &str) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", MEASURED, program]);
    command
}
