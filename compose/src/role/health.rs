//! `clickweir health ROLE`, which containers run. Edge and dashboard are asked for `/readyz` at
//! their own listeners; transformer, crawler and compactor renew a file while they make progress.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use parking_lot::Mutex;
use topic::Timestamp;
use topic::clock::SharedClock;

use super::Role;
use crate::print;
use crate::settings::Settings;

/// How old the file may be.
const STALE_AFTER: Duration = Duration::from_secs(20);
/// How often the file is renewed at most.
const RENEW_INTERVAL: Duration = Duration::from_secs(1);

fn file(settings: &Settings, role: Role) -> PathBuf {
    settings.folder().join(match role {
        Role::Transformer => "transformer.alive",
        Role::Compactor => "compactor.alive",
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
        // Readers look at the file's time alone: what it holds is gone for an instant at each write.
        let result = std::fs::write(&file, "");
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
        Role::Producer => {
            let edge = &settings.sections.producer;
            ready(edge.scheme(), edge.listen).await
        }
        Role::Dashboard => ready("http", settings.sections.dashboard.listen).await,
        Role::Transformer | Role::Crawl | Role::Compactor => fresh(&file(&settings, role)),
    };
    match well {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(why) => {
            print::note(&why);
            Ok(ExitCode::FAILURE)
        }
    }
}

async fn ready(scheme: &str, listen: SocketAddr) -> Result<(), String> {
    let ip = if listen.ip().is_unspecified() {
        IpAddr::V4(Ipv4Addr::LOCALHOST)
    } else {
        listen.ip()
    };
    let url = format!("{scheme}://{}/readyz", SocketAddr::new(ip, listen.port()));
    let client = reqwest::Client::builder()
        .no_proxy()
        // It asks its own listener, whose certificate names the host that clients see.
        .tls_danger_accept_invalid_certs(true)
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

/// Checks that the file was renewed lately.
fn fresh(file: &Path) -> Result<(), String> {
    let renewed = std::fs::metadata(file)
        .and_then(|metadata| metadata.modified())
        .map_err(|error| {
            format!(
                "the role has made no progress yet: {}: {error}",
                file.display()
            )
        })?;
    // A file from the future is as fresh as one from now.
    let age = renewed.elapsed().unwrap_or_default();
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

    use topic::clock::Clock;

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

    #[test]
    fn a_role_that_renews_its_file_is_well_at_every_moment() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("alive");
        let pulse = pulse_in(file.clone(), Arc::new(Hurried::default()));
        assert!(fresh(&file).is_err_and(|why| why.contains("no progress yet")));
        pulse();
        let done = AtomicI64::new(0);
        std::thread::scope(|threads| {
            threads.spawn(|| {
                while done.load(Ordering::Relaxed) == 0 {
                    pulse();
                }
            });
            for _ in 0..2_000 {
                assert_eq!(fresh(&file), Ok(()));
            }
            done.store(1, Ordering::Relaxed);
        });
        std::fs::File::options()
            .write(true)
            .open(&file)
            .and_then(|file| file.set_modified(std::time::UNIX_EPOCH))
            .expect("the file's time is set");
        assert!(fresh(&file).is_err_and(|why| why.contains("no progress for ")));
    }
}
