//! What a process has taken of the machine, as Linux tells it.

use anyhow::{Context, Result};

/// Linux tells CPU time in these, whatever its own clock ticks at.
const TICKS_PER_SECOND: f64 = 100.0;

/// The CPU time that a process has taken, user and system, in seconds.
///
/// # Errors
/// Where the process is gone.
pub fn cpu(pid: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .with_context(|| format!("process {pid} is gone"))?;
    // Its name, in brackets, may hold anything; after it the state, and ten fields on user time.
    let (_, rest) = stat.rsplit_once(") ").context("a stat names its process")?;
    let fields = rest.split(' ').skip(11).take(2);
    let ticks: Vec<f64> = fields.map(str::parse).collect::<Result<_, _>>()?;
    Ok(ticks.iter().sum::<f64>() / TICKS_PER_SECOND)
}

/// The memory that a process has resident, in megabytes.
///
/// # Errors
/// Where the process is gone.
pub fn memory(pid: u32) -> Result<f64> {
    megabytes(pid, "VmRSS:")
}

/// The most that it had resident so far, in megabytes.
///
/// # Errors
/// Where the process is gone.
pub fn peak(pid: u32) -> Result<f64> {
    megabytes(pid, "VmHWM:")
}

fn megabytes(pid: u32, name: &str) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))
        .with_context(|| format!("process {pid} is gone"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|rest| rest.split_whitespace().next());
    let kib: f64 = kib.context("a process has memory")?.parse()?;
    Ok(kib * 1.024e-3)
}
