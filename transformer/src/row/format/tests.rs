//! What each format's event says in its row.

use topic::Envelope;

use super::*;
use crate::row::native::Scalar;
use crate::row::value::whole;

pub(in crate::row) const PLAIN: Envelope<'_> = Envelope {
    v: 1,
    id: std::borrow::Cow::Borrowed("x"),
    id_generated: false,
    item: None,
    retried: false,
    replaced: false,
    redacted: false,
    sample_rate: None,
    received_at: 1,
    format: std::borrow::Cow::Borrowed("native"),
    source: std::borrow::Cow::Borrowed("http"),
    ip: None,
    user_agent: None,
    visitor: None,
    request: None,
    shared: None,
    click: "{}",
};

/// Checks the fields of a click, each as `name=value`, and its properties.
fn check(envelope: &Envelope<'_>, fields: &[&str], properties: &str) {
    let mut click = parse(envelope).unwrap();
    check_click(&mut click, envelope, fields, properties);
}

/// Checks what became of an envelope's click.
pub(in crate::row) fn check_click(
    click: &mut NativeClick<'_>,
    envelope: &Envelope<'_>,
    fields: &[&str],
    properties: &str,
) {
    let mut found = Vec::new();
    for name in native::FIELDS {
        let value = match click.field(name).unwrap() {
            Scalar::Text(text) => text.to_string(),
            Scalar::Signed(number) => number.to_string(),
            Scalar::Float(number) => number.to_string(),
            _ => continue,
        };
        found.push(format!("{name}={value}"));
    }
    let mut fields: Vec<_> = fields.iter().map(|field| (*field).to_owned()).collect();
    fields.sort();
    found.sort();
    assert_eq!(found, fields, "{}", envelope.click);
    let kept = click.properties.json().unwrap_or_default();
    assert_eq!(kept, properties, "{}", envelope.click);
}

fn of(format: &'static str, click: &'static str) -> Envelope<'static> {
    Envelope {
        format: format.into(),
        click,
        ..PLAIN
    }
}

