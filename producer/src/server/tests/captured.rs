//! The requests that published libraries sent to a listener, sent again to the edge.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use topic::Envelope;

use super::*;

/// A request as one of the published libraries sent it.
struct Captured {
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: String,
}

fn captured() -> Option<Vec<Captured>> {
    let mut all = Vec::new();
    for name in ["requests-1.jsonl", "requests-2.jsonl"] {
        let file = testing::shared_data(&format!("clients/{name}"))?;
        for line in std::fs::read_to_string(file).unwrap().lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let of = |short: &str, long: &str| match line[long].is_null() {
                true => line[short].clone(),
                false => line[long].clone(),
            };
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let headers = of("h", "headers");
            let headers = headers.as_object().unwrap().iter();
            all.push(Captured {
                method: text(&of("m", "method")).parse().unwrap(),
                path: text(&of("p", "path")),
                headers: headers
                    .map(|(name, value)| (name.clone(), text(value)))
                    .collect(),
                body: text(&of("b", "body")),
            });
        }
    }
    Some(all)
}

/// The id and the visitor of each event that a captured request holds, read without the edge.
fn events(request: &Captured) -> Vec<(String, Option<String>)> {
    if let Some((_, query)) = request.path.split_once('?') {
        let id = query.split('&').find_map(|pair| pair.strip_prefix("eid="));
        return vec![(id.unwrap().to_owned(), None)];
    }
    let body: Value = serde_json::from_str(&request.body).unwrap();
    let list = ["batch", "data"]
        .into_iter()
        .find(|list| body[list].is_array());
    let events = match list {
        Some(list) => body[list].as_array().unwrap().clone(),
        None => vec![body],
    };
    let of = |event: &Value, names: &[&str]| {
        let mut found = names.iter().filter_map(|name| event[name].as_str());
        found.next().map(str::to_owned)
    };
    let read = |event: &Value| {
        let id = of(event, &["messageId", "eid", "uuid"]).unwrap();
        (id, of(event, &["anonymousId", "distinct_id", "userId"]))
    };
    events.iter().map(read).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_captured_request_of_a_library_is_taken_whole() {
    let Some(requests) = captured() else { return };
    assert_eq!(requests.len(), 19);
    let edge = ServedEdge::start(|_| ());
    for request in &requests {
        let before = edge.topic.drafts().len();
        let url = format!("{}{}", edge.base, request.path);
        let mut sent = edge.client.request(request.method.clone(), url);
        let mut body = request.body.clone().into_bytes();
        for (name, value) in &request.headers {
            let name = name.to_ascii_lowercase();
            if name == "content-encoding" {
                let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
                gzip.write_all(&body).unwrap();
                body = gzip.finish().unwrap();
            }
            if !["host", "content-length", "connection", "accept-encoding"].contains(&&*name) {
                sent = sent.header(name, value);
            }
        }
        let answer = sent.body(body).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{}", request.path);
        let values = edge.topic.envelopes().split_off(before);
        let drafts = edge.topic.drafts().split_off(before);
        let expect = events(request);
        assert_eq!(values.len(), expect.len(), "{}", request.path);
        for ((value, draft), (id, visitor)) in values.iter().zip(drafts).zip(expect) {
            let envelope = Envelope::decode(value.as_bytes()).unwrap();
            assert_eq!(envelope.id, id);
            assert_eq!(draft.key, visitor.unwrap_or(id));
            // No key of a project is kept, wherever the library writes it.
            for key in ["wk_", "phc_", "\"wk\"", "writeKey", "api_key"] {
                assert!(!value.contains(key), "{value}");
            }
        }
    }
    edge.stop().await.unwrap();
}
