//! CPU time and memory of a process, as Linux reports them.

use anyhow::{Context, Result};

/// The unit of CPU time in `/proc`, whatever the kernel's clock.
const TICKS_PER_SECOND: f64 = 100.0;

/// The CPU time of a process, user and system, in seconds.
///
/// # Errors
/// If the process is gone.
pub fn cpu(pid: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .with_context(|| format!("process {pid} is gone"))?;
    // The name, in brackets, may contain anything. The state follows, and ten fields later the user
    // time.
    let (_, rest) = stat.rsplit_once(") ").context("a stat names its process")?;
    let fields = rest.split(' ').skip(11).take(2);
    let ticks: Vec<f64> = fields.map(str::parse).collect::<Result<_, _>>()?;
    Ok(ticks.iter().sum::<f64>() / TICKS_PER_SECOND)
}

/// The resident memory of a process, in megabytes.
///
/// # Errors
/// If the process is gone.
pub fn memory(pid: u32) -> Result<f64> {
    megabytes(pid, "VmRSS:")
}

/// The peak resident memory of a process, in megabytes.
///
/// # Errors
/// If the process is gone.
pub fn peak(pid: u32) -> Result<f64> {
    megabytes(pid, "VmHWM:")
}

/// The processes that a process has started and that still run.
///
/// # Errors
/// If the system has no `/proc`.
pub fn children(pid: u32) -> Result<Vec<u32>> {
    let parent = format!("PPid:\t{pid}");
    let mut children = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(child) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let status = std::fs::read_to_string(format!("/proc/{child}/status"));
        // It may have ended since.
        if status.is_ok_and(|status| status.lines().any(|line| line == parent)) {
            children.push(child);
        }
    }
    Ok(children)
}

fn megabytes(pid: u32, name: &str) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))
        .with_context(|| format!("process {pid} is gone"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|rest| rest.split_whitespace().next());
    let kib: f64 = kib.context("a process has memory")?.parse()?;
    Ok(kib * 1.024e-3)
}
