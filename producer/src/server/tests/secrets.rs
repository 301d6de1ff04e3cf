//! Secrets in addresses: by whichever way a click comes, none is in the topic.

use topic::Envelope;

use super::*;

const URL: &str = "https://ada:SECRET@shop.example/a?b=1&password=SECRET";
const CLEAN: &str = "https://shop.example/a?b=1";

#[tokio::test(flavor = "multi_thread")]
async fn input_26_secrets_in_addresses_reach_the_topic_by_no_way() {
    let edge = ServedEdge::start(|config| config.max_click = bytesize::ByteSize(1_000));
    let encoded = percent_encoding::utf8_percent_encode(URL, percent_encoding::NON_ALPHANUMERIC);
    let native = format!(r#"{{"id":"{URL}","visitor_id":"{URL}","url":"{URL}"}}"#);
    let long = "x".repeat(2_000);
    let bodies = [
        ("/v1/events", native.clone()),
        ("/v1/events", format!(r#"[{{}},{{"url":"{URL}","n":NaN}}]"#)),
        (
            "/v1/events",
            format!(r#"[{{}},{{"url":"{URL}","long":"{long}"}}]"#),
        ),
        ("/v1/events", format!(r#"[{{}},"{URL}"]"#)),
        (
            "/v1/track",
            format!(
                r#"{{"event":"e","userId":"u","context":{{"page":{{"url":"{URL}","search":"?password=SECRET"}}}}}}"#
            ),
        ),
        (
            "/v1/batch",
            format!(
                r#"{{"batch":[{{"type":"track","event":"e","userId":"u"}}],"context":{{"page":{{"url":"{URL}"}}}}}}"#
            ),
        ),
        (
            "/matomo.php",
            format!("idsite=1&rec=1&url={encoded}&urlref={encoded}"),
        ),
        (
            "/mp/collect",
            format!(
                r#"{{"client_id":"c","events":[{{"name":"e","params":{{"page_location":"{URL}"}}}}]}}"#
            ),
        ),
    ];
    for (path, body) in &bodies {
        let url = format!("{}{path}", edge.base);
        let answer = edge
            .client
            .post(url)
            .body(body.clone())
            .send()
            .await
            .unwrap();
        assert!(answer.status().is_success(), "{path} {body}");
    }
    let queries = [
        format!("/pixel.gif?action=view&password=SECRET&url={encoded}"),
        format!("/matomo.php?idsite=1&rec=1&password=SECRET&url={encoded}"),
        format!("/g/collect?v=2&tid=G-1&cid=1&en=page_view&dl={encoded}"),
        format!("/i?e=pv&eid=a&url={encoded}"),
    ];
    for query in &queries {
        let answer = edge.get(query).await;
        assert!(answer.status().is_success(), "{query}");
    }
    let record = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, &native);
    let put = format!(r#"{{"StreamName":"s","Data":"{record}","PartitionKey":"{URL}"}}"#);
    let put = edge.client.post(&edge.base).body(put);
    let put = put.header("x-amz-target", "Kinesis_20131202.PutRecord");
    assert!(put.send().await.unwrap().status().is_success());

    let values = edge.topic.envelopes();
    let keys: Vec<_> = edge
        .topic
        .drafts()
        .into_iter()
        .map(|draft| draft.key)
        .collect();
    let said = format!("{values:?} {keys:?}");
    assert!(!said.contains("SECRET") && !said.contains("ada:"), "{said}");
    let plain = ["{}", r#"{"action":"view"}"#];
    for value in &values {
        let envelope = Envelope::decode(value.as_bytes()).unwrap();
        assert_eq!(
            envelope.redacted,
            !plain.contains(&envelope.click),
            "{value}"
        );
    }
    let first = Envelope::decode(values[0].as_bytes()).unwrap();
    let expect = format!(r#"{{"id":"{CLEAN}","visitor_id":"{CLEAN}","url":"{CLEAN}"}}"#);
    assert_eq!((first.click, &*keys[0]), (&*expect, CLEAN.as_bytes()));
    edge.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn input_26_an_empty_list_strips_user_info_only() {
    let edge = ServedEdge::start(|config| config.strip_query = Vec::new());
    edge.post(format!(r#"{{"url":"{URL}"}}"#)).await;
    let values = edge.topic.envelopes();
    let kept = r#"{"url":"https://shop.example/a?b=1&password=SECRET"}"#;
    assert!(values[0].contains(kept), "{values:?}");
    edge.stop().await.unwrap();
}
