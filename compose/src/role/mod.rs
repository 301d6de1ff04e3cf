//! One stage in a process, as on a cluster.

pub(crate) mod demo;
pub(crate) mod health;
pub(crate) mod log;
mod signals;
pub(crate) mod tail;
pub(crate) mod up;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use catalog::Catalog;
use dashboard::Sources;
use indicatif::{ProgressBar, ProgressStyle};
use sink::LakeId;
use tokio_util::sync::CancellationToken;
use topic::Topic;
use transformer::{Components, Enrichment, Status};

use crate::cli::Role;
use crate::command::owner::Ownership;
use crate::node::Node;
use crate::role::signals::{Signals, bind};
use crate::settings::Settings;
use crate::{command, print};

/// How long a stage may take to end after the first signal.
const DEADLINE: Duration = Duration::from_secs(30);

/// Waits for a stage: until it ends by itself, or a signal told it to and it did in time.
async fn attend<E: Into<anyhow::Error>>(
    name: &str,
    stage: impl Future<Output = Result<(), E>>,
    signals: &Signals,
) -> anyhow::Result<ExitCode> {
    let late = async {
        signals.stop.cancelled().await;
        tokio::select! {
            () = signals.now.cancelled() => {}
            () = tokio::time::sleep(DEADLINE) => {}
        }
    };
    tokio::select! {
        ended = stage => ended.map(|()| ExitCode::SUCCESS).map_err(Into::into),
        () = late => bail!("the {name} was ended before it was done; what it held is in the topic"),
    }
}

/// Makes the topic and the bucket.
pub(crate) async fn prepare(settings: Settings) -> anyhow::Result<ExitCode> {
    let node = Node::new(settings);
    if let Some(url) = sink::Lake::make_bucket_url(&node.settings.sections.lake).await? {
        let answer = reqwest::Client::builder()
            .no_proxy()
            .build()?
            .put(url)
            .send()
            .await?;
        // 409: it is there already, and ours or somebody's; the probe tells whether we may write.
        if !answer.status().is_success() && answer.status().as_u16() != 409 {
            bail!(
                "the bucket cannot be made: the store says {}",
                answer.status()
            );
        }
    }
    node.probe().await?;
    let topic = node.topic().await?;
    let partitions = topic.watermarks().await?.len();
    print::line(&format!(
        "topic {} with {partitions} partitions",
        topic.identity()
    ));
    print::line(&format!("lake {}", node.lake().await?.location()));
    Ok(ExitCode::SUCCESS)
}

/// The edge.
pub(crate) async fn producer(settings: Settings) -> anyhow::Result<ExitCode> {
    let signals = Signals::listen()?;
    let node = Node::new(settings);
    let config = node.settings.sections.producer.clone();
    let listener = bind(config.listen, "producer.listen")?;
    let writer = node.topic().await?.writer()?;
    print::line(&format!("edge on http://{}", listener.local_addr()?));
    let stage = producer::run(
        config,
        listener,
        writer,
        node.clock.clone(),
        signals.stop.clone(),
    );
    attend("edge", stage, &signals).await
}

/// Starts a member of the consumer group.
pub(crate) async fn member(
    node: &Node,
    status: Arc<Status>,
    shutdown: CancellationToken,
) -> anyhow::Result<impl Future<Output = Result<(), transformer::Error>> + Send + 'static> {
    let sections = &node.settings.sections;
    let topic = node.topic().await?;
    let components = Components {
        reader: topic.reader(&node.group().await?)?,
        topic,
        lake: node.lake().await?,
        new_lake: LakeId::new(rand::random()),
        enrichment: Enrichment::default(),
        status,
        pulse: Box::new(health::pulse(
            &node.settings,
            Role::Transformer,
            node.clock.clone(),
        )),
    };
    std::fs::create_dir_all(node.settings.folder())?;
    let (config, sink) = (sections.transformer.clone(), sections.sink.clone());
    Ok(transformer::run(config, sink, components, shutdown))
}

/// The consumer group's member.
pub(crate) async fn transformer(settings: Settings) -> anyhow::Result<ExitCode> {
    let signals = Signals::listen()?;
    let node = Node::new(settings);
    node.probe().await?;
    let stage = member(&node, Arc::default(), signals.stop.clone()).await?;
    let topic = node.topic().await?;
    print::line(&format!(
        "from {} to {}",
        topic.identity(),
        node.lake().await?.location()
    ));
    attend("transformer", stage, &signals).await
}

