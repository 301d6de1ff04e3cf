//! A cluster: each role in a process of its own, on a real Kafka and a real S3 server.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use sink::{Lake, S3};

use crate::clickweir::{Place, Process};
use crate::commits::{self, Newest};
use crate::kafka::{self, Kafka};
use crate::proxy::Proxy;
use crate::s3::{self, S3Server};

/// How long the group may need until it has committed every partition again: the session of the
/// member that is gone, a rebalance and a batch. On an idle machine it needs about five seconds.
pub const COMMIT_TIMEOUT: Duration = Duration::from_secs(60);

/// A topic and a lake of the test's own, and the configuration of the roles.
pub struct Cluster {
    brokers: String,
    store: S3,
    name: String,
    partitions: usize,
    settings: Vec<(String, String)>,
}

impl Cluster {
    /// On the servers that the tests share. `None` if they cannot be had.
    pub async fn shared(name: &str) -> Option<Self> {
        let (kafka, s3) = (kafka::shared().await?, s3::shared().await?);
        Some(Self::on(kafka, s3, name))
    }

    /// On these servers, with four partitions.
    #[must_use]
    pub fn on(kafka: &Kafka, s3: &S3Server, name: &str) -> Self {
        // The name is new even on servers that outlive this run.
        let name = format!("{name}-{}", std::process::id());
        Self {
            brokers: kafka.brokers().to_owned(),
            store: s3.lake(&name),
            name,
            partitions: 4,
            settings: Vec::new(),
        }
        .with(
            "TOPIC__SESSION_TIMEOUT",
            &format!("{}s", kafka::session_timeout().as_secs()),
        )
    }

    /// With so many partitions.
    #[must_use]
    pub fn with_partitions(mut self, partitions: usize) -> Self {
        self.partitions = partitions;
        self
    }

    /// Sets a key for every role: `SECTION__KEY`.
    #[must_use]
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.settings.push((key.to_owned(), value.to_owned()));
        self
    }

    /// The topic's name.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.name
    }

    /// How many partitions the topic has.
    #[must_use]
    pub const fn partitions(&self) -> usize {
        self.partitions
    }

    /// A folder for one role, with the configuration that the roles share.
    ///
    /// # Panics
    /// If no temporary folder can be made.
    #[must_use]
    pub fn place(&self) -> Place {
        let place = Place::new()
            .expect("a temporary folder")
            .with("TOPIC__URL", &self.url(&self.brokers))
            .with("TOPIC__PARTITIONS", &self.partitions.to_string())
            .with_lake(&self.store);
        let settings = self.settings.iter();
        settings.fold(place, |place, (key, value)| place.with(key, value))
    }

    /// The same for a role that reaches the broker through this proxy only.
    #[must_use]
    pub fn behind(&self, proxy: &Proxy) -> Place {
        let url = self.url(&proxy.address().to_string());
        self.place().with("TOPIC__URL", &url)
    }

    fn url(&self, brokers: &str) -> String {
        format!("kafka://{brokers}/{}", self.name)
    }

    /// The lake, opened as another process would.
    ///
    /// # Panics
    /// If it cannot be opened.
    #[must_use]
    pub fn lake(&self) -> Lake {
        Lake::open(&self.store).expect("the lake opens")
    }

    /// Makes the topic and the bucket.
    ///
    /// # Errors
    /// If they cannot be made.
    pub fn prepare(&self) -> Result<()> {
        let prepared = self.place().must(&["prepare"])?;
        let partitions = format!("with {} partitions", self.partitions);
        ensure!(prepared.contains(&partitions), "{prepared}");
        Ok(())
    }

    /// Makes the topic and the bucket, and starts a producer, so many transformers and a
    /// dashboard.
    ///
    /// # Errors
    /// If one of them does not start.
    pub fn start(&self, transformers: usize) -> Result<Roles> {
        self.prepare()?;
        let producer = Role::edge(self.place())?;
        let transformers = (0..transformers).map(|_| Role::transformer(self.place()));
        Ok(Roles {
            producer,
            transformers: transformers.collect::<Result<_>>()?,
            dashboard: Role::dashboard(self.place())?,
        })
    }

    /// Waits until every partition has a newer object than it has now, and returns how long that
    /// took.
    ///
    /// # Errors
    /// If that takes too long; `why` is then part of the message.
    pub async fn all_commit(&self, why: &str) -> Result<Duration> {
        let before = self.newest().await?;
        self.commit_since(&before, why).await
    }

    /// The first offset of each partition's newest object.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn newest(&self) -> Result<Newest> {
        commits::newest(&self.lake()).await
    }

    /// Waits until every partition has a newer object than in `before`, and returns how long that
    /// took.
    ///
    /// # Errors
    /// If that takes too long; `why` is then part of the message.
    pub async fn commit_since(&self, before: &Newest, why: &str) -> Result<Duration> {
        commits::commit_since(&self.lake(), self.partitions, before, COMMIT_TIMEOUT)
            .await
            .with_context(|| why.to_owned())
    }
}

