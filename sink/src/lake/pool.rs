//! Where heavy work runs.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::sleep;

/// Where heavy work runs, such as encoding a batch.
#[derive(Debug, Clone)]
pub enum Pool {
    /// On tokio's threads for blocking work, no more at once than this: each encoding takes some
    /// 30 MB besides its batch, and one that waits for a core takes them as well.
    Threads(Arc<Semaphore>),
    /// On threads of the lowest priority, one at a time, which rest after each piece of work.
    Aside(Arc<Semaphore>, CoreShare),
    /// On the caller's thread: a simulation has one thread, and its time does not pass meanwhile.
    Inline,
}

impl Default for Pool {
    /// Threads that leave a core for reading and serving.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::Threads(Arc::new(Semaphore::new(cores.saturating_sub(1).max(1))))
    }
}

/// How much of a core work may take, in percent, from 1 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CoreShare(u32);

impl CoreShare {
    /// A share of so many percent.
    #[must_use]
    pub fn percent(percent: u32) -> Self {
        Self(percent.clamp(1, 100))
    }

    /// How long a thread rests that has worked for so long.
    fn rest(self, worked: Duration) -> Duration {
        worked * (100 - self.0) / self.0
    }
}

/// The niceness that gives way to all that has none.
const LOWEST_PRIORITY: i32 = 19;

/// Runs work on a thread of its own that gives way to all others. Returns how long it was on a core.
fn aside<T: Send>(work: impl FnOnce() -> T + Send) -> (T, Duration) {
    std::thread::scope(|threads| {
        let thread = threads.spawn(|| {
            // On Linux this means the calling thread; elsewhere it may be refused.
            if let Err(error) = rustix::process::setpriority_process(None, LOWEST_PRIORITY) {
                tracing::debug!(%error, "a thread keeps its priority");
            }
            let done = work();
            (done, time_on_core())
        });
        let ended = thread.join();
        ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// How long this thread was on a core; nothing where that is not told.
fn time_on_core() -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = told.split(' ').next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}

impl Pool {
    /// A pool for work that must not be noticed: it gives way to all that the machine has to do, and
    /// takes no more than this share of one core.
    #[must_use]
    pub fn aside(share: CoreShare) -> Self {
        Self::Aside(Arc::new(Semaphore::new(1)), share)
    }

    /// Runs `work`.
    ///
    /// # Errors
    /// If it panicked.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, tokio::task::JoinError> {
        match self {
            Self::Threads(free) => {
                let permit = Arc::clone(free).acquire_owned().await;
                let permit = permit.expect("the semaphore is never closed");
                // Work that was begun goes on if its caller is dropped, and keeps its permit.
                tokio::task::spawn_blocking(move || {
                    let done = work();
                    drop(permit);
                    done
                })
                .await
            }
            Self::Aside(free, share) => {
                let permit = Arc::clone(free).acquire_owned().await;
                let permit = permit.expect("the semaphore is never closed");
                let (done, worked) = tokio::task::spawn_blocking(|| aside(work)).await?;
                sleep(share.rest(worked)).await;
                drop(permit);
                Ok(done)
            }
            Self::Inline => Ok(work()),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    /// Keeps a core busy until so much time was spent on it.
    fn spin(at_least: Duration) {
        let begun = time_on_core();
        while time_on_core() - begun < at_least {
            std::hint::spin_loop();
        }
    }

    #[tokio::test]
    async fn work_aside_gives_way_and_rests() {
        let pool = Pool::aside(CoreShare::percent(25));
        let begun = Instant::now();
        let nice = pool.run(|| {
            spin(Duration::from_millis(20));
            rustix::process::getpriority_process(None).unwrap_or_default()
        });
        assert_eq!(nice.await.unwrap(), LOWEST_PRIORITY);
        let took = begun.elapsed();
        assert!(
            took >= Duration::from_millis(80),
            "it rests for 60 ms: {took:?}"
        );
        let mine = rustix::process::getpriority_process(None).unwrap_or_default();
        assert_ne!(mine, LOWEST_PRIORITY, "no other thread gives way");
        assert!(pool.run(|| panic!("planted")).await.is_err());
        pool.run(|| ()).await.expect("a panic keeps no permit");
    }

    #[test]
    fn a_share_says_how_long_to_rest() {
        let check = |percent: u32, expect: u64| {
            let rest = CoreShare::percent(percent).rest(Duration::from_millis(100));
            assert_eq!(rest, Duration::from_millis(expect), "{percent}");
        };
        check(100, 0);
        check(50, 100);
        check(1, 9_900);
        check(0, 9_900);
        check(1_000, 0);
    }
}
