use topic::clock;

use super::*;
use crate::testing::{self, FakeWriter};

const FACTS: EdgeFacts<'_> = EdgeFacts {
    format: "native",
    source: "http",
    ip: None,
    user_agent: None,
    content_encoding: None,
    request: None,
    shares: Vec::new(),
    privacy: PrivacyPolicy::Ignore,
    redacted: false,
};

fn edge() -> (Edge, Arc<FakeWriter>) {
    let topic = FakeWriter::new();
    (
        Edge::new(&testing::config(), topic.clone(), clock::system()),
        topic,
    )
}

/// Returns the ids and clicks of the envelopes that a body became, or its status.
fn accepted(body: &[u8]) -> Result<Vec<(String, String)>, u16> {
    let (edge, topic) = edge();
    let outcome = edge.accept(&FACTS, Bytes::copy_from_slice(body));
    let Err(rejection) = outcome else {
        let envelopes = topic.envelopes();
        let read = |value: &String| {
            let envelope = Envelope::decode(value.as_bytes()).unwrap();
            (envelope.id.into_owned(), envelope.click.to_owned())
        };
        return Ok(envelopes.iter().map(read).collect());
    };
    assert!(
        topic.drafts().is_empty(),
        "a refused body leaves nothing in the topic"
    );
    Err(rejection.status())
}

#[test]
fn input_01_a_click_is_kept_byte_for_byte() {
    let body = r#" { "id" : "a" , "x":1.50,"x":1e999, "ü":"\u0041\u0000" } "#;
    let expect = vec![("a".to_owned(), body.trim().to_owned())];
    assert_eq!(accepted(body.as_bytes()), Ok(expect));
}

#[test]
fn the_key_is_the_visitor_or_else_the_id() {
    let (edge, topic) = edge();
    let body = r#"[{"id":"a","visitor_id":"v"},{"id":"b"},{"id":"c","visitor_id":17}]"#;
    let pending = edge
        .accept(&FACTS, Bytes::from_static(body.as_bytes()))
        .unwrap();
    assert_eq!((pending.clicks, pending.rejected.len()), (3, 0));
    let keys: Vec<_> = topic.drafts().into_iter().map(|draft| draft.key).collect();
    assert_eq!(keys, ["v", "b", "17"]);
}

#[test]
fn input_22_a_click_without_an_id_gets_a_flagged_one() {
    let (edge, topic) = edge();
    edge.accept(&FACTS, Bytes::from_static(b"{\"action\":\"view\"}"))
        .unwrap();
    let envelopes = topic.envelopes();
    let envelope = Envelope::decode(envelopes[0].as_bytes()).unwrap();
    assert!(envelope.id_generated);
    assert_eq!(
        uuid::Uuid::parse_str(&envelope.id)
            .unwrap()
            .get_version_num(),
        7
    );
    assert_eq!(envelope.click, "{\"action\":\"view\"}");
}

#[test]
fn input_05_a_batch_partly_bad_keeps_both_parts() {
    let (edge, topic) = edge();
    let body = r#"[{"id":"a"},7,{"id":"b","id":"c"},{"id":"d"}]"#;
    let pending = edge
        .accept(&FACTS, Bytes::from_static(body.as_bytes()))
        .unwrap();
    assert_eq!(pending.clicks, 2);
    let indices: Vec<_> = pending.rejected.iter().map(|item| item.index).collect();
    assert_eq!(indices, [1, 2]);
    assert!(pending.rejected[1].reason.contains("duplicate field `id`"));
    let clicks: Vec<_> = topic
        .envelopes()
        .iter()
        .map(|value| Envelope::decode(value.as_bytes()).unwrap().click.to_owned())
        .collect();
    assert_eq!(
        clicks,
        [
            r#"{"id":"a"}"#,
            "7",
            r#""{\"id\":\"b\",\"id\":\"c\"}""#,
            r#"{"id":"d"}"#
        ]
    );
}

