//! A node opens topic, lake and catalog, each when a command first needs it.

use std::sync::Arc;

use anyhow::Context;
use catalog::Catalog;
use sha2::{Digest, Sha256};
use sink::Lake;
use tokio::sync::{Mutex, OnceCell};
use topic::clock::{self, SharedClock};
use topic::{Open, Topic};
use transformer::{PlainRule, PlainTopic};

use crate::command::job::Jobs;
use crate::enrichment::EnrichmentFiles;
use crate::settings::Settings;
use crate::sql_worker;

/// Topic, lake and catalog of a process, and the commands that run on them.
pub(crate) struct Node {
    pub(crate) settings: Settings,
    pub(crate) clock: SharedClock,
    topic: OnceCell<Arc<dyn Topic>>,
    lake: OnceCell<Lake>,
    catalog: OnceCell<Catalog>,
    enrichment: OnceCell<EnrichmentFiles>,
    /// The long commands that run here.
    pub(crate) jobs: Jobs,
    /// Who compacts has it: twice at once would take the memory twice.
    pub(crate) compacting: Mutex<()>,
}

impl Node {
    /// Makes a node. It opens nothing yet.
    pub(crate) fn new(settings: Settings) -> Arc<Self> {
        Arc::new(Self {
            settings,
            clock: clock::system(),
            topic: OnceCell::new(),
            lake: OnceCell::new(),
            catalog: OnceCell::new(),
            enrichment: OnceCell::new(),
            jobs: Jobs::default(),
            compacting: Mutex::default(),
        })
    }

    /// The topic. It is made if it is missing.
    pub(crate) async fn topic(&self) -> anyhow::Result<Arc<dyn Topic>> {
        let open = || async {
            let with = Open {
                clock: self.clock.clone(),
                create: true,
            };
            let config = &self.settings.sections.topic;
            let topic = topic::open(config, with)
                .await
                .with_context(|| format!("the topic at {} cannot be opened", config.url))?;
            Ok::<_, anyhow::Error>(match PlainRule::of(config) {
                Some(rule) => PlainTopic::new(topic, rule),
                None => topic,
            })
        };
        self.topic.get_or_try_init(open).await.cloned()
    }

    /// The lake.
    pub(crate) async fn lake(&self) -> anyhow::Result<Lake> {
        let open = || async {
            let lake = Lake::open(&self.settings.sections.lake)?;
            Ok::<_, anyhow::Error>(lake.with_spill(self.settings.folder()))
        };
        self.lake.get_or_try_init(open).await.cloned()
    }

    /// The catalog. It is not crawled here.
    pub(crate) async fn catalog(&self) -> anyhow::Result<Catalog> {
        let open = || async {
            let sections = &self.settings.sections;
            let lake = self.lake().await?;
            let mut config = sections.catalog.clone();
            config.worker = Some(sql_worker::command(&config));
            Ok::<_, anyhow::Error>(
                Catalog::open(config, lake, &sections.lake, self.clock.clone()).await?,
            )
        };
        self.catalog.get_or_try_init(open).await.cloned()
    }

    /// What clicks are enriched from.
    pub(crate) async fn enrichment(&self) -> anyhow::Result<&EnrichmentFiles> {
        let open = || EnrichmentFiles::open(&self.settings.sections.enrich);
        self.enrichment.get_or_try_init(open).await
    }

    /// Checks that the store supports conditional creates, on which exactly once rests, and that
    /// the lake is of a format that this program reads.
    pub(crate) async fn probe(&self) -> anyhow::Result<()> {
        let lake = self.lake().await?;
        lake.probe(&self.nonce()).await.map_err(|error| {
            let remedy = self.remedy(&error);
            anyhow::anyhow!("{error}{remedy}")
        })?;
        lake.ledger().await?;
        Ok(())
    }

    /// What to do about a lake that cannot be reached at the start.
    fn remedy(&self, error: &sink::Error) -> &'static str {
        let lake = &self.settings.sections.lake;
        match error {
            sink::Error::Unavailable(_)
                if lake.access_key.is_empty() && lake.url.starts_with("s3:") =>
            {
                "; set lake.access_key and lake.secret_key, unless this machine has a role of its own; \
                 and see that lake.endpoint and lake.region are the store's"
            }
            sink::Error::Unavailable(_) => {
                "; start the store, or correct lake.endpoint, lake.region and lake.url"
            }
            _ => "",
        }
    }

    /// Checks that DuckDB reads what is written to the lake, under the same names, and that the lake
    /// is of a format that this program reads.
    pub(crate) async fn probe_catalog(&self) -> anyhow::Result<()> {
        self.catalog().await?.probe(&self.nonce()).await?;
        self.lake().await?.ledger().await?;
        Ok(())
    }

    /// Keeps the probes of two processes apart.
    fn nonce(&self) -> String {
        format!("{}-{}", self.clock.now().micros(), std::process::id())
    }

    /// The name of the consumer group. Two lakes on one topic never share one.
    pub(crate) async fn group(&self) -> anyhow::Result<String> {
        let given = &self.settings.sections.transformer.group;
        if !given.is_empty() {
            return Ok(given.clone());
        }
        let digest = Sha256::digest(self.lake().await?.location().to_string());
        Ok(format!("clickweir-{}", &format!("{digest:x}")[..12]))
    }
}
