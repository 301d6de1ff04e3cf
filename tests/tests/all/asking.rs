//! Statements that are sent over HTTP, and what an answer must be.

use std::time::Duration;

use reqwest::Client;
use serde_json::Value;
use tokio::time::timeout;

/// Longer than any query may take, with its wait for a place.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// The first letters of a statement, for a message.
fn begin(sql: &str) -> String {
    sql.chars().take(200).collect()
}

/// An answer: its status and its text.
pub(super) async fn ask(client: &Client, dashboard: &str, sql: &str) -> (u16, String) {
    let request = client
        .post(format!("{dashboard}/api/query"))
        .json(&serde_json::json!({ "sql": sql }))
        .send();
    let answer = timeout(ANSWER_TIMEOUT, request).await;
    let sql = begin(sql);
    let answer = answer.unwrap_or_else(|_| panic!("{sql}: no answer"));
    let answer = answer.unwrap_or_else(|error| panic!("{sql}: {error}"));
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// Asks, and checks that the answer is one: rows, or a sentence and what to do.
pub(super) async fn answered(client: &Client, dashboard: &str, sql: &str) -> u16 {
    let (status, text) = ask(client, dashboard, sql).await;
    let sql = begin(sql);
    let value: Value = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{sql}: {status} {error}: {text}"));
    // No statement meets what another one has left behind.
    assert!(!text.contains("has been invalidated"), "{sql}: {text}");
    match status {
        200 => assert!(value["rows"].is_array(), "{sql}: {text}"),
        400 | 403 | 408 | 413 | 503 => {
            let error = value["error"].as_str().unwrap_or_default();
            assert!(error.len() > 5, "{sql}: {status} {text}");
        }
        _ => panic!("{sql}: {status} {text}"),
    }
    status
}
