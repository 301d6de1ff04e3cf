//! Opening the topic that a URL names.

use std::sync::Arc;

use crate::{Config, Open, ReadError, Topic};

/// Opens the topic that `config.url` names.
///
/// # Errors
/// [`ReadError::Unfit`] for a URL of another kind or a topic whose settings do not
/// allow exactly-once, [`ReadError::Unavailable`] if nothing answers.
pub async fn open(config: &Config, with: Open) -> Result<Arc<dyn Topic>, ReadError> {
    if let Some(folder) = config.url.strip_prefix("file:") {
        return Ok(crate::embedded::open(config, folder.as_ref(), with).await?);
    }
    if let Some(rest) = config.url.strip_prefix("kafka://") {
        return Ok(crate::kafka::open(config, rest, with).await?);
    }
    Err(ReadError::Unfit(format!(
        "topic.url is {:?}: write file:FOLDER or kafka://HOST:PORT/TOPIC",
        config.url
    )))
}
