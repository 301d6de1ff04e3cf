//! The registry of this process, and the checks of its stages.

use std::pin::Pin;
use std::sync::Arc;

use parking_lot::Mutex;
use prometheus_client::encoding::prometheus_text::encode;
use prometheus_client::registry::Registry;

use super::disk::DiskWatch;
use super::process::ProcessCollector;

type Future<T> = Pin<Box<dyn std::future::Future<Output = T> + Send>>;
type Ask<T> = Arc<dyn Fn() -> Future<T> + Send + Sync>;

/// The metrics of this process in one registry, and the checks of its stages.
#[derive(Default)]
pub(crate) struct Telemetry {
    registry: Mutex<Registry>,
    /// What is asked before each scrape, for gauges that nobody sets meanwhile.
    refreshes: Mutex<Vec<Ask<()>>>,
    checks: Mutex<Vec<Ask<Result<(), String>>>>,
    disks: Mutex<Arc<DiskWatch>>,
}

impl Telemetry {
    /// A registry that holds the memory and the processor time of this process.
    pub(crate) fn new() -> Arc<Self> {
        let telemetry = Self::default();
        let process = Box::new(ProcessCollector);
        telemetry.registry.lock().register_collector(process);
        Arc::new(telemetry)
    }

    /// Shows what is kept on this machine's disks.
    pub(crate) fn watch(&self, disks: Arc<DiskWatch>) {
        let metrics = Box::new(disks.clone());
        self.register(|registry| {
            let registry = registry.sub_registry_with_prefix("clickweir");
            registry.register_collector(metrics);
        });
        let measured = disks.clone();
        self.refresh(move || {
            let disks = measured.clone();
            async move {
                // A large lake's folder takes a while; the scrape then finds it measured.
                let _ = tokio::task::spawn_blocking(move || disks.measure()).await;
            }
        });
        *self.disks.lock() = disks;
    }

    /// What is kept on this machine's disks.
    pub(crate) fn disks(&self) -> Arc<DiskWatch> {
        self.disks.lock().clone()
    }

    /// Lets a stage name its metrics.
    pub(crate) fn register<T>(&self, metrics: impl FnOnce(&mut Registry) -> T) -> T {
        metrics(&mut self.registry.lock())
    }

    /// Asks `refresh` before each scrape.
    pub(crate) fn refresh<F>(&self, refresh: impl Fn() -> F + Send + Sync + 'static)
    where
        F: std::future::Future<Output = ()> + Send + 'static,
    {
        let ask: Ask<()> = Arc::new(move || Box::pin(refresh()));
        self.refreshes.lock().push(ask);
    }

    /// Makes the process ready only while `check` succeeds. Its error says why it does not.
    pub(crate) fn ready_if<F>(&self, check: impl Fn() -> F + Send + Sync + 'static)
    where
        F: std::future::Future<Output = Result<(), String>> + Send + 'static,
    {
        let ask: Ask<Result<(), String>> = Arc::new(move || Box::pin(check()));
        self.checks.lock().push(ask);
    }

    /// All metrics in Prometheus' text format 0.0.4.
    pub(crate) async fn page(&self) -> String {
        let refreshes = self.refreshes.lock().clone();
        for refresh in refreshes {
            refresh().await;
        }
        let mut page = String::new();
        encode(&mut page, &self.registry.lock()).expect("a string takes everything");
        page
    }

    /// The page as a function, for stages that serve it themselves.
    pub(crate) fn exposition(self: &Arc<Self>) -> Ask<String> {
        let telemetry = self.clone();
        Arc::new(move || {
            let telemetry = telemetry.clone();
            Box::pin(async move { telemetry.page().await })
        })
    }

    /// Asks every check.
    ///
    /// # Errors
    /// Fails with the sentences of the checks that fail, one a line.
    pub(crate) async fn ready(&self) -> Result<(), String> {
        let checks = self.checks.lock().clone();
        let mut failures = Vec::new();
        for check in checks {
            failures.extend(check().await.err());
        }
        match failures.is_empty() {
            true => Ok(()),
            false => Err(failures.join("\n")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use prometheus_client::metrics::gauge::Gauge;

    use super::*;

    #[tokio::test]
    async fn a_page_shows_what_is_true_when_it_is_asked_for() {
        let telemetry = Telemetry::new();
        let gauge: Gauge = telemetry.register(|registry| {
            let gauge = Gauge::default();
            registry.register("clickweir_test", "A number", gauge.clone());
            gauge
        });
        let asked = Arc::new(AtomicI64::new(0));
        telemetry.refresh(move || {
            gauge.set(asked.fetch_add(1, Ordering::Relaxed));
            std::future::ready(())
        });
        for expect in ["clickweir_test 0", "clickweir_test 1"] {
            let page = telemetry.exposition()().await;
            assert!(page.lines().any(|line| line == expect), "{expect}: {page}");
            if cfg!(target_os = "linux") {
                assert!(page.contains("\nprocess_resident_memory_bytes "), "{page}");
                assert!(page.contains("\nprocess_cpu_seconds_total "), "{page}");
            }
        }
    }

    #[tokio::test]
    async fn a_process_is_ready_while_every_check_succeeds() {
        let telemetry = Telemetry::new();
        assert_eq!(telemetry.ready().await, Ok(()));
        telemetry.ready_if(|| async { Ok(()) });
        telemetry.ready_if(|| async { Err("partition 3 is stopped".to_owned()) });
        assert_eq!(
            telemetry.ready().await,
            Err("partition 3 is stopped".into())
        );
    }
}
