//! The load: wrk on the core of everything else, with clicks of which no two are alike.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use tempfile::NamedTempFile;
use topic::clock;

use crate::clicks::Clicks;
use crate::peers;

/// So many that every group commit finds many requests waiting.
pub(crate) const CONNECTIONS: u64 = 256;
/// How many different clicks the requests use; the load gives each request an id of its own.
const BODIES: u64 = 20_000;

/// What the requests of a load are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LoadShape {
    /// How many are begun a second; `None`: as many as are answered.
    pub(crate) rate: Option<f64>,
    /// How many clicks each has.
    pub(crate) batch: u32,
    /// How many of a hundred are no clicks at all.
    pub(crate) bad: u32,
}

/// One click a request, as many as are answered.
pub(crate) const SINGLE: LoadShape = LoadShape {
    rate: None,
    batch: 1,
    bad: 0,
};

/// A load tool with its clicks.
pub(crate) struct Load {
    bodies: NamedTempFile,
    /// The number of the next run, so that no two runs send the same ids.
    seed: u64,
}

/// The result of a run.
#[derive(Debug, Deserialize)]
pub(crate) struct Answers {
    requests: u64,
    /// Answers of 400 and more.
    refused: u64,
    /// Requests without an answer: they may be in the topic.
    unanswered: u64,
    seconds: f64,
    /// Latencies, in milliseconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

impl Answers {
    /// How many were acknowledged.
    pub(crate) fn taken(&self) -> u64 {
        self.requests - self.refused
    }

    /// How many a second were acknowledged.
    #[expect(clippy::cast_precision_loss, reason = "a count of requests")]
    pub(crate) fn rate(&self) -> f64 {
        self.taken() as f64 / self.seconds
    }
}

impl Load {
    pub(crate) fn new() -> Result<Self> {
        let mut bodies = NamedTempFile::new()?;
        let clicks = Clicks::new(BODIES, clock::system().now());
        let mut text = String::new();
        for number in 0..BODIES {
            writeln!(text, "{}", clicks.click(number).json)?;
        }
        bodies.write_all(text.as_bytes())?;
        Ok(Self { bodies, seed: 0 })
    }

    /// Sends as fast as answers come, or at a fixed rate by a schedule that does not wait for
    /// answers while a connection is free.
    pub(crate) fn run(&mut self, url: &str, seconds: u64, shape: LoadShape) -> Result<Answers> {
        self.seed += 1;
        let output = Command::new("wrk")
            .args(["--threads", "1", "--timeout", "10s"])
            .args(["--connections", &CONNECTIONS.to_string()])
            .args(["--duration", &format!("{seconds}s"), "--script"])
            .arg(peers::script("clicks.lua"))
            .args([url, "--"])
            .arg(self.bodies.path())
            .args([
                self.seed.to_string(),
                shape.rate.unwrap_or(0.0).to_string(),
                shape.batch.to_string(),
                shape.bad.to_string(),
            ])
            .output()
            .context("wrk is not there: `make bench` installs it")?;
        let said = String::from_utf8_lossy(&output.stdout);
        let last = said.lines().last().unwrap_or_default();
        let answers: Answers = serde_json::from_str(last).with_context(|| {
            format!("wrk says {said}{}", String::from_utf8_lossy(&output.stderr))
        })?;
        // Refusals are quick and would make the figures useless.
        ensure!(
            answers.taken() > 0 && answers.unanswered == 0,
            "not all were answered at {url}: {answers:?}"
        );
        ensure!(
            shape.bad > 0 || answers.refused == 0,
            "not all were taken at {url}: {answers:?}"
        );
        Ok(answers)
    }
}
