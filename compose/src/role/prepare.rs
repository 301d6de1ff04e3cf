//! `clickweir prepare`: makes what the roles need.

use std::process::ExitCode;

use anyhow::bail;
use reqwest::StatusCode;

use crate::node::Node;
use crate::print;
use crate::settings::Settings;

/// Makes the topic and the bucket if they are missing.
pub(crate) async fn prepare(settings: Settings) -> anyhow::Result<ExitCode> {
    let node = Node::new(settings);
    make_bucket(&node).await?;
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

async fn make_bucket(node: &Node) -> anyhow::Result<()> {
    let Some(url) = sink::Lake::make_bucket_url(&node.settings.sections.lake).await? else {
        return Ok(());
    };
    let client = reqwest::Client::builder().no_proxy().build()?;
    let answer = client.put(url).send().await?;
    let status = answer.status();
    // A conflict means that the bucket exists. The probe tells whether we may write to it.
    if !status.is_success() && status != StatusCode::CONFLICT {
        let said = format!("{status} {}", answer.text().await.unwrap_or_default());
        let refusal = sink::Error::of_refusal(said.trim().to_owned());
        bail!("the bucket cannot be made: {refusal}");
    }
    Ok(())
}
