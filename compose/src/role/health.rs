//! `clickweir health ROLE`, which containers run. Edge and dashboard are asked for `/readyz` at
//! their own listeners; transformer and crawler renew a file while they make progress.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use parking_lot::Mutex;
use topic::Timestamp;
use topic::clock::{Clock, SharedClock, SystemClock};

use crate::cli::Role;
use crate::print;
use crate::settings::Settings;

/// How old the file may be.
const STALE_AFTER: Duration = Duration::from_secs(20);
/// How often the file is renewed at most.
const RENEW_INTERVAL: Duration = Duration::from_secs(1);

fn file(settings: &Settings, role: Role) -> PathBuf {
    settings.folder().join(match role {
        Role::Transformer => "transformer.alive",
        _ => "crawl.alive",
    })
}

/// A function that a role calls while it makes progress.
pub(crate) fn pulse(
    settings: &Settings,
    role: Role,
    clock: SharedClock,
) -> impl Fn() + Send + Sync + use<> {
    pulse_in(file(settings, role), clock)
}

fn pulse_in(file: PathBuf, clock: SharedClock) -> impl Fn() + Send + Sync + use<> {
    let last = Mutex::new((Timestamp::default(), true));
    move || {
        let now = clock.now();
        let mut last = last.lock();
        let (renewed, written) = *last;
        if now.since(renewed) < RENEW_INTERVAL {
            return;
        }
        let result = std::fs::write(&file, now.micros().to_string());
        *last = (now, result.is_ok());
        // Once, and not each second for as long as it fails.
        if let (Err(error), true) = (result, written) {
            tracing::warn!(
                "{} cannot be written, so this role looks unhealthy: {error}; make its folder writable",
                file.display()
            );
        }
    }
}

/// Checks the role. The exit code is 1 if it is not well.
pub(crate) async fn health(settings: Settings, role: Role) -> anyhow::Result<ExitCode> {
    let well = match role {
        Role::Producer => ready(settings.sections.producer.listen).await,
        Role::Dashboard => ready(settings.sections.dashboard.listen).await,
        Role::Transformer | Role::Crawl => fresh(&settings, role),
    };
    match well {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(why) => {
            print::note(&why);
            Ok(ExitCode::FAILURE)
        }
    }
}

async fn ready(listen: SocketAddr) -> Result<(), String> {
    let ip = if listen.ip().is_unspecified() {
        IpAddr::V4(Ipv4Addr::LOCALHOST)
    } else {
        listen.ip()
    };
    let url = format!("http://{}/readyz", SocketAddr::new(ip, listen.port()));
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(5))
        .build()
        .map_err(|error| error.to_string())?;
    let answer = client
        .get(&url)
        .send()
        .await
        .map_err(|error| format!("{url}: {error}"))?;
    if answer.status().is_success() {
        return Ok(());
    }
    Err(format!("{url} answers {}", answer.status()))
}

fn fresh(settings: &Settings, role: Role) -> Result<(), String> {
    let file = file(settings, role);
    let text = std::fs::read_to_string(&file).map_err(|_| {
        format!(
            "{} does not exist: the role has made no progress yet",
            file.display()
        )
    })?;
    let at = Timestamp::from_micros(text.trim().parse().unwrap_or_default());
    let age = SystemClock.now().since(at);
    if age <= STALE_AFTER {
        return Ok(());
    }
    Err(format!("no progress for {} s", age.as_secs()))
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    /// A clock that is two seconds later at each look.
    #[derive(Default)]
    struct Hurried(AtomicI64);

    impl Clock for Hurried {
        fn now(&self) -> Timestamp {
            Timestamp::from_micros(self.0.fetch_add(2_000_000, Ordering::Relaxed) + 2_000_000)
        }
    }

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_pulse_that_cannot_be_written_warns_once_until_it_could() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().join("data");
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .finish();
        let warnings = || {
            String::from_utf8_lossy(&log.0.lock())
                .matches("WARN")
                .count()
        };
        tracing::subscriber::with_default(subscriber, || {
            let pulse = pulse_in(place.join("alive"), Arc::new(Hurried::default()));
            for _ in 0..5 {
                pulse();
            }
            assert_eq!(warnings(), 1);
            std::fs::create_dir(&place).expect("a folder");
            pulse();
            std::fs::remove_dir_all(&place).expect("no folder");
            pulse();
            assert_eq!(warnings(), 2, "it failed anew");
        });
    }
}
