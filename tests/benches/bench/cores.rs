//! Which core a process has.

use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The core of whoever is measured, alone.
pub(crate) const MEASURED: &str = "0";
/// The core of all else: this process, Kafka, the load.
pub(crate) const REST: &str = "1";

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