#[test]
fn input_08_and_12_limits_and_duplicate_keys() {
    let check = |body: &str, expect: u16| {
        assert_eq!(
            accepted(body.as_bytes()),
            Err(expect),
            "{}",
            &body[..body.len().min(60)]
        );
    };
    check(r#"{"id":"a","id":"b"}"#, 400);
    check(&format!("{{\"a\":\"{}\"}}", "x".repeat(65_536)), 413);
    check(&format!("[{}{{}}]", "{},".repeat(2_000)), 413);
    check(&format!("[{}{}]", "[".repeat(17), "]".repeat(17)), 400);
    let widest = format!("{{\"a\":\"{}\"}}", "x".repeat(65_536 - 8));
    assert!(accepted(widest.as_bytes()).is_ok());
}

#[test]
fn b54_one_bad_click_costs_itself_and_never_its_batch() {
    let big = format!(r#"{{"id":"big","a":"{}"}}"#, "\\n".repeat(40_000));
    let deep = format!("{}1{}", "{\"a\":".repeat(40), "}".repeat(40));
    for bad in [
        big.as_str(),
        &deep,
        "{\"price\":NaN}",
        "nope",
        "[[]]",
        r#"{"id":1,"id":2}"#,
    ] {
        for body in [
            format!(r#"[{{"id":"a"}},{bad},{{"id":"b"}}]"#),
            format!("{{\"id\":\"a\"}}\n{bad}\n{{\"id\":\"b\"}}"),
        ] {
            let (edge, topic) = edge();
            let pending = edge.accept(&FACTS, Bytes::from(body)).unwrap();
            let rejected: Vec<_> = pending.rejected.iter().map(|item| item.index).collect();
            assert_eq!((pending.clicks, &*rejected), (2, &[1][..]), "{bad:.60}");
            let envelopes = topic.envelopes();
            let letter = Envelope::decode(envelopes[1].as_bytes()).unwrap().click;
            assert!(
                !letter.starts_with('{') && letter.len() <= 65_536 + 2,
                "{letter:.60}"
            );
        }
    }
    let two = format!("[{big},{big}]");
    assert_eq!(accepted(two.as_bytes()), Err(413));
}

#[test]
fn input_10_a_mark_is_stripped() {
    let expect = vec![("a".to_owned(), r#"{"id":"a"}"#.to_owned())];
    assert_eq!(accepted(b"\xef\xbb\xbf{\"id\":\"a\"}"), Ok(expect));
}

#[test]
fn a_full_or_closed_topic_is_503_and_a_record_that_is_too_large_is_413() {
    let check = |fault: topic::AppendError, expect: u16| {
        let (edge, topic) = edge();
        topic.fail(Some(fault));
        let rejection = edge.accept(&FACTS, Bytes::from_static(b"{}")).unwrap_err();
        assert_eq!(rejection.status(), expect);
    };
    check(topic::AppendError::Full, 503);
    check(topic::AppendError::Closed("the disk is full".into()), 503);
    check(topic::AppendError::TooLarge { size: 9, limit: 8 }, 413);
}

#[test]
fn the_user_agent_is_bounded_and_the_address_is_truncated() {
    let (edge, topic) = edge();
    let agent = "é".repeat(2_000);
    let ip = Some("203.0.113.9".parse().unwrap());
    let facts = EdgeFacts {
        ip,
        user_agent: Some(&agent),
        ..FACTS
    };
    edge.accept(&facts, Bytes::from_static(b"{}")).unwrap();
    let envelopes = topic.envelopes();
    let envelope = Envelope::decode(envelopes[0].as_bytes()).unwrap();
    assert_eq!(envelope.ip.as_deref(), Some("203.0.113.0"));
    assert_eq!(envelope.user_agent.unwrap().len(), 1_024);
}

mod corpus {
    use super::*;
    use crate::testing::shared_data as folder;

    #[test]
    fn input_04_the_json_test_suite() {
        let Some(folder) = folder("badinput/jsontestsuite") else {
            return;
        };
        let mut seen = 0;
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let body = std::fs::read(&path).unwrap();
            let outcome = accepted(&body);
            seen += 1;
            match name.get(..2) {
                Some("n_") => assert!(outcome.is_err(), "{name} is accepted: {outcome:?}"),
                Some("y_") => {
                    let value: serde_json::Value = serde_json::from_slice(&body).unwrap();
                    let clicks = match &value {
                        serde_json::Value::Object(_) => true,
                        serde_json::Value::Array(items) => {
                            items.iter().any(serde_json::Value::is_object)
                        }
                        _ => false,
                    };
                    assert_eq!(outcome.is_ok(), clicks, "{name}: {outcome:?}");
                }
                _ => {}
            }
        }
        assert!(seen > 100, "the suite has {seen} files");
    }

    #[test]
    fn input_11_naughty_strings_go_through_byte_for_byte() {
        let Some(file) = folder("badinput/blns.json") else {
            return;
        };
        let strings: Vec<String> = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        for naughty in strings {
            let click =
                serde_json::json!({"id": "a", "product_name": naughty, &naughty: 1}).to_string();
            let expect = vec![("a".to_owned(), click.clone())];
            assert_eq!(accepted(click.as_bytes()), Ok(expect));
        }
    }

    #[test]
    fn real_clients_bodies_never_panic() {
        let Some(folder) = folder("clients") else {
            return;
        };
        let mut bodies = 0;
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            if path
                .extension()
                .is_none_or(|extension| extension != "jsonl")
            {
                continue;
            }
            for line in std::fs::read_to_string(path).unwrap().lines() {
                let request: serde_json::Value = serde_json::from_str(line).unwrap();
                let body = request["b"].as_str().unwrap_or_default();
                let outcome = accepted(body.as_bytes());
                assert!(outcome.is_ok() || outcome == Err(400), "{body}");
                // A body that is cut short is refused or read; it never panics.
                for cut in (0..body.len()).step_by(97) {
                    let _ = accepted(&body.as_bytes()[..cut]);
                }
                bodies += 1;
            }
        }
        assert!(bodies > 0);
    }
}

#[test]
fn each_item_becomes_a_record_with_the_whole_event() {
    let (edge, topic) = edge();
    let body = r#"[{"id":"a","visitor_id":"v","items":[{},{"n":1}],"retry":true},{"id":"b"}]"#;
    let pending = edge
        .accept(&FACTS, Bytes::from_static(body.as_bytes()))
        .unwrap();
    assert_eq!(pending.clicks, 2);
    let envelopes = topic.envelopes();
    let read: Vec<_> = envelopes
        .iter()
        .map(|value| Envelope::decode(value.as_bytes()).unwrap())
        .map(|envelope| (envelope.id.into_owned(), envelope.item, envelope.retried))
        .collect();
    let expect = [
        ("a".to_owned(), Some(0), true),
        ("a".to_owned(), Some(1), true),
        ("b".to_owned(), None, false),
    ];
    assert_eq!(read, expect);
    assert!(envelopes[1].contains(r#""items":[{},{"n":1}]"#));
    let keys: Vec<_> = topic.drafts().into_iter().map(|draft| draft.key).collect();
    assert_eq!(keys, ["v", "v", "b"]);
}

#[test]
fn input_12_items_times_their_event_are_bounded() {
    let items = vec!["{}"; 20_000].join(",");
    let body = format!(r#"{{"id":"a","items":[{items}]}}"#);
    assert_eq!(accepted(body.as_bytes()).unwrap_err(), 413);
}
