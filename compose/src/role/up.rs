//! `clickweir up`: every stage in one process, and an end that follows the data.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use transformer::Status;

use crate::cli::Role;
use crate::command::owner::Ownership;
use crate::node::Node;
use crate::print;
use crate::role::signals::{Signals, bind_near};
use crate::role::{self, demo, health, tail};
use crate::settings::Settings;

/// How long a stage may take to end.
const DEADLINE: Duration = Duration::from_secs(20);

/// What the demo does before the process goes on serving.
pub(crate) struct Demo {
    pub(crate) visitors: Option<u64>,
    pub(crate) seed: u64,
    pub(crate) once: bool,
}

/// A stage in its own task.
struct Stage {
    name: &'static str,
    stop: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Stage {
    fn start<E: Into<anyhow::Error>>(
        name: &'static str,
        stop: CancellationToken,
        run: impl Future<Output = Result<(), E>> + Send + 'static,
    ) -> Self {
        let task = tokio::spawn(async move { run.await.map_err(Into::into) });
        Self { name, stop, task }
    }

    /// Tells the stage to end and waits for it.
    async fn end(self) -> anyhow::Result<()> {
        self.stop.cancel();
        match timeout(DEADLINE, self.task).await {
            Ok(ended) => ended?.with_context(|| format!("the {} failed", self.name)),
            Err(_) => Err(anyhow!(
                "the {} did not end in time; what it held is in the topic",
                self.name
            )),
        }
    }
}

/// Runs everything until a signal, or with `once` until the demo's summary.
pub(crate) async fn run(mut settings: Settings, demo: Demo) -> anyhow::Result<ExitCode> {
    let signals = Signals::listen()?;
    tail::share(&mut settings.sections);
    let node = Node::new(settings);
    let sections = &node.settings.sections;
    let edge_listener = bind_near(sections.producer.listen, "producer.listen")?;
    let page_listener = bind_near(sections.dashboard.listen, "dashboard.listen")?;
    let (shop, pages) = (edge_listener.local_addr()?, page_listener.local_addr()?);
    std::fs::create_dir_all(node.settings.folder())?;
    let topic = node.topic().await?;
    let lake = node.lake().await?;
    node.probe().await?;
    let catalog = node.catalog().await?;
    print::line(&format!("topic      {}", sections.topic.url));
    print::line(&format!("lake       {}", lake.location()));
    print::line(&format!(
        "shop       http://{shop}/  (clicks: POST http://{shop}/v1/events)"
    ));
    print::line(&format!("dashboard  http://{pages}/"));

    let token = role::token();
    let stop = CancellationToken::new;
    let edge_stop = stop();
    let edge = Stage::start("edge", edge_stop.clone(), {
        let (config, writer) = (sections.producer.clone(), topic.writer()?);
        producer::run(config, edge_listener, writer, node.clock.clone(), edge_stop)
    });
    let (member_stop, status) = (stop(), Arc::<Status>::default());
    let member = role::member(&node, status.clone(), member_stop.clone()).await?;
    let member = Stage::start("transformer", member_stop, member);
    let tail_stop = stop();
    let tail = tail::tail(&node, tail_stop.clone()).await?;
    let tail = Stage::start("tail", tail_stop, tail);
    let crawl_stop = stop();
    let pulse = health::pulse(&node.settings, Role::Crawl, node.clock.clone());
    let crawler = Stage::start("crawler", crawl_stop.clone(), {
        let (catalog, landed) = (catalog.clone(), status.landed());
        let schedule = catalog::schedule::run(catalog, landed, crawl_stop, move |_| pulse());
        async move {
            schedule.await;
            Ok::<(), anyhow::Error>(())
        }
    });
    let page_stop = stop();
    let dashboard = Stage::start("dashboard", page_stop.clone(), {
        let config = sections.dashboard.clone();
        let sources = role::sources(&node, topic, &token, shop);
        dashboard::run(
            config,
            page_listener,
            catalog,
            sources,
            node.clock.clone(),
            page_stop,
        )
    });
    let owned = Ownership::claim(&node.settings, pages, &token)?;
    let mut stages = [edge, member, tail, crawler, dashboard];

    let (shop, pages) = (format!("http://{shop}"), format!("http://{pages}"));
    let mut gone = "";
    let verdict = tokio::select! {
        verdict = serve(&node, &demo, &shop, &pages, &signals) => verdict,
        (name, failed) = first_to_end(&mut stages) => {
            gone = name;
            Err(failed)
        }
    };
    // The end follows the data: the edge, the transformer, the tail, a last crawl, the pages.
    node.import_stop();
    node.replay_stop();
    let ending = async {
        let mut ended = Ok(());
        for stage in stages.into_iter().filter(|stage| stage.name != gone) {
            ended = ended.and(stage.end().await);
        }
        ended
    };
    let ended = tokio::select! {
        ended = ending => ended,
        () = signals.now.cancelled() => bail!("told twice to stop; what was not committed is in the topic"),
    };
    drop(owned);
    let code = verdict?;
    ended?;
    Ok(code)
}

/// The demo, where one is asked for, and then waiting.
async fn serve(
    node: &Arc<Node>,
    demo: &Demo,
    shop: &str,
    pages: &str,
    signals: &Signals,
) -> anyhow::Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    if let Some(visitors) = demo.visitors {
        let clean = tokio::select! {
            clean = demo::run(node, shop, pages, visitors, demo.seed) => clean?,
            () = signals.stop.cancelled() => return Ok(ExitCode::SUCCESS),
        };
        if !clean {
            code = ExitCode::FAILURE;
        }
        if demo.once {
            return Ok(code);
        }
        print::line("serving until Ctrl-C");
    }
    signals.stop.cancelled().await;
    Ok(code)
}

/// A stage that ends before it is told to has failed, whatever it says: its name, and why.
async fn first_to_end(stages: &mut [Stage; 5]) -> (&'static str, anyhow::Error) {
    let [edge, member, tail, crawler, dashboard] = stages;
    let (name, ended) = tokio::select! {
        ended = &mut edge.task => (edge.name, ended),
        ended = &mut member.task => (member.name, ended),
        ended = &mut tail.task => (tail.name, ended),
        ended = &mut crawler.task => (crawler.name, ended),
        ended = &mut dashboard.task => (dashboard.name, ended),
    };
    let why = match ended {
        Ok(Ok(())) => anyhow!("the {name} ended by itself"),
        Ok(Err(error)) => error.context(format!("the {name} failed")),
        Err(error) => anyhow!("the {name} panicked: {error}"),
    };
    (name, why)
}
