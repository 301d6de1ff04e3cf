use std::collections::BTreeSet;
use std::sync::Arc;

use topic::{Envelope, Timestamp, clock};

use super::*;
use crate::testing::{self, FakeWriter};

async fn simulated(seed: u64, visitors: u64) -> (Summary, Arc<FakeWriter>) {
    let (base_url, topic) = testing::serve_shop();
    let mut seen = 0;
    let mut progress = |progress: VisitorProgress| seen = progress.visitors;
    let summary = simulate(&base_url, seed, visitors, clock::system(), &mut progress)
        .await
        .unwrap();
    assert_eq!(seen, visitors);
    (summary, topic)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_click_of_a_visitor_is_in_the_topic_once() {
    let (summary, topic) = simulated(7, 60).await;
    let drafts = topic.drafts();
    let (mut ids, mut records) = (BTreeSet::new(), BTreeSet::new());
    let (mut formats, mut times, mut countries) = (BTreeSet::new(), Vec::new(), BTreeSet::new());
    let mut campaigns = BTreeSet::new();
    for draft in &drafts {
        let envelope = Envelope::decode(&draft.value).unwrap();
        assert!(!envelope.id_generated && !envelope.user_agent.unwrap().is_empty());
        let click: serde_json::Value = serde_json::from_str(envelope.click).unwrap();
        let at = &click["occurred_at"];
        times.push(
            at.as_i64()
                .map(Timestamp::from_millis)
                .unwrap_or_else(|| Timestamp::parse_rfc3339(at.as_str().unwrap()).unwrap()),
        );
        if click["action"] == "buy" {
            campaigns.insert(click["utm_campaign"].as_str().map(str::to_owned));
        }
        countries.insert(click["country"].as_str().unwrap().to_owned());
        assert_eq!(draft.key, click["visitor_id"].as_str().unwrap());
        formats.insert(envelope.format.into_owned());
        records.insert((envelope.id.clone().into_owned(), envelope.item));
        ids.insert(envelope.id.into_owned());
    }
    assert_eq!(
        (records.len(), ids.len() as u64),
        (drafts.len(), summary.sent)
    );
    // An order of several lines is one click and some records.
    assert!(records.iter().any(|(_, item)| *item == Some(1)));
    let acknowledged: BTreeSet<_> = summary.acknowledged.iter().cloned().collect();
    assert_eq!(acknowledged, ids);
    for action in [
        "browse",
        "view",
        "add_to_cart",
        "remove_from_cart",
        "begin_checkout",
        "buy",
        "sign_up",
        "log_in",
        "log_out",
    ] {
        assert!(
            summary.actions.get(action).is_some_and(|count| *count > 0),
            "{action}: {summary:?}"
        );
    }
    assert_eq!(formats.into_iter().collect::<Vec<_>>(), ["native", "pixel"]);
    assert!(countries.len() > 4);
    assert_eq!(
        campaigns.len(),
        3,
        "an order knows its campaign, or that there is none"
    );
    let now = clock::system().now();
    let oldest = now.since(*times.iter().min().unwrap());
    assert!(
        oldest < std::time::Duration::from_secs(7 * 3_600) && times.iter().all(|at| *at <= now)
    );
    assert!(
        oldest > std::time::Duration::from_secs(3_600),
        "the walks are spread over hours"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seed_makes_the_same_choices() {
    let ((first, _), (second, _)) = (simulated(3, 12).await, simulated(3, 12).await);
    assert_eq!((first.actions, first.sent), (second.actions, second.sent));
}

#[tokio::test]
async fn a_shop_that_does_not_answer_is_an_error() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = simulate(&base_url, 1, 1, clock::system(), &mut |_| ())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("does not answer"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_without_the_shop_is_an_error_with_a_remedy() {
    let (base_url, topic) = testing::serve(testing::config());
    let error = simulate(&base_url, 1, 1, clock::system(), &mut |_| ())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("producer.shop"), "{error}");
    assert!(topic.drafts().is_empty());
}