/// A role in a process of its own, in a folder that it keeps over restarts.
pub struct Role {
    /// Its folder. Commands that run in a dashboard's folder use its catalog.
    pub place: Place,
    /// Its process.
    pub process: Process,
    /// Its address, `http://127.0.0.1:PORT`, if it listens. It changes with each start.
    pub url: String,
    name: &'static str,
}

impl Role {
    /// Starts an edge and waits until it listens.
    ///
    /// # Errors
    /// If it does not.
    pub fn edge(place: Place) -> Result<Self> {
        Self::start(place, "producer")
    }

    /// Starts a member of the group and waits until it has opened the topic and the lake.
    ///
    /// # Errors
    /// If it cannot open them.
    pub fn transformer(place: Place) -> Result<Self> {
        Self::start(place, "transformer")
    }

    /// Starts a dashboard with its catalog and waits until it listens.
    ///
    /// # Errors
    /// If it does not.
    pub fn dashboard(place: Place) -> Result<Self> {
        Self::start(place, "dashboard")
    }

    fn start(place: Place, name: &'static str) -> Result<Self> {
        let (process, url) = Self::run(&place, name)?;
        Ok(Self {
            place,
            process,
            url,
            name,
        })
    }

    /// Starts the role again after its process has ended.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start_again(&mut self) -> Result<()> {
        (self.process, self.url) = Self::run(&self.place, self.name)?;
        Ok(())
    }

    fn run(place: &Place, name: &str) -> Result<(Process, String)> {
        let says = match name {
            "producer" => "edge on ",
            "dashboard" => "dashboard on ",
            _ => "from ",
        };
        let mut process = Process::start(place, &[name])?;
        let said = process.line_after(says)?;
        Ok((process, said))
    }

    /// The number of records in the topic that a dashboard's catalog does not show yet, from the
    /// dashboard's metrics. `None` while they do not say.
    pub async fn lag(&self) -> Option<u64> {
        let client = reqwest::Client::builder().no_proxy().build().ok()?;
        let asked = client.get(format!("{}/metrics", self.url)).send().await;
        let page = asked.ok()?.text().await.ok()?;
        let lags: Option<Vec<u64>> = page
            .lines()
            .filter_map(|line| line.strip_prefix("clickweir_lag_records{"))
            .map(|rest| rest.rsplit(' ').next()?.parse().ok())
            .collect();
        // A dashboard that cannot reach the topic has no such metrics.
        let lags = lags.filter(|lags| !lags.is_empty())?;
        Some(lags.iter().sum())
    }
}

/// The processes of a cluster.
pub struct Roles {
    /// The edge.
    pub producer: Role,
    /// The group's members.
    pub transformers: Vec<Role>,
    /// The dashboard.
    pub dashboard: Role,
}

impl Roles {
    /// Ends the roles in the order in which a click passes them.
    ///
    /// # Errors
    /// If one of them does not end in order and in time.
    pub fn end(self) -> Result<()> {
        ensure!(self.producer.process.end()?, "the producer ends in order");
        for transformer in self.transformers {
            ensure!(transformer.process.end()?, "a transformer ends in order");
        }
        ensure!(self.dashboard.process.end()?, "the dashboard ends in order");
        Ok(())
    }
}