/// The crawler, once or on and on.
pub(crate) async fn crawl(settings: Settings, watch: bool) -> anyhow::Result<ExitCode> {
    let node = Node::new(settings);
    let catalog = node.catalog().await?;
    if !watch {
        let crawl = catalog.crawl(true).await?;
        fold(&catalog).await?;
        let swept = catalog.sweep().await?;
        print::line(&format!(
            "found {}, registered {}, held {}, refused {}, swept {swept} stray dead letters",
            crawl.found, crawl.registered, crawl.held, crawl.refused
        ));
        if !crawl.detail.is_empty() {
            print::line(&crawl.detail);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let signals = Signals::listen()?;
    let pulse = health::pulse(&node.settings, Role::Crawl, node.clock.clone());
    let (landed, stop) = (Arc::default(), signals.stop.clone());
    let schedule = catalog::schedule::run(catalog, landed, stop, move |_| pulse());
    let stage = async {
        schedule.await;
        Ok::<(), std::convert::Infallible>(())
    };
    attend("crawler", stage, &signals).await
}

/// Folds all of the backlog, and shows how far it is.
async fn fold(catalog: &Catalog) -> anyhow::Result<()> {
    let all = catalog.backlog().await?;
    let bar = ProgressBar::new(all).with_message("objects are folded");
    bar.set_style(ProgressStyle::with_template(
        "{bar:40} {human_pos}/{human_len} {msg}, {eta} left",
    )?);
    let mut left = all;
    while left > 0 {
        left = catalog.fold().await?;
        bar.set_position(all.saturating_sub(left));
    }
    bar.finish_and_clear();
    Ok(())
}

/// What the dashboard needs from elsewhere: the topic's watermarks, and a shell's commands.
pub(crate) fn sources(
    node: &Arc<Node>,
    topic: Arc<dyn Topic>,
    token: &str,
    edge: SocketAddr,
) -> Sources {
    let watermarks: dashboard::Watermarks = Arc::new(move || {
        let topic = topic.clone();
        Box::pin(async move {
            let marks = topic
                .watermarks()
                .await
                .map_err(|error| dashboard::CommandError::Unavailable(error.to_string()))?;
            let span =
                |(partition, marks): (&topic::Partition, &topic::Watermarks)| dashboard::Span {
                    partition: partition.0,
                    low: marks.low.0,
                    high: marks.high.0,
                };
            Ok(marks.iter().map(span).collect())
        })
    });
    Sources {
        watermarks: Some(watermarks),
        commands: command::served(node, token),
        edge: format!("http://{edge}"),
    }
}

/// A token that only this process and the owner's file know.
pub(crate) fn token() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// The dashboard, with a catalog of its own.
pub(crate) async fn dashboard(settings: Settings) -> anyhow::Result<ExitCode> {
    let signals = Signals::listen()?;
    let node = Node::new(settings);
    let config = node.settings.sections.dashboard.clone();
    let listener = bind(config.listen, "dashboard.listen")?;
    let address = listener.local_addr()?;
    let (topic, catalog) = (node.topic().await?, node.catalog().await?);
    let token = token();
    let sources = sources(&node, topic, &token, node.settings.sections.producer.listen);
    let pulse = health::pulse(&node.settings, Role::Crawl, node.clock.clone());
    let crawling = tokio::spawn(catalog::schedule::run(
        catalog.clone(),
        Arc::default(),
        signals.stop.clone(),
        move |_| pulse(),
    ));
    let tail = tail::tail(&node, signals.stop.clone()).await?;
    let _owned = Ownership::claim(&node.settings, address, &token)?;
    print::line(&format!("dashboard on http://{address}"));
    let clock = node.clock.clone();
    let stage = dashboard::run(
        config,
        listener,
        catalog,
        sources,
        clock,
        signals.stop.clone(),
    );
    let stages = async {
        let pages = async { stage.await.map_err(anyhow::Error::from) };
        let tail = async { tail.await.context("the tail failed") };
        tokio::try_join!(pages, tail).map(drop)
    };
    let code = attend("dashboard", stages, &signals).await?;
    crawling.await.context("the crawler ended badly")?;
    Ok(code)
}
