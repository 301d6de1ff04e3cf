//! SIGINT and SIGTERM, which mean the same.

use anyhow::bail;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The signals that this process received: the first means stop, the second means now.
#[derive(Debug, Clone, Default)]
pub(crate) struct Signals {
    /// Cancelled by the first signal.
    pub(crate) stop: CancellationToken,
    /// Cancelled by the second signal.
    pub(crate) now: CancellationToken,
}

impl Signals {
    /// Listens for signals from now on.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let signals = Self::default();
        let Self { stop, now } = signals.clone();
        tokio::spawn(async move {
            for token in [stop, now] {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                token.cancel();
            }
        });
        Ok(signals)
    }

    /// Waits for `starting`.
    ///
    /// # Errors
    /// Fails with its error, and when a signal comes first.
    pub(crate) async fn unless_stopped<T>(
        self,
        starting: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        tokio::select! {
            started = starting => started,
            () = self.stop.cancelled() => bail!("a signal came before everything had started"),
        }
    }
}
