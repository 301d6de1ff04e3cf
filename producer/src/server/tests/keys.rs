//! Who may send: keys, in the places where clients put them, and what they are for.

use std::io::Write;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use flate2::Compression;
use flate2::write::GzEncoder;
use topic::Envelope;
use url::form_urlencoded;

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

#[tokio::test(flavor = "multi_thread")]
async fn input_18_a_key_is_found_in_the_bodies_of_clients_that_put_it_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.toml");
    let (key, hash) = generate_key();
    std::fs::write(
        &path,
        format!("[[key]]\nname = \"a\"\nhashes = [\"{hash}\"]\n"),
    )
    .unwrap();
    let edge = ServedEdge::start(|config| config.keys = path.to_string_lossy().into_owned());
    let check = async |path: &str, body: &str, expect: u16| {
        for sent in [key.as_str(), "not-one-of-this-edge"] {
            let expect = if sent == key || expect == 401 {
                expect
            } else {
                403
            };
            let request = edge.client.post(format!("{}{path}", edge.base));
            let response = request.body(body.replace("KEY", sent)).send().await;
            assert_eq!(response.unwrap().status(), expect, "{path} {body} {sent}");
        }
    };
    let event = r#"{"event":"e","distinct_id":"d","properties":{}"#;
    check(
        "/batch/",
        &format!(r#"{{"api_key":"KEY","batch":[{event}}}]}}"#),
        200,
    )
    .await;
    check("/e/", &format!(r#"{event},"token":"KEY"}}"#), 200).await;
    check(
        "/e/",
        &format!(r#"[{event}}},{event},"api_key":"KEY"}}]"#),
        200,
    )
    .await;
    let nested = r#"[{"event":"e","properties":{"token":"KEY","distinct_id":"d"}}]"#;
    check("/i/v0/e/", nested, 200).await;
    let form = form_urlencoded::byte_serialize(nested.as_bytes()).collect::<String>();
    // `KEY` needs no encoding, so the form can be made before it is known.
    check("/e/", &format!("data={form}"), 200).await;
    check("/e/", &format!("{event}}}"), 401).await;
    let call = r#"{"type":"track","event":"e","messageId":"m","anonymousId":"a""#;
    check("/v1/track", &format!(r#"{call},"writeKey":"KEY"}}"#), 200).await;
    check(
        "/v1/batch",
        &format!(r#"{{"batch":[{call}}}],"writeKey":"KEY"}}"#),
        200,
    )
    .await;
    check(
        "/v1/batch",
        &format!(r#"{{"batch":[{call},"writeKey":"KEY"}}]}}"#),
        200,
    )
    .await;
    check("/v1/batch", &format!(r#"{{"batch":[{call}}}]}}"#), 401).await;
    check("/v1/batch", "[[[[[", 401).await;
    let data = BASE64_URL_SAFE_NO_PAD.encode(format!(r#"{call},"writeKey":"{key}"}}"#));
    let pixel = edge.get(&format!("/v1/pixel/track?data={data}")).await;
    assert_eq!(
        (pixel.status().as_u16(), header(&pixel, "content-type")),
        (200, "image/gif")
    );
    let hits = r#"{"requests":["?idsite=1&_id=a"],"token_auth":"KEY"}"#;
    check("/matomo.php", hits, 200).await;
    check(
        "/matomo.php",
        r#"{"requests":["?idsite=1&token_auth=KEY"]}"#,
        200,
    )
    .await;
    check("/matomo.php", "idsite=1&_id=a&token_auth=KEY", 200).await;
    check("/matomo.php", "idsite=1&_id=a", 401).await;
    // Ours belongs into the head.
    check("/v1/events", r#"{"api_key":"KEY","key":"KEY"}"#, 401).await;
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    let batch = format!(r#"{{"api_key":"{key}","batch":[{event}}}]}}"#);
    gzip.write_all(batch.as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    // Their libraries say that a body is compressed in its head, in the address, or nowhere.
    for (path, encoding) in [("/batch/", "gzip"), ("/batch/?compression=gzip-js", "")] {
        let request = edge.client.post(format!("{}{path}", edge.base));
        let request = match encoding {
            "" => request,
            encoding => request.header("content-encoding", encoding),
        };
        let answer = request.body(gzip.clone()).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
    }
    let envelopes = edge.topic.envelopes();
    assert_eq!(envelopes.len(), 15);
    for envelope in envelopes {
        assert!(!envelope.contains(&key), "keys are not kept: {envelope}");
        assert_eq!(Envelope::decode(envelope.as_bytes()).unwrap().source, "a");
    }
    edge.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn input_19_a_source_over_its_rate_is_told_when_to_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.toml");
    let (limited, limited_hash) = generate_key();
    let (free, free_hash) = generate_key();
    let text = format!(
        "[[key]]\nname = \"limited\"\nhashes = [\"{limited_hash}\"]\norigins = [\"{SHOP}\"]\n\
         rate = {{ requests = 2, per = \"1h\" }}\n\
         [[key]]\nname = \"free\"\nhashes = [\"{free_hash}\"]\n"
    );
    std::fs::write(&path, text).unwrap();
    let edge = ServedEdge::start(|config| config.keys = path.to_string_lossy().into_owned());
    let send = |path: &str, key: &str| {
        let request = edge.client.post(format!("{}{path}", edge.base));
        let request = request.header("x-api-key", key).header("origin", SHOP);
        request.body(r#"{"type":"track"}"#).send()
    };
    assert_eq!(send("/v1/events", &limited).await.unwrap().status(), 202);
    assert_eq!(send("/v1/track", &limited).await.unwrap().status(), 200);
    for path in ["/v1/events", "/v1/track"] {
        let refused = send(path, &limited).await.unwrap();
        assert_eq!(refused.status(), 429, "{path}");
        let wait: u64 = header(&refused, "retry-after").parse().unwrap();
        assert!((1_700..=1_800).contains(&wait), "{wait}");
        assert_eq!(header(&refused, "access-control-allow-origin"), SHOP);
        let answer: serde_json::Value = refused.json().await.unwrap();
        let error = answer["error"].as_str().unwrap();
        assert!(
            error.contains("the source \"limited\" sent more"),
            "{error}"
        );
    }
    let asked = edge
        .client
        .request(Method::OPTIONS, format!("{}/v1/events", edge.base));
    let asked = asked.header("origin", SHOP).send().await.unwrap();
    assert_eq!(asked.status(), 204, "a preflight is not counted");
    let other = edge
        .client
        .post(format!("{}/v1/events?key={free}", edge.base));
    assert_eq!(other.body("{}").send().await.unwrap().status(), 202);
    let metrics = edge.get("/metrics").await.text().await.unwrap();
    for line in [
        "clickweir_producer_rejected_total{reason=\"rate\"} 2",
        "clickweir_producer_requests_total{route=\"segment\",status=\"429\"} 1",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
    edge.stop().await.unwrap();
}
