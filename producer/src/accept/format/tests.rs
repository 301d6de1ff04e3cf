//! What each format makes of a body: which clicks there are, whose, and of how many items.

use std::borrow::Cow;

use bytes::Bytes;

use super::*;
use crate::accept::rejection::Rejection;
use crate::accept::split::BodyItem;
use crate::accept::text::BodyText;

/// A click's id, visitor and number of items, and its JSON.
type Found = (String, String);

/// Returns what a body becomes, and what its clicks share; or the status of its refusal.
fn read(format: &dyn WireFormat, body: &[u8]) -> Result<(Vec<Found>, Option<String>), u16> {
    let status = |refused: Rejection| refused.status();
    let body = format.to_json(Bytes::copy_from_slice(body), 1_000);
    let body = body.map_err(status)?;
    let text = BodyText::read(&body).map_err(status)?;
    let split = format.split(&text, 3).map_err(status)?;
    let mut found = Vec::new();
    for (index, item) in split.items.iter().enumerate() {
        let BodyItem::Click(click) = item else {
            found.push(("!".to_owned(), String::new()));
            continue;
        };
        let who = match format.identify(index, click) {
            Ok(who) => who,
            Err(_) if split.items.len() == 1 => return Err(400),
            Err(_) => {
                found.push(("!".to_owned(), String::new()));
                continue;
            }
        };
        let visitor = who.visitor.or(split.visitor.as_deref().map(Cow::Borrowed));
        let [id, visitor] = [who.id, visitor].map(|text| text.unwrap_or("-".into()));
        let again = if who.retried { " again" } else { "" };
        let said = format!("{id} {visitor} {}{again}", who.items);
        found.push((said, click.get().to_owned()));
    }
    Ok((found, split.shared.map(|shared| shared.get().to_owned())))
}

/// Checks which clicks a body becomes.
fn check(format: &dyn WireFormat, body: &str, expect: Result<&[&str], u16>) {
    let found = read(format, body.as_bytes());
    let found = found.map(|(clicks, _)| clicks.into_iter().map(|(said, _)| said));
    let found = found.map(Iterator::collect::<Vec<_>>);
    let expect = expect.map(|all| all.iter().map(|said| (*said).to_owned()).collect());
    assert_eq!(found, expect, "{body}");
}

/// Checks the JSON of a body's clicks and what they share.
fn written(format: &dyn WireFormat, body: &str, clicks: &[&str], shared: Option<&str>) {
    let (found, said) = read(format, body.as_bytes()).unwrap();
    let found: Vec<_> = found.into_iter().map(|(_, click)| click).collect();
    assert_eq!(found, clicks, "{body}");
    assert_eq!(said.as_deref(), shared, "{body}");
}

