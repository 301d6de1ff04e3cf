//! The demo: simulated visitors, then a summary whose figures the audit has checked.

use std::time::Duration;

use anyhow::bail;
use catalog::Caller;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::{Instant, sleep};

use crate::command::audit::audit_lake;
use crate::node::Node;
use crate::print;

/// How long the last click may take to reach the catalog.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(60);
/// The products of the summary.
const TOP_PRODUCTS: &str = "SELECT product_name AS product,
    count(*) FILTER (action = 'view') AS viewed,
    coalesce(sum(quantity) FILTER (action = 'buy'), 0)::BIGINT AS bought
    FROM clicks WHERE product_name IS NOT NULL
    GROUP BY ALL ORDER BY bought DESC, viewed DESC, product LIMIT 5";

/// Sends visitors through the shop and prints the summary. Returns true if the audit is clean.
pub(crate) async fn run(
    node: &Node,
    shop: &str,
    pages: &str,
    visitors: u64,
    seed: u64,
) -> anyhow::Result<bool> {
    let bar = ProgressBar::new(visitors);
    bar.set_style(ProgressStyle::with_template(
        "visitors {bar:40} {pos}/{len} {msg} {eta} left",
    )?);
    let mut show = |progress: producer::visitors::VisitorProgress| {
        bar.set_position(progress.visitors);
        bar.set_message(format!("{} clicks acknowledged", progress.acknowledged));
    };
    let summary =
        producer::visitors::simulate(shop, seed, visitors, node.clock.clone(), &mut show).await?;
    bar.finish_and_clear();
    let last = Instant::now();
    settled(node, last).await?;
    let freshness = last.elapsed();
    let ids: Vec<&str> = summary.acknowledged.iter().map(String::as_str).collect();
    let verdict = audit_lake(node, Some(&ids), false, &|_| {}).await?;
    let audit = &verdict.audit;
    let catalog = node.catalog().await?;
    let rows = catalog.ask(&Caller::local("demo"), TOP_PRODUCTS).await?;
    let header: Vec<String> = rows.columns().into_iter().map(|(name, _)| name).collect();
    let cells: Vec<Vec<String>> = rows
        .cells()
        .map(|row| row.into_iter().map(Option::unwrap_or_default).collect())
        .collect();
    let mut lines = vec![
        String::new(),
        format!("visitors      {}", summary.visitors),
        format!(
            "acknowledged  {} now, {} in all",
            ids.len(),
            audit.acknowledged
        ),
        format!("rows          {}", audit.rows),
        format!("dead letters  {}", audit.dead_letters),
        format!("objects       {}", audit.objects),
        format!(
            "freshness     {:.1} s from the last click to its row in SQL",
            freshness.as_secs_f64()
        ),
        String::new(),
        print::table(&header, &cells),
    ];
    lines.extend(verdict.sentences());
    lines.extend([
        String::new(),
        format!("shop          {shop}/"),
        format!("dashboard     {pages}/"),
    ]);
    // In one piece: a line of the log never comes between.
    print::line(&lines.join("\n"));
    Ok(verdict.clean())
}

/// Waits until the catalog has every record that the topic holds now.
async fn settled(node: &Node, since: Instant) -> anyhow::Result<()> {
    let (topic, catalog) = (node.topic().await?, node.catalog().await?);
    let marks = topic.extents().await?;
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
        if since.elapsed() > SETTLE_TIMEOUT {
            bail!(
                "the lake is still behind after {} s; see the log above",
                SETTLE_TIMEOUT.as_secs()
            );
        }
        sleep(Duration::from_millis(50)).await;
    }
}
