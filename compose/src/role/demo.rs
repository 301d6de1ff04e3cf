//! The demo: simulated visitors, then a summary that can be believed, since the audit made it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use catalog::Caller;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::{Instant, sleep};

use crate::node::Node;
use crate::print;

/// How long the last click may take into the lake and the catalog.
const PATIENCE: Duration = Duration::from_secs(60);
/// What the summary says of products.
const TOP: &str = "SELECT product_name AS product,
    count(*) FILTER (action = 'view') AS viewed,
    coalesce(sum(quantity) FILTER (action = 'buy'), 0)::BIGINT AS bought
    FROM clicks WHERE product_name IS NOT NULL
    GROUP BY ALL ORDER BY bought DESC, viewed DESC, product LIMIT 5";

/// Lets visitors through the shop and prints the summary. True when the audit is clean.
pub(crate) async fn run(
    node: &Arc<Node>,
    shop: &str,
    pages: &str,
    visitors: u64,
    seed: u64,
) -> anyhow::Result<bool> {
    let bar = ProgressBar::new(visitors);
    bar.set_style(ProgressStyle::with_template(
        "visitors {bar:40} {pos}/{len} {msg} {eta} left",
    )?);
    let mut told = |progress: producer::visitors::VisitorProgress| {
        bar.set_position(progress.visitors);
        bar.set_message(format!("{} clicks acknowledged", progress.acknowledged));
    };
    let summary =
        producer::visitors::simulate(shop, seed, visitors, node.clock.clone(), &mut told).await?;
    bar.finish_and_clear();
    let last = Instant::now();
    settled(node, last).await?;
    let freshness = last.elapsed();
    let ids: Vec<&str> = summary.acknowledged.iter().map(String::as_str).collect();
    let verdict = node.weigh(Some(&ids), false).await?;
    let audit = &verdict.audit;
    let catalog = node.catalog().await?;
    let rows = catalog.ask(&Caller::local("demo"), TOP).await?;
    print::line("");
    print::line(&format!("visitors      {}", summary.visitors));
    print::line(&format!(
        "acknowledged  {} now, {} in all",
        ids.len(),
        audit.acknowledged
    ));
    print::line(&format!("rows          {}", audit.rows));
    print::line(&format!("dead letters  {}", audit.dead_letters));
    print::line(&format!("objects       {}", audit.objects));
    print::line(&format!(
        "freshness     {:.1} s from the last click to its row in SQL",
        freshness.as_secs_f64()
    ));
    print::line("");
    let header: Vec<String> = rows.columns().into_iter().map(|(name, _)| name).collect();
    let cells: Vec<Vec<String>> = rows
        .cells()
        .map(|row| row.into_iter().map(Option::unwrap_or_default).collect())
        .collect();
    print::line(&print::table(&header, &cells));
    print::lines(&verdict.sentences());
    print::line("");
    print::line(&format!("shop          {shop}/"));
    print::line(&format!("dashboard     {pages}/"));
    Ok(verdict.clean())
}

/// Waits until the catalog has every record that the topic has now.
async fn settled(node: &Arc<Node>, since: Instant) -> anyhow::Result<()> {
    let (topic, catalog) = (node.topic().await?, node.catalog().await?);
    let marks = topic.watermarks().await?;
    loop {
        let freshness = catalog.freshness().await?;
        let end = |partition| {
            freshness
                .iter()
                .find(|f| f.partition == partition)
                .map(|f| f.registered_end)
        };
        let behind = marks
            .iter()
            .filter(|(_, marks)| marks.high > marks.low)
            .any(|(partition, marks)| end(*partition).is_none_or(|end| end < marks.high));
        if !behind {
            return Ok(());
        }
        if since.elapsed() > PATIENCE {
            bail!(
                "the lake is still behind after {} s; see the log above",
                PATIENCE.as_secs()
            );
        }
        sleep(Duration::from_millis(50)).await;
    }
}