#[test]
fn segment_sends_an_event_or_a_batch_of_them() {
    let batch = SegmentEvents::default();
    check(
        &batch,
        r#"{"messageId":"m","anonymousId":"a","userId":"u"}"#,
        Ok(&["m a 0"]),
    );
    check(
        &batch,
        r#"{"messageId":"m","anonymousId":null,"userId":7}"#,
        Ok(&["m 7 0"]),
    );
    check(
        &batch,
        r#"{"properties":{"products":[{},{}]}}"#,
        Ok(&["- - 2"]),
    );
    check(&batch, r#"{"properties":7,"batch":"x"}"#, Ok(&["- - 0"]));
    let body = r#"{"writeKey":"k","batch":[{"messageId":"a","writeKey":"k"},7, {"messageId":"b"}],"sentAt":"x"}"#;
    check(&batch, body, Ok(&["a - 0", "!", "b - 0"]));
    written(
        &batch,
        body,
        &[r#"{"messageId":"a"}"#, "", r#"{"messageId":"b"}"#],
        Some(r#"{"sentAt":"x"}"#),
    );
    written(
        &batch,
        r#"{"batch":[{"context":{"ip":"192.0.2.7","a":1}}],"context":{"ip":"192.0.2.7"}}"#,
        &[r#"{"context":{"a":1}}"#],
        Some(r#"{"context":{}}"#),
    );
    check(&batch, r#"{"batch":[]}"#, Err(400));
    check(&batch, r#"{"batch":[1]}"#, Err(400));
    check(&batch, r#"{"batch":[{},{},{},{}]}"#, Err(413));
    check(&batch, r#"{"batch":[{}"#, Err(400));
    check(&batch, "", Err(400));
    check(&batch, "data=eyJtZXNzYWdlSWQiOiJtIn0&x=1", Ok(&["m - 0"]));
    check(&batch, r#"{"messageId":"m","messageId":"n"}"#, Err(400));
}

#[test]
fn segment_says_the_call_by_its_path_and_a_retry_by_its_header() {
    let page = SegmentEvents {
        call: Some("page"),
        query: "",
        retried: true,
    };
    check(&page, r#"{"messageId":"m"}"#, Ok(&["m - 0 again"]));
    written(
        &page,
        r#"{"name":"Home"}"#,
        &[r#"{"name":"Home"}"#],
        Some(r#"{"type":"page"}"#),
    );
    written(&page, r#"{"type":"x"}"#, &[r#"{"type":"x"}"#], None);
}

#[test]
fn snowplow_sends_a_query_or_a_list() {
    let post = SnowplowEvents::default();
    check(
        &post,
        r#"{"schema":"s","data":[{"e":"pv","eid":"i","duid":"d"},{"e":"ue","eid":"j"},{}]}"#,
        Ok(&["i d 0", "j - 0", "!"]),
    );
    written(
        &post,
        r#"{"schema":"s","data":[{"e":"pv"}]}"#,
        &[r#"{"e":"pv"}"#],
        None,
    );
    for body in ["", "{}", r#"{"data":{"e":"pv"}}"#, r#"{"data":[]}"#, "e=pv"] {
        check(&post, body, Err(400));
    }
    let get = SnowplowEvents {
        query: Some("e=pv&eid=i&page=A+%26+B&ue_px=eyJ9&tna="),
        network_user: Some("n\"".into()),
    };
    check(&get, "", Ok(&["i n\" 0"]));
    written(
        &get,
        "",
        &[r#"{"e":"pv","eid":"i","page":"A & B","ue_px":"eyJ9"}"#],
        Some(r#"{"nuid":"n\""}"#),
    );
    let none = SnowplowEvents {
        query: Some(""),
        network_user: None,
    };
    check(&none, "", Err(400));
}

#[test]
fn posthog_sends_events_in_many_ways() {
    let query = |query| PostHogEvents { query };
    check(
        &query(""),
        r#"{"api_key":"k","batch":[{"event":"a","uuid":"u","distinct_id":"d"},{"uuid":"v"}],"sent_at":"x"}"#,
        Ok(&["u d 0", "!"]),
    );
    let event = r#"{"token":"k","event":"$pageview","uuid":"u","properties":{"token":"k","distinct_id":"d"}}"#;
    check(&query(""), event, Ok(&["u d 0"]));
    written(
        &query(""),
        event,
        &[r#"{"event":"$pageview","uuid":"u","properties":{"distinct_id":"d"}}"#],
        None,
    );
    check(
        &query(""),
        r#"[{"event":"a"},{"event":"b"}]"#,
        Ok(&["- - 0", "- - 0"]),
    );
    check(
        &query("data=eyJldmVudCI6ImEifQ%3D%3D&ip=1"),
        "",
        Ok(&["- - 0"]),
    );
    check(&query(""), "data=eyJldmVudCI6ImEifQ==", Ok(&["- - 0"]));
    for body in ["", "{}", "data=x", r#"{"batch":[{}]}"#] {
        check(&query(""), body, Err(400));
    }
}

#[test]
fn analytics_4_names_its_visitor_once_and_its_items_in_each_event() {
    let body = r#"{"client_id":"c","user_id":"u","timestamp_micros":"1","events":[{"name":"purchase","params":{"items":[{},{}]}},{"name":"view"}]}"#;
    check(&MeasurementProtocol, body, Ok(&["- c 2", "- c 0"]));
    for body in [
        "",
        "{}",
        r#"{"client_id":"c","events":[]}"#,
        r#"{"client_id":"c","events":[{}]}"#,
        r#"{"client_id":"c","client_id":"d","events":[{"name":"a"}]}"#,
    ] {
        check(&MeasurementProtocol, body, Err(400));
    }
}

#[test]
fn googles_tag_sends_a_query_and_a_line_for_each_hit() {
    let one = GoogleTag {
        query: "v=2&tid=G-1&cid=1.2&en=purchase&ep.transaction_id=T1&epn.value=12.50&epn.x=y&ep.items=z&hits=1&pr1=idA~nmTea%20pot~pr9.99~qt1~k0colour~v0red&pr2=idB~&pr=x",
    };
    check(&one, "", Ok(&["- 1.2 2"]));
    written(
        &one,
        "",
        &[
            r#"{"v":"2","tid":"G-1","cid":"1.2","en":"purchase","pr":"x","params":{"transaction_id":"T1","value":12.50,"x":"y","items":[{"id":"A","nm":"Tea pot","pr":9.99,"qt":1,"colour":"red"},{"id":"B"}]}}"#,
        ],
        None,
    );
    let many = GoogleTag {
        query: "v=2&cid=1.2",
    };
    let body = "en=a&dl=x\r\n\r\nen=b\nx=1\n";
    check(&many, body, Ok(&["- 1.2 0", "- 1.2 0", "!"]));
    written(
        &many,
        "en=a",
        &[r#"{"en":"a"}"#],
        Some(r#"{"v":"2","cid":"1.2"}"#),
    );
    check(&many, "", Err(400));
    check(&many, "{}", Err(400));
    check(&many, "en=a\nen=b\nen=c\nen=d", Err(413));
}

#[test]
fn matomo_sends_a_query_a_form_or_a_list_of_queries() {
    let query = |query| MatomoHits { query };
    written(
        &query("idsite=1&_id=v&token_auth=t&cip=192.0.2.7&url=https%3A%2F%2Fa%2F"),
        "idsite=2&rec=1&send_image=0&token_auth=t",
        &[r#"{"idsite":"1","_id":"v","url":"https://a/","rec":"1","send_image":"0"}"#],
        None,
    );
    let order = r#"idsite=1&uid=u&idorder=o&ec_items=[["A","Tea",["x","y"],1.50,2],["B"]]"#;
    check(&query(""), order, Ok(&["- u 2"]));
    written(
        &query(""),
        order,
        &[
            r#"{"idsite":"1","uid":"u","idorder":"o","items":[{"sku":"A","name":"Tea","category":["x","y"],"price":1.50,"quantity":2},{"sku":"B"}]}"#,
        ],
        None,
    );
    written(
        &query("idsite=1&ec_items=nope"),
        "",
        &[r#"{"idsite":"1","ec_items":"nope"}"#],
        None,
    );
    check(
        &query(""),
        r#"{"requests":["?idsite=1&_id=a","https://x/matomo.php?idsite=1&cid=b",{"idsite":1,"token_auth":"t"}],"token_auth":"t"}"#,
        Ok(&["- a 0", "- b 0", "- - 0"]),
    );
    check(
        &query(""),
        r#"{"requests":["?idsite=1",7]}"#,
        Ok(&["- - 0", "!"]),
    );
    for body in [
        "",
        "rec=1",
        "{}",
        "[]",
        r#"{"requests":[]}"#,
        r#"{"requests":["?"]}"#,
    ] {
        check(&query(""), body, Err(400));
    }
}

#[test]
fn a_cloud_event_is_known_by_its_source_and_id() {
    let whole = CloudEvents::default();
    let event = r#"{"specversion":"1.0","id":"1","source":"/shop","type":"t","data":{"visitor_id":"v","items":[{},{}]}}"#;
    check(&whole, event, Ok(&["/shop 1 v 2"]));
    check(
        &whole,
        r#"[{"id":1,"source":"/a","type":"t"},{"id":1,"source":"/b"}]"#,
        Ok(&["/a 1 - 0", "!"]),
    );
    for body in [
        "",
        "{}",
        r#"{"id":"1","source":"s"}"#,
        r#"{"id":"1","type":"t"}"#,
    ] {
        check(&whole, body, Err(400));
    }
    let binary = |content_type| CloudEvents {
        attributes: vec![
            ("id", "1".into()),
            ("source", "/s%20p".into()),
            ("type", "t".into()),
        ],
        content_type,
    };
    let json = Some("application/json; charset=utf-8");
    check(&binary(json), r#"{"visitor_id":"v"}"#, Ok(&["/s p 1 v 0"]));
    check(&binary(json), r#"{"visitor_id":"#, Err(400));
    let head = r#"{"id":"1","source":"/s p","type":"t""#;
    let data = |kind: Option<&'static str>, body: &[u8], expect: &str| {
        let (clicks, _) = read(&binary(kind), body).unwrap();
        assert_eq!(clicks[0].1, format!("{head}{expect}}}"));
    };
    data(None, b"", "");
    data(None, b"7", r#","data":7"#);
    let text = Some("text/plain");
    data(
        text,
        b" hello",
        r#","datacontenttype":"text/plain","data":"hello""#,
    );
    data(
        text,
        b"{\"a\":1}",
        r#","datacontenttype":"text/plain","data":{"a":1}"#,
    );
    data(
        text,
        b"{a",
        r#","datacontenttype":"text/plain","data":"{a""#,
    );
    data(
        text,
        b"\xff\xfe",
        r#","datacontenttype":"text/plain","data_base64":"//4=""#,
    );
}
