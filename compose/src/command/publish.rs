//! `clickweir publish`: the catalog's read-only copy in the lake.

use std::process::ExitCode;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Command;
use super::owner::Target;
use crate::node::Node;
use crate::print;
use crate::settings::Settings;

/// Crawls the whole lake and writes the copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PublishCatalog {
    /// The URL under which readers see the lake. `None` if it is the lake's own.
    pub(crate) base: Option<String>,
}

/// Where the copy is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PublishedCatalog {
    pub(crate) place: String,
}

impl Command for PublishCatalog {
    const NAME: &'static str = "publish";
    type Answer = PublishedCatalog;

    async fn run(self, node: &Arc<Node>) -> anyhow::Result<PublishedCatalog> {
        let catalog = node.catalog().await?;
        catalog.crawl(true).await?;
        catalog.publish(self.base.as_deref()).await?;
        let lake = node.lake().await?;
        Ok(PublishedCatalog {
            place: lake.location().absolute(catalog::PUBLISHED),
        })
    }
}

/// Publishes the catalog and prints where it is.
pub(crate) async fn publish(settings: Settings, base: Option<String>) -> anyhow::Result<ExitCode> {
    let target = Target::find(settings).await?;
    let PublishedCatalog { place } = target.send(PublishCatalog { base }).await?;
    print::line(&format!("published {place}"));
    Ok(ExitCode::SUCCESS)
}