#[test]
fn segment() {
    check(
        &of(
            "segment",
            r#"{"type":"track","event":"Product Viewed","messageId":"m","userId":7,"anonymousId":null,"timestamp":"2026-11-22T21:41:44.830+00:00","context":{"sessionId":12.50,"campaign":{"source":"s","name":"n"}},"properties":{"name":"Tea","sku":"a","price":"2.55","quantity":"many","currency":["EUR"]}}"#,
        ),
        &[
            "id=m",
            "action=view",
            "user_id=7",
            "occurred_at=2026-11-22T21:41:44.830+00:00",
            "session_id=12.50",
            "utm_source=s",
            "utm_campaign=n",
            "product_id=a",
            "price=2.55",
        ],
        r#"{"type":"track","event":"Product Viewed","anonymousId":null,"context":{"sessionId":12.50,"campaign":{"source":"s","name":"n"}},"name":"Tea","quantity":"many","currency":["EUR"]}"#,
    );
    // The path of the request says the call, and the body when it was sent.
    let page = Envelope {
        shared: Some(r#"{"type":"page","timestamp":"2026-11-22T21:41:40.890Z"}"#),
        ..of(
            "segment",
            r#"{"name":"Home","originalTimestamp":"2026-11-22T21:41:40.885Z","properties":7}"#,
        )
    };
    check(
        &page,
        &["action=page", "occurred_at=2026-11-22T21:41:40.885Z"],
        r#"{"name":"Home","properties":7}"#,
    );
}

#[test]
fn snowplow() {
    check(
        &of(
            "snowplow",
            r#"{"e":"pv","url":"https://e.x/p","page":"P","refr":"https://r.x/","eid":"i","uid":"u1","duid":"d","nuid":"n","sid":"s","dtm":"1795383123377","ttm":"1795383123000","stm":"1795383123379"}"#,
        ),
        &[
            "id=i",
            "action=page",
            "url=https://e.x/p",
            "referrer=https://r.x/",
            "user_id=u1",
            "visitor_id=d",
            "session_id=s",
            "occurred_at=1795383123000",
        ],
        r#"{"e":"pv","page":"P","nuid":"n","dtm":"1795383123377","stm":"1795383123379"}"#,
    );
    let line = Envelope {
        shared: Some(r#"{"nuid":"cookie"}"#),
        ..of(
            "snowplow",
            r#"{"e":"ti","ti_id":"o","ti_sk":"a","ti_nm":"Tea","ti_ca":"c","ti_pr":"2.5","ti_qu":"2","ti_cu":"EUR"}"#,
        )
    };
    check(
        &line,
        &[
            "action=buy",
            "visitor_id=cookie",
            "order_id=o",
            "product_id=a",
            "product_name=Tea",
            "category=c",
            "price=2.5",
            "quantity=2",
            "currency=EUR",
        ],
        r#"{"e":"ti"}"#,
    );
    check(
        &of("snowplow", r#"{"e":"se","se_ca":"shop","se_ac":"add"}"#),
        &["action=add"],
        r#"{"e":"se","se_ca":"shop"}"#,
    );
    // The short words are those of `e` alone.
    check(
        &of("snowplow", r#"{"e":"se","se_ac":"ti"}"#),
        &["action=ti"],
        r#"{"e":"se"}"#,
    );
}

#[test]
fn posthog() {
    check(
        &of(
            "posthog",
            r#"{"event":"$pageview","uuid":"i","timestamp":"2026-11-22T21:41:44.215Z","properties":{"distinct_id":"d","$session_id":"s","$user_id":"u","$current_url":"https://e.x/","$referrer":"$direct","$lib":"web"}}"#,
        ),
        &[
            "id=i",
            "action=page",
            "occurred_at=2026-11-22T21:41:44.215Z",
            "visitor_id=d",
            "session_id=s",
            "user_id=u",
            "url=https://e.x/",
            "referrer=$direct",
        ],
        r#"{"event":"$pageview","$lib":"web"}"#,
    );
}

#[test]
fn google_analytics_4() {
    let shared = r#"{"client_id":"c.1","user_id":"u","timestamp_micros":1795383123043217,"user_properties":{}}"#;
    let purchase = Envelope {
        item: Some(1),
        shared: Some(shared),
        ..of(
            "ga4",
            r#"{"name":"purchase","params":{"transaction_id":"T","currency":"EUR","value":12.5,"session_id":17,"items":[{"item_id":"a"},{"item_id":"b","item_name":"Tea","quantity":2,"price":1.5,"index":1}]}}"#,
        )
    };
    check(
        &purchase,
        &[
            "action=buy",
            "visitor_id=c.1",
            "user_id=u",
            "occurred_at=1795383123043.217",
            "order_id=T",
            "currency=EUR",
            "session_id=17",
            "product_id=b",
            "product_name=Tea",
            "quantity=2",
            "price=1.5",
        ],
        r#"{"name":"purchase","value":12.5,"index":1}"#,
    );
    let late = Envelope {
        shared: Some(shared),
        ..of(
            "ga4",
            r#"{"name":"a","timestamp_micros":"1795383000000000"}"#,
        )
    };
    check(
        &late,
        &[
            "action=a",
            "visitor_id=c.1",
            "user_id=u",
            "occurred_at=1795383000000.000",
        ],
        "",
    );
    let hit = Envelope {
        item: Some(0),
        shared: Some(r#"{"v":"2","cid":"1.2","sid":"17","dl":"https://e.x/"}"#),
        ..of(
            "gtag",
            r#"{"en":"purchase","dl":"https://e.x/done","cu":"EUR","params":{"transaction_id":"T","value":9.99,"items":[{"id":"a","nm":"Tea","pr":9.99,"qt":1,"br":"w"}]}}"#,
        )
    };
    check(
        &hit,
        &[
            "action=buy",
            "visitor_id=1.2",
            "session_id=17",
            "url=https://e.x/done",
            "currency=EUR",
            "order_id=T",
            "product_id=a",
            "product_name=Tea",
            "price=9.99",
            "quantity=1",
        ],
        r#"{"en":"purchase","value":9.99,"br":"w"}"#,
    );
}

#[test]
fn matomo() {
    check(
        &of(
            "matomo",
            r#"{"idsite":"1","rec":"1","action_name":"Home","url":"https://e.x/","urlref":"https://r.x/","_id":"v","uid":"u","cdt":"1795383123"}"#,
        ),
        &[
            "action=page",
            "url=https://e.x/",
            "referrer=https://r.x/",
            "visitor_id=v",
            "user_id=u",
            "occurred_at=1795383123000.",
        ],
        r#"{"idsite":"1","rec":"1","action_name":"Home"}"#,
    );
    let order = Envelope {
        item: Some(0),
        ..of(
            "matomo",
            r#"{"idsite":"1","uid":"u","cdt":"2026-11-22 21:32:03","idgoal":"0","idorder":"o","items":[{"sku":"a","name":"Tea","category":["x"],"price":1.5,"quantity":2}]}"#,
        )
    };
    check(
        &order,
        &[
            "action=buy",
            "visitor_id=u",
            "user_id=u",
            "occurred_at=2026-11-22 21:32:03",
            "order_id=o",
            "product_id=a",
            "product_name=Tea",
            "price=1.5",
            "quantity=2",
        ],
        r#"{"idsite":"1","idgoal":"0","category":["x"]}"#,
    );
    check(
        &of("matomo", r#"{"idsite":"1","e_c":"video","e_a":"play"}"#),
        &["action=play"],
        r#"{"idsite":"1","e_c":"video"}"#,
    );
}

#[test]
fn a_view_of_a_product_and_what_is_given_back() {
    check(
        &of(
            "matomo",
            r#"{"action_name":"Tea","url":"https://e.x/tea","_pks":"a","_pkn":"Tea","_pkc":"[\"x\"]","_pkp":"1.5"}"#,
        ),
        &[
            "action=view",
            "url=https://e.x/tea",
            "product_id=a",
            "product_name=Tea",
            "category=[\"x\"]",
            "price=1.5",
        ],
        r#"{"action_name":"Tea"}"#,
    );
    for (quantity, expect) in [
        (r#","quantity":2"#, -2),
        (r#","quantity":"3""#, -3),
        (r#","quantity":-2"#, -2),
        ("", -1),
    ] {
        let click = format!(
            r#"{{"name":"refund","params":{{"items":[{{"item_id":"a","price":1.5{quantity}}}]}}}}"#
        );
        let refund = Envelope {
            format: "ga4".into(),
            item: Some(0),
            click: &click,
            ..PLAIN
        };
        let mut click = parse(&refund).unwrap();
        give_back(&mut click);
        let found = whole("quantity", &click.quantity).unwrap();
        assert_eq!(found, Some(expect), "{}", refund.click);
    }
}

#[test]
fn cloud_events() {
    check(
        &of(
            "cloudevents",
            r#"{"specversion":"1.0","id":"1","source":"/shop","type":"shop.buy","time":"2026-11-22T21:32:03Z","data":{"visitor_id":"v","price":1.5,"order_id":"o","colour":"red"}}"#,
        ),
        &[
            "action=buy",
            "occurred_at=2026-11-22T21:32:03Z",
            "visitor_id=v",
            "price=1.5",
            "order_id=o",
        ],
        r#"{"specversion":"1.0","id":"1","source":"/shop","type":"shop.buy","colour":"red"}"#,
    );
    for data in [r#""text""#, "[1]", "7", "null"] {
        let click = format!(r#"{{"type":"t","data":{data}}}"#);
        let envelope = Envelope {
            format: "cloudevents".into(),
            click: &click,
            ..PLAIN
        };
        let kept = match data {
            "null" => String::new(),
            data => format!(r#"{{"data":{data}}}"#),
        };
        check(&envelope, &["action=t"], &kept);
    }
}

#[test]
fn input_23_24_a_moment_that_cannot_be_is_judged_and_a_value_of_another_type_is_kept() {
    let odd =
        r#"{"e":"ti","dtm":"yesterday","ti_pr":"dear","ti_qu":{"a":1},"ti_nm":[1],"ti_id":1e999}"#;
    check(
        &of("snowplow", odd),
        &["action=buy", "occurred_at=yesterday"],
        r#"{"e":"ti","ti_pr":"dear","ti_qu":{"a":1},"ti_nm":[1],"ti_id":1e999}"#,
    );
    let beyond = parse(&of("ga4", r#"{"timestamp_micros":1e999}"#)).unwrap();
    assert_eq!(beyond.occurred_at, Scalar::Text("1e999".into()));
    let unknown = parse(&of("nobody", "{}")).unwrap_err();
    assert_eq!(unknown.reason, Reason::UnknownVersion);
    let list = parse(&of("segment", "[]")).unwrap_err();
    assert_eq!(list.reason, Reason::NotAnObject);
}
