//! Clicks of visitors who do not want to be followed.

use serde_json::{Value, json};
use topic::Envelope;

use super::*;
use crate::PrivacyPolicy;

/// An envelope in short: the address, the visitor that the edge made, whether something was taken
/// out, the record's key, and the click with what its body shares.
#[derive(Debug, PartialEq)]
struct KeptRecord {
    ip: bool,
    made: Option<String>,
    redacted: bool,
    key: String,
    click: Value,
    shared: Value,
}

fn kept(topic: &FakeWriter) -> Vec<KeptRecord> {
    let values = topic.envelopes();
    let read = values.iter().zip(topic.drafts()).map(|(value, draft)| {
        let envelope = Envelope::decode(value.as_bytes()).unwrap();
        let json = |text: &str| serde_json::from_str(text).unwrap();
        KeptRecord {
            ip: envelope.ip.is_some(),
            made: envelope.visitor.map(Into::into),
            redacted: envelope.redacted,
            key: String::from_utf8(draft.key.to_vec()).unwrap(),
            click: json(envelope.click),
            shared: envelope.shared.map_or(Value::Null, json),
        }
    });
    read.collect()
}

/// Sends a body under a policy for refused consent and for both signals. Returns the status, the
/// answer and what is kept.
async fn sent(
    policy: PrivacyPolicy,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (u16, Value, Vec<KeptRecord>) {
    let salts = tempfile::tempdir().unwrap();
    let edge = ServedEdge::start(|config| {
        config.salts = salts.path().join("salts");
        config.consent = policy;
        config.dnt = policy;
        config.gpc = policy;
    });
    let url = format!("{}{path}", edge.base);
    let mut request = match body.is_empty() {
        true => edge.client.get(url),
        false => edge.client.post(url).body(body.to_owned()),
    };
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let answer = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default();
    let kept = kept(&edge.topic);
    edge.stop().await.unwrap();
    (status, answer, kept)
}

const DNT: &[(&str, &str)] = &[("dnt", "1")];
const GPC: &[(&str, &str)] = &[("sec-gpc", "1")];
const CLICK: &str =
    r#"{"id":"a","action":"view","visitor_id":"v","session_id":"s","user_id":"u","x":1.50}"#;

#[tokio::test(flavor = "multi_thread")]
async fn input_30_a_policy_says_what_becomes_of_a_browser_s_signal() {
    for headers in [DNT, GPC] {
        let (status, answer, kept) = sent(PrivacyPolicy::Drop, "/v1/events", headers, CLICK).await;
        assert_eq!((status, answer, kept.len()), (204, Value::Null, 0));
        let pixel = "/pixel.gif?action=view&visitor_id=v";
        let (status, _, kept) = sent(PrivacyPolicy::Drop, pixel, headers, "").await;
        assert_eq!((status, kept.len()), (204, 0));

        let (status, _, kept) = sent(PrivacyPolicy::Anonymous, "/v1/events", headers, CLICK).await;
        let expect = KeptRecord {
            ip: false,
            made: None,
            redacted: true,
            key: "a".into(),
            click: json!({"id": "a", "action": "view", "x": 1.50}),
            shared: Value::Null,
        };
        assert_eq!((status, kept), (202, vec![expect]));

        let (status, _, mut kept) =
            sent(PrivacyPolicy::Cookieless, "/v1/events", headers, CLICK).await;
        let kept = kept.remove(0);
        let made = kept.made.unwrap();
        assert_eq!((status, made.len(), kept.ip), (202, 32, true));
        assert_eq!(kept.key, made);
        assert_eq!(kept.click, json!({"id": "a", "action": "view", "x": 1.50}));

        let (status, _, kept) = sent(PrivacyPolicy::Ignore, "/v1/events", headers, CLICK).await;
        assert_eq!((status, kept[0].redacted, &*kept[0].key), (202, false, "v"));
        assert!(kept[0].ip);
    }
    let (_, _, kept) = sent(PrivacyPolicy::Drop, "/v1/events", &[("dnt", "0")], CLICK).await;
    assert_eq!(kept.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn input_30_one_visitor_s_refusal_is_no_other_s() {
    let body = json!([
        {"id": "a", "visitor_id": "v", "consent": "denied"},
        {"id": "b", "visitor_id": "w", "consent": "granted"},
        17,
        {"id": "c", "visitor_id": "x", "consent": {"analytics": false, "ads": true}},
        {"id": "d", "visitor_id": "y"},
    ]);
    let (status, answer, kept) =
        sent(PrivacyPolicy::Drop, "/v1/events", &[], &body.to_string()).await;
    assert_eq!(status, 202, "{answer}");
    assert_eq!(
        (&answer["accepted"], &answer["left_out"]),
        (&json!(2), &json!(2))
    );
    let keys: Vec<_> = kept.iter().map(|kept| &*kept.key).collect();
    assert_eq!((keys[0], keys[2], keys.len()), ("w", "y", 3));
    // What cannot be read is not kept of a browser that asks for privacy.
    let (status, answer, kept) = sent(
        PrivacyPolicy::Anonymous,
        "/v1/events",
        GPC,
        &body.to_string(),
    )
    .await;
    assert_eq!((status, &answer["accepted"]), (202, &json!(4)));
    assert_eq!(answer["rejected"][0]["index"], 2);
    assert!(kept.iter().all(|kept| !kept.ip && kept.redacted));
    assert_eq!(kept.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn input_30_a_cookieless_click_gets_the_visitor_of_its_day() {
    let salts = tempfile::tempdir().unwrap();
    let edge = ServedEdge::start(|config| config.salts = salts.path().join("salts"));
    let mut agents = Vec::new();
    for agent in ["one", "one", "two"] {
        for path in [
            "/v1/events",
            "/pixel.gif?action=view&cookieless=true&session_id=s",
        ] {
            let url = format!("{}{path}", edge.base);
            let request = match path.starts_with("/pixel") {
                true => edge.client.get(url),
                false => edge
                    .client
                    .post(url)
                    .body(r#"{"action":"view","cookieless":true}"#),
            };
            let answer = request.header("user-agent", agent).send().await.unwrap();
            assert!(answer.status().is_success());
            agents.push(agent);
        }
    }
    let kept = kept(&edge.topic);
    let made: Vec<_> = kept.iter().map(|kept| kept.made.clone().unwrap()).collect();
    let of = |wanted: &str| {
        let pairs = made.iter().zip(&agents);
        let mut made: Vec<_> = pairs.filter(|(_, agent)| **agent == wanted).collect();
        made.dedup_by_key(|(made, _)| *made);
        made
    };
    assert_eq!((of("one").len(), of("two").len()), (1, 1));
    assert_ne!(of("one")[0].0, of("two")[0].0);
    assert_eq!((kept[0].redacted, kept[1].redacted), (false, true));
    assert_eq!(kept[1].click.get("session_id"), None);
    edge.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn input_30_the_ids_of_every_tracker_are_taken_out() {
    let check = async |path: &str, body: &str, click: Value, shared: Value| {
        let (status, answer, kept) = sent(PrivacyPolicy::Anonymous, path, DNT, body).await;
        assert!(status < 300, "{path}: {status} {answer}");
        assert_eq!(kept.len(), 1, "{path}");
        let (mut found, kept) = (kept[0].click.clone(), &kept[0]);
        // What the edge itself cannot know beforehand.
        found.as_object_mut().unwrap().remove("timestamp");
        assert_eq!((found, &kept.shared), (click, &shared), "{path}");
        assert!(!kept.ip && kept.redacted && kept.made.is_none(), "{path}");
    };
    check(
        "/v1/track",
        r#"{"messageId":"m","type":"track","event":"e","anonymousId":"a","userId":"u","context":{"ip":"1.2.3.4","traits":{"email":"e"},"device":{"id":"d","type":"t"},"page":{"path":"/"}}}"#,
        json!({"messageId":"m","type":"track","event":"e","context":{"device":{"type":"t"},"page":{"path":"/"}}}),
        Value::Null,
    )
    .await;
    check(
        "/v1/batch",
        r#"{"batch":[{"messageId":"m","type":"track","event":"e","anonymousId":"a"}],"context":{"traits":{"email":"e"},"app":{"name":"n"}}}"#,
        json!({"messageId":"m","type":"track","event":"e"}),
        json!({"context":{"app":{"name":"n"}}}),
    )
    .await;
    check(
        "/com.snowplowanalytics.snowplow/tp2",
        r#"{"schema":"s","data":[{"e":"pv","eid":"i","duid":"d","sid":"s","uid":"u","cx":"e30","url":"http://x"}]}"#,
        json!({"e":"pv","eid":"i","url":"http://x"}),
        Value::Null,
    )
    .await;
    check(
        "/e/",
        r#"{"event":"e","uuid":"i","distinct_id":"d","properties":{"distinct_id":"d","$device_id":"d","$session_id":"s","$current_url":"http://x"}}"#,
        json!({"event":"e","uuid":"i","properties":{"$current_url":"http://x"}}),
        Value::Null,
    )
    .await;
    check(
        "/mp/collect",
        r#"{"client_id":"c","user_id":"u","events":[{"name":"n","params":{"session_id":"s","page":1}}]}"#,
        json!({"name":"n","params":{"page":1}}),
        Value::Null,
    )
    .await;
    check(
        "/g/collect?v=2&cid=c&sid=s&en=page_view&dl=http%3A%2F%2Fx",
        "",
        json!({"v":"2","en":"page_view","dl":"http://x"}),
        Value::Null,
    )
    .await;
    check(
        "/matomo.php?idsite=1&rec=1&_id=c&uid=u&url=http%3A%2F%2Fx",
        "",
        json!({"idsite":"1","rec":"1","url":"http://x"}),
        Value::Null,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn input_30_other_trackers_words_for_consent_are_heard() {
    let check = async |path: &str, body: &str, expect: usize| {
        let (status, answer, kept) = sent(PrivacyPolicy::Drop, path, &[], body).await;
        assert!(status < 300, "{path}: {status} {answer}");
        assert_eq!(kept.len(), expect, "{path}");
    };
    let segment = |analytics: bool| {
        json!({
            "messageId": "m", "type": "track", "event": "e", "anonymousId": "a",
            "context": {"consent": {"categoryPreferences": {"Analytics": analytics}}},
        })
    };
    check("/v1/track", &segment(false).to_string(), 0).await;
    check("/v1/track", &segment(true).to_string(), 1).await;
    check("/g/collect?v=2&cid=c&en=page_view&gcs=G100", "", 0).await;
    check("/g/collect?v=2&cid=c&en=page_view&gcs=G101", "", 1).await;
    let posthog = r#"{"event":"e","uuid":"i","distinct_id":"$posthog_cookieless","properties":{"$cookieless_mode":true}}"#;
    let (_, _, kept) = sent(PrivacyPolicy::Drop, "/e/", &[], posthog).await;
    assert_eq!(kept[0].made.as_ref().map(String::len), Some(32));
    let event = r#"{"specversion":"1.0","id":"i","source":"s","type":"t","data":{"consent":"no","visitor_id":"v"}}"#;
    check("/v1/cloudevents", event, 0).await;
}
