//! Where heavy work runs.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// Where heavy work runs, such as encoding a batch.
#[derive(Debug, Clone)]
pub enum Pool {
    /// On tokio's threads for blocking work, no more at once than this: each encoding takes some
    /// 30 MB besides its batch, and one that waits for a core takes them as well.
    Threads(Arc<Semaphore>),
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

impl Pool {
    /// Runs `work`; an error if it panicked.
    pub(crate) async fn run<T: Send + 'static>(
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
            Self::Inline => Ok(work()),
        }
    }
}
