//! Every role a process of its own, on a real Kafka and a real S3 server.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use sink::{Lake, S3};

use crate::clickweir::{Place, Process};
use crate::commits::{self, Newest};
use crate::kafka::{self, Kafka};
use crate::proxy::Proxy;
use crate::s3::{self, S3Server};

/// When a silent member loses its partitions, in the tests.
pub const SESSION: Duration = Duration::from_secs(3);
/// How long the group may need until every partition is committed again: the session of
/// the member that is gone, a rebalance and a batch; on an idle machine some five seconds.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A topic and a lake of the test's own, and how the roles are configured.
pub struct Cluster {
    brokers: String,
    store: S3,
    keys: (String, String),
    name: String,
    partitions: usize,
    settings: Vec<(String, String)>,
}

impl Cluster {
    /// On the servers that tests share; none where they cannot be had.
    pub async fn shared(name: &str) -> Option<Self> {
        let (kafka, s3) = (kafka::shared().await?, s3::shared().await?);
        Some(Self::on(kafka, s3, name))
    }

    /// On these servers, with four partitions.
    #[must_use]
    pub fn on(kafka: &Kafka, s3: &S3Server, name: &str) -> Self {
        // A name that nobody else has where the servers outlive this run.
        let name = format!("{name}-{}", std::process::id());
        Self {
            brokers: kafka.brokers().to_owned(),
            store: s3.lake(&name),
            keys: (s3.keys().0.to_owned(), s3.keys().1.to_owned()),
            name,
            partitions: 4,
            settings: Vec::new(),
        }
        .with("TOPIC__SESSION_TIMEOUT", &format!("{}s", SESSION.as_secs()))
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

    /// A folder of a role's own; what the roles share is in the environment.
    ///
    /// # Panics
    /// Where no temporary folder can be made.
    #[must_use]
    pub fn place(&self) -> Place {
        let place = Place::new()
            .expect("a temporary folder")
            .with("TOPIC__URL", &self.url(&self.brokers))
            .with("TOPIC__PARTITIONS", &self.partitions.to_string())
            .with("LAKE__URL", &self.store.url)
            .with("LAKE__ENDPOINT", &self.store.endpoint)
            .with("LAKE__ACCESS_KEY", &self.keys.0)
            .with("LAKE__SECRET_KEY", &self.keys.1);
        let settings = self.settings.iter();
        settings.fold(place, |place, (key, value)| place.with(key, value))
    }

    /// The same for a role that meets the broker only through this door of it.
    #[must_use]
    pub fn behind(&self, door: &Proxy) -> Place {
        let url = self.url(&door.address().to_string());
        self.place().with("TOPIC__URL", &url)
    }

    fn url(&self, brokers: &str) -> String {
        format!("kafka://{brokers}/{}", self.name)
    }

    /// The lake, as somebody else sees it.
    ///
    /// # Panics
    /// Where it cannot be opened.
    #[must_use]
    pub fn lake(&self) -> Lake {
        Lake::open(&self.store).expect("the lake opens")
    }

    /// Makes topic and bucket.
    ///
    /// # Errors
    /// Where they cannot be made.
    pub fn prepare(&self) -> Result<()> {
        let prepared = self.place().must(&["prepare"])?;
        let partitions = format!("with {} partitions", self.partitions);
        ensure!(prepared.contains(&partitions), "{prepared}");
        Ok(())
    }

    /// Makes topic and bucket, and starts a producer, as many transformers and a dashboard.
    ///
    /// # Errors
    /// Where one of them does not start.
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

    /// Waits until every partition has a newer object than it has now; how long that took.
    ///
    /// # Errors
    /// Where that is not so in time; `why` tells what was waited for.
    pub async fn all_commit(&self, why: &str) -> Result<Duration> {
        let before = self.newest().await?;
        self.commit_since(&before, why).await
    }

    /// Where the newest object of each partition begins.
    ///
    /// # Errors
    /// The store's.
    pub async fn newest(&self) -> Result<Newest> {
        commits::newest(&self.lake()).await
    }

    /// Waits until every partition has a newer object than it had; how long that took.
    ///
    /// # Errors
    /// Where that is not so in time; `why` tells what was waited for.
    pub async fn commit_since(&self, before: &Newest, why: &str) -> Result<Duration> {
        commits::commit_since(&self.lake(), self.partitions, before, PATIENCE)
            .await
            .with_context(|| why.to_owned())
    }
}

/// A role in a process of its own, in a folder that it keeps when it is started again.
pub struct Role {
    /// Its folder; commands that are typed in a dashboard's ask its catalog.
    pub place: Place,
    /// Its process.
    pub process: Process,
    /// Where it listens, where it does (`http://127.0.0.1:PORT`): another one after each start.
    pub url: String,
    name: &'static str,
}

impl Role {
    /// Starts an edge and waits until it listens.
    ///
    /// # Errors
    /// Where it does not.
    pub fn edge(place: Place) -> Result<Self> {
        Self::start(place, "producer")
    }

    /// Starts a member of the group and waits until it has seen topic and lake.
    ///
    /// # Errors
    /// Where it cannot.
    pub fn transformer(place: Place) -> Result<Self> {
        Self::start(place, "transformer")
    }

    /// Starts a dashboard with its catalog and waits until it listens.
    ///
    /// # Errors
    /// Where it does not.
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

    /// Starts it again, the process before being gone.
    ///
    /// # Errors
    /// Where it does not come so far.
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

    /// How many records the topic has that a dashboard's catalog does not show yet, by its
    /// metrics; none while it cannot tell.
    pub async fn lag(&self) -> Option<u64> {
        let client = reqwest::Client::builder().no_proxy().build().ok()?;
        let asked = client.get(format!("{}/metrics", self.url)).send().await;
        let page = asked.ok()?.text().await.ok()?;
        let lags: Option<Vec<u64>> = page
            .lines()
            .filter_map(|line| line.strip_prefix("clickweir_lag_records{"))
            .map(|rest| rest.rsplit(' ').next()?.parse().ok())
            .collect();
        // A dashboard that does not reach the topic tells nothing.
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
    /// Ends them in the order of the data; each must end in time and say so.
    ///
    /// # Errors
    /// Where one does not.
    pub fn end(self) -> Result<()> {
        ensure!(self.producer.process.end()?, "the producer ends in order");
        for transformer in self.transformers {
            ensure!(transformer.process.end()?, "a transformer ends in order");
        }
        ensure!(self.dashboard.process.end()?, "the dashboard ends in order");
        Ok(())
    }
}
