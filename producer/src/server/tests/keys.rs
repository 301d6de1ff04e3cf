//! Who may send: keys, in the places where clients put them, and what they are for.

use topic::Envelope;

use super::*;
use crate::keys::generate_key;

const SHOP: &str = "https://shop.example";
const OTHER: &str = "https://other.example";

#[tokio::test(flavor = "multi_thread")]
async fn input_18_clicks_need_a_key_that_is_in_force_and_for_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.toml");
    let (app, app_hash) = generate_key();
    let (page, page_hash) = generate_key();
    let text = format!(
        "[[key]]\nname = \"app\"\nhashes = [\"{app_hash}\"]\nformats = [\"native\"]\n\
         [[key]]\nname = \"page\"\nhashes = [\"{page_hash}\"]\norigins = [\"{SHOP}\"]\n"
    );
    std::fs::write(&path, text).unwrap();
    let edge = ServedEdge::start(|config| {
        config.keys = path.to_string_lossy().into_owned();
        config.origins = vec![OTHER.into()];
    });
    let check = async |path: &str, headers: &[(&str, &str)], expect: u16| {
        let mut request = edge.client.post(format!("{}{path}", edge.base)).body("{}");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), expect, "{path} {headers:?}");
        if expect >= 400 {
            let answer: serde_json::Value = response.json().await.unwrap();
            let remedy = answer["remedy"].as_str().unwrap();
            assert!(remedy.len() > 10, "{answer}");
        }
    };
    let bearer = |key: &str| format!("Bearer {key}");
    check("/v1/events", &[], 401).await;
    check("/v1/events", &[("authorization", "Bearer wrong")], 403).await;
    check("/v1/events", &[("authorization", &bearer(&app_hash))], 403).await;
    check("/v1/events", &[("authorization", &bearer(&app))], 202).await;
    check(&format!("/v1/events?key={app}"), &[], 202).await;
    check("/v1/track", &[("authorization", &bearer(&app))], 403).await;
    check("/v1/track", &[("authorization", &bearer(&page))], 200).await;
    // A key is for the pages of its own list, or else for those that are listed for all.
    for (key, origin, expect) in [
        (&app, OTHER, 202),
        (&app, SHOP, 403),
        (&page, SHOP, 202),
        (&page, OTHER, 403),
        (&page, "https://evil.example", 403),
    ] {
        let headers = [("x-api-key", key.as_str()), ("origin", origin)];
        check("/v1/events", &headers, expect).await;
    }
    for (origin, expect) in [(SHOP, 204), (OTHER, 204), ("https://evil.example", 403)] {
        let asked = edge
            .client
            .request(Method::OPTIONS, format!("{}/v1/events", edge.base));
        let asked = asked.header("origin", origin).send().await.unwrap();
        assert_eq!(asked.status(), expect, "{origin}");
    }
    let pixel = edge.get("/pixel.gif?action=view").await;
    assert_eq!(pixel.status(), 401);
    let pixel = edge
        .get(&format!("/pixel.gif?action=view&key={page}"))
        .await;
    assert_eq!(pixel.status(), 200);
    let pixel = edge
        .get(&format!("/pixel.gif?action=view&token={page}"))
        .await;
    assert_eq!(pixel.status(), 200);
    let event = edge.get(&format!("/i?e=pv&eid=i&token={page}")).await;
    assert_eq!(event.status(), 200);
    let envelopes = edge.topic.envelopes();
    assert!(
        envelopes.iter().all(|envelope| !envelope.contains(&page)),
        "keys are not kept"
    );
    let sources: Vec<_> = envelopes
        .iter()
        .map(|value| {
            Envelope::decode(value.as_bytes())
                .unwrap()
                .source
                .into_owned()
        })
        .collect();
    assert_eq!(
        sources,
        ["app", "app", "page", "app", "page", "page", "page", "page"]
    );
    let metrics = edge.get("/metrics").await.text().await.unwrap();
    for line in [
        "clickweir_producer_rejected_total{reason=\"no_key\"} 2",
        "clickweir_producer_rejected_total{reason=\"unknown_key\"} 2",
        "clickweir_producer_rejected_total{reason=\"key_format\"} 1",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
    edge.stop().await.unwrap();
}
