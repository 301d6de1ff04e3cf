mod ids;
mod ways;

use bytes::Bytes;
use topic::Offset;

use super::*;

fn record(click: &str, id: &str) -> Record {
    let value = format!(
        r#"{{"v":1,"id":{},"received_at":1795000000000000,"format":"native","source":"http","ip":"192.0.2.0","user_agent":"curl/8","click":{click}}}"#,
        serde_json::to_string(id).unwrap()
    );
    Record {
        offset: Offset(7),
        appended_at: Timestamp::from_micros(1_795_000_000_500_000),
        key: None,
        value: Some(Bytes::from(value)),
        headers: Vec::new(),
    }
}

fn check(click: &str, expect: impl Fn(Row<'_>)) {
    let record = record(click, "019aab11-0000-7000-8000-000000000001");
    expect(transform(Partition(3), &record, &Enrichment::default()).unwrap());
}

fn defect(click: &str, reason: Reason, detail: &str) {
    let record = record(click, "a");
    let defect = transform(Partition(3), &record, &Enrichment::default()).unwrap_err();
    assert_eq!(defect.reason, reason, "{click}: {}", defect.detail);
    assert!(defect.detail.contains(detail), "{click}: {}", defect.detail);
    assert_eq!(defect.event_id.as_deref(), Some("a"), "{click}");
}

#[test]
fn a_native_click_becomes_a_row() {
    check(
        r#"{"action":"buy","product_id":42,"quantity":2,"price":1.5,"visitor_id":"v","url":"https://u:p@shop.example/a/b?utm_source=news&x=1","occurred_at":"2026-11-01T00:00:00+01:00","colour":"red"}"#,
        |row| {
            assert_eq!(row.action, "buy");
            assert_eq!(row.product_id.as_deref(), Some("42"));
            assert_eq!((row.quantity, row.price), (Some(2), Some(1.5)));
            assert_eq!(
                row.url.as_deref(),
                Some("https://shop.example/a/b?utm_source=news&x=1")
            );
            assert_eq!(row.path.as_deref(), Some("/a/b"));
            assert_eq!(row.utm_source.as_deref(), Some("news"));
            assert_eq!(
                row.occurred_at,
                Timestamp::parse_rfc3339("2026-10-31T23:00:00Z").unwrap()
            );
            assert_eq!(row.properties.as_deref(), Some(r#"{"colour":"red"}"#));
            assert_eq!(row.ip.as_deref(), Some("192.0.2.0"));
        },
    );
}

#[test]
fn an_empty_click_is_a_row_with_what_the_edge_knows() {
    check("{}", |row| {
        assert_eq!(row.action, "unknown");
        assert_eq!(row.occurred_at, row.received_at);
        assert!(!row.occurred_at_given);
    });
}

#[test]
fn input_23_times_that_cannot_be() {
    for (time, why) in [
        (r#""yesterday""#, "RFC 3339"),
        (r#""2026-11-18T20:26:41+00:00""#, "an hour"),
        (r#""946684799999""#, "before 2000"),
        ("946684799999", "before 2000"),
        ("1795003600001", "an hour"),
        ("18446744073709551615", "calendar"),
    ] {
        defect(
            &format!(r#"{{"occurred_at":{time}}}"#),
            Reason::BadTime,
            why,
        );
    }
    check(r#"{"occurred_at":1795003600000}"#, |row| {
        assert!(row.occurred_at_given);
    });
}

#[test]
fn input_24_a_field_of_another_type_names_its_path() {
    defect(r#"{"action":["buy"]}"#, Reason::WrongType, "action");
    defect(r#"{"quantity":"two"}"#, Reason::WrongType, "quantity");
    defect(r#"{"price":true}"#, Reason::WrongType, "price");
    defect(r#"{"properties":[1]}"#, Reason::WrongType, "properties");
    defect(r#"{"product_id":true}"#, Reason::WrongType, "product_id");
}

#[test]
fn b65_to_b69_numbers_and_times_as_text_and_empty_texts_as_absent() {
    check(
        r#"{"action":"buy","price":"19.99","quantity":"2","order_id":12345.0,"occurred_at":"2026-11-01T01:00:00+0100"}"#,
        |row| {
            assert_eq!((row.price, row.quantity), (Some(19.99), Some(2)));
            assert_eq!(row.order_id.as_deref(), Some("12345.0"));
            let midnight = Timestamp::parse_rfc3339("2026-11-01T00:00:00Z").unwrap();
            assert_eq!(row.occurred_at, midnight);
        },
    );
    check(
        r#"{"action":"","price":"","quantity":" ","order_id":"","occurred_at":"","properties":"","user_agent":""}"#,
        |row| {
            assert_eq!(
                (&*row.action, row.price, row.quantity),
                ("unknown", None, None)
            );
            assert_eq!((row.order_id, row.properties), (None, None));
            assert!(!row.occurred_at_given);
            assert_eq!(row.user_agent.as_deref(), Some("curl/8"));
        },
    );
    check(r#"{"occurred_at":"1794999999000"}"#, |row| {
        assert_eq!(row.occurred_at, Timestamp::from_millis(1_794_999_999_000));
    });
}

#[test]
fn b54_a_row_says_that_something_was_not_unicode() {
    let value = record(
        r#"{"product_name":"x\ufffd"}"#,
        "019aab11-0000-7000-8000-000000000001",
    )
    .value;
    let value = String::from_utf8(value.unwrap().to_vec()).unwrap();
    let flagged = value.replacen(r#","received_at""#, r#","replaced":true,"received_at""#, 1);
    assert_ne!(flagged, value);
    let record = Record {
        value: Some(Bytes::from(flagged)),
        ..record("{}", "a")
    };
    let row = transform(Partition(0), &record, &Enrichment::default()).unwrap();
    assert_eq!(row.product_name.as_deref(), Some("x\u{fffd}"));
    assert_eq!(
        row.properties.as_deref(),
        Some(r#"{"text_defect":"not Unicode"}"#)
    );
}

#[test]
fn input_26_a_row_says_that_a_secret_was_taken_out() {
    let value = record(r#"{"url":"https://shop.example/","a":1}"#, "a").value;
    let value = String::from_utf8(value.unwrap().to_vec()).unwrap();
    let flagged = value.replacen(r#","received_at""#, r#","redacted":true,"received_at""#, 1);
    let record = Record {
        value: Some(Bytes::from(flagged)),
        ..record("{}", "a")
    };
    let row = transform(Partition(0), &record, &Enrichment::default()).unwrap();
    let properties = row.properties.unwrap();
    assert_eq!(properties, r#"{"a":1,"redacted":true}"#);
}

#[test]
fn a_row_has_what_was_captured_of_its_request_and_what_hints_say() {
    let request = r#""request":{"method":"POST","sec-ch-ua-platform":"Windows","sec-ch-ua-platform-version":"15.0.0"},"click""#;
    let check = |click: &str, os: Option<(&str, &str)>| {
        let value = record(click, "019aab11-0000-7000-8000-000000000001").value;
        let value = String::from_utf8(value.unwrap().to_vec()).unwrap();
        let value = value.replacen(r#""click""#, request, 1);
        let record = Record {
            value: Some(Bytes::from(value)),
            ..record("{}", "a")
        };
        let row = transform(Partition(0), &record, &Enrichment::default()).unwrap();
        let properties = row.properties.unwrap();
        let expect = r#"{"request":{"method":"POST","sec-ch-ua-platform":"Windows","sec-ch-ua-platform-version":"15.0.0"}}"#;
        let found = row.os.as_deref().zip(row.os_version.as_deref());
        assert_eq!((&*properties, found), (expect, os));
    };
    check("{}", Some(("Windows", "11")));
    check(r#"{"user_agent":"wget/1.21"}"#, None);
}

#[test]
fn input_09_numbers_are_never_rounded_in_silence() {
    defect(
        r#"{"quantity":9223372036854775808}"#,
        Reason::OutOfRange,
        "quantity",
    );
    defect(r#"{"quantity":1.5}"#, Reason::OutOfRange, "quantity");
    defect(r#"{"price":1e999}"#, Reason::OutOfRange, "number");
    check(r#"{"big":1e999,"exact":123456789012345678901}"#, |row| {
        assert_eq!(
            row.properties.as_deref(),
            Some(r#"{"big":1e999,"exact":123456789012345678901}"#)
        );
    });
}

#[test]
fn input_32_records_that_are_not_ours() {
    let mut foreign = record("{}", "a");
    let enrichment = Enrichment::default();
    let reason = |record: &Record| {
        transform(Partition(0), record, &enrichment)
            .unwrap_err()
            .reason
    };
    foreign.value = Some(Bytes::from_static(b"hello"));
    assert_eq!(reason(&foreign), Reason::NotAnEnvelope);
    foreign.value = None;
    assert_eq!(reason(&foreign), Reason::NoValue);
    let newer = String::from_utf8(record("{}", "a").value.unwrap().to_vec()).unwrap();
    foreign.value = Some(Bytes::from(newer.replacen(r#""v":1"#, r#""v":2"#, 1)));
    assert_eq!(reason(&foreign), Reason::UnknownVersion);
    defect("42", Reason::NotAnObject, "object");
}

#[test]
fn invariant_9_texts_are_borrowed_from_the_record() {
    check(
        r#"{"action":"buy","product_name":"Blue Mug","visitor_id":"v","city":"K\u00f6ln"}"#,
        |row| {
            for text in [
                Some(row.action),
                row.product_name,
                row.visitor_id,
                row.user_agent,
                row.ip,
            ] {
                assert!(matches!(text, Some(Cow::Borrowed(_))), "{text:?}");
            }
            assert_eq!(
                row.city.as_deref(),
                Some("Köln"),
                "an escape has to be written anew"
            );
        },
    );
}

/// As our edge writes it and as other programs may: what a record is does not depend on white
/// space.
#[test]
fn input_32_foreign_envelopes_that_begin_as_ours_do() {
    let check = |end: &str, expect: Result<&str, Reason>| {
        for space in ["", " "] {
            let value = format!(
                r#"{{{space}"v":1,"id":"a","received_at":1795000000000000,"format":"native","source":"s","click":{end}"#
            );
            let record = Record {
                offset: Offset(7),
                appended_at: Timestamp::from_micros(1_795_000_000_500_000),
                key: None,
                value: Some(Bytes::from(value.clone())),
                headers: Vec::new(),
            };
            let read = read(Partition(3), &record, &Enrichment::default());
            let is_known = !matches!(expect, Err(Reason::NotAnEnvelope));
            assert_eq!(read.event.is_some(), is_known, "{value}");
            let row = read.row.as_ref().map(|row| &*row.action);
            assert_eq!(row.map_err(|defect| defect.reason), expect, "{value}");
        }
    };
    check(r#"{"action":"view"}}"#, Ok("view"));
    check(r#"{"action":"view"},"more":{}}"#, Ok("view"));
    check(r#"{"action":"view"} }"#, Ok("view"));
    check(r#" {"action":"view"}}"#, Ok("view"));
    check(r#"{"action":"view""#, Err(Reason::NotAnEnvelope));
    check(r#"{"action":"vie}}"#, Err(Reason::NotAnEnvelope));
    check(r#"{"action":{}}}"#, Err(Reason::WrongType));
    check("nul}", Err(Reason::NotAnEnvelope));
    check("[1]}", Err(Reason::NotAnObject));
}

#[test]
fn fault_39_a_panic_is_the_dead_letter_of_the_click_that_caused_it() {
    let defect = isolated(|| panic!("planted")).unwrap_err();
    assert_eq!(defect.reason, Reason::Panic);
    assert_eq!(
        defect.letter(&record("{}", "a")).raw.as_deref(),
        record("{}", "a").value.as_deref(),
        "it is kept byte for byte"
    );
}

/// A click that is cut off, or in which one byte is another, at every place: a row or a defect,
/// and none of them a panic.
#[test]
fn fault_39_no_garbled_click_panics() {
    let whole = r#"{"action":"buy","quantity":2,"price":1.5e3,"url":"https://u:p@shop.example/a?utm_source=x%zz","occurred_at":"2026-11-01T00:00:00+01:00","user_agent":"Mozilla/5.0 (X11)","deep":{"list":[1,"\u00e9",null]}}"#;
    let whole = record(whole, "a").value.unwrap();
    let mut tried = 0;
    for at in 0..whole.len() {
        let garbled = [0, b'"', b'\\', b'{', b'9', 0xff].map(|byte| {
            let mut garbled = whole.to_vec();
            garbled[at] = byte;
            garbled
        });
        for value in garbled.into_iter().chain([whole[..at].to_vec()]) {
            let record = Record {
                value: Some(value.into()),
                ..record("{}", "a")
            };
            let read = read(Partition(3), &record, &Enrichment::default());
            let reason = read.row.err().map(|defect| defect.reason);
            assert_ne!(reason, Some(Reason::Panic), "{record:?}");
            tried += 1;
        }
    }
    assert!(tried > 1_000);
}

/// A record of an envelope with more fields, before and behind the user agent.
fn enveloped(format: &str, flags: &str, shared: &str, click: &str) -> Record {
    let value = format!(
        r#"{{"v":1,"id":"m-1"{flags},"received_at":1795000000000000,"format":"{format}","source":"http"{shared},"click":{click}}}"#
    );
    Record {
        value: Some(Bytes::from(value)),
        ..record("{}", "m-1")
    }
}

#[test]
fn each_item_of_an_event_is_a_row_of_its_own() {
    let click = r#"{"action":"buy","order_id":"o","price":99,"coupon":"c","items":[{"product_id":"a","price":1.5,"size":"L"},{"product_id":"b","quantity":2}]}"#;
    let check = |item: &str, expect: (Option<i64>, &str, Option<f64>, Option<i64>, &str)| {
        let record = enveloped("native", item, "", click);
        let row = transform(Partition(0), &record, &Enrichment::default()).unwrap();
        assert_eq!(row.event_id, "m-1", "{item}");
        assert_eq!(row.order_id.as_deref(), Some("o"), "{item}");
        let found = (
            row.item,
            row.product_id.as_deref().unwrap_or_default(),
            row.price,
            row.quantity,
            row.properties.as_deref().unwrap_or_default(),
        );
        assert_eq!(found, expect, "{item}");
    };
    check(
        r#","item":0"#,
        (
            Some(0),
            "a",
            Some(1.5),
            None,
            r#"{"coupon":"c","size":"L"}"#,
        ),
    );
    check(
        r#","item":1"#,
        (Some(1), "b", Some(99.0), Some(2), r#"{"coupon":"c"}"#),
    );
    let whole = r#"{"coupon":"c","items":[{"product_id":"a","price":1.5,"size":"L"},{"product_id":"b","quantity":2}]}"#;
    check("", (None, "", Some(99.0), None, whole));
}

#[test]
fn input_30_the_visitor_of_a_cookieless_click_is_the_edge_s() {
    let click = r#"{"visitor_id":"claimed","cookieless":true}"#;
    let record = enveloped("native", r#","visitor":"00ffa0""#, "", click);
    let row = transform(Partition(0), &record, &Enrichment::default()).unwrap();
    assert_eq!(row.visitor_id.as_deref(), Some("00ffa0"));
}

#[test]
fn input_09_a_number_is_the_double_that_is_nearest_to_its_digits() {
    for digits in [
        "985.6906946328695",
        "212.91890726713459",
        "479.60756426982596",
        "0.1",
        "1e-7",
    ] {
        let nearest: f64 = digits.parse().unwrap();
        check(&format!(r#"{{"price":{digits}}}"#), |row| {
            assert_eq!(row.price, Some(nearest), "{digits}");
        });
        check(&format!(r#"{{"price":"{digits}"}}"#), |row| {
            assert_eq!(row.price, Some(nearest), "{digits} as text");
        });
    }
}

#[test]
fn a_retried_and_a_sampled_click_say_so() {
    let flags = r#","retried":true,"sample_rate":0.25"#;
    let record = enveloped("native", flags, "", "{}");
    let row = transform(Partition(0), &record, &Enrichment::default()).unwrap();
    assert!(row.retried);
    assert_eq!(row.sample_rate, Some(0.25));
    // The column says it; anything but true is the client's own.
    check(r#"{"retry":true}"#, |row| assert_eq!(row.properties, None));
    check(r#"{"retry":"later"}"#, |row| {
        assert_eq!(row.properties.as_deref(), Some(r#"{"retry":"later"}"#));
    });
}

#[test]
fn an_event_of_segment_becomes_a_row() {
    let click = r#"{"type":"track","event":"Order Completed","messageId":"m-1","anonymousId":"an","userId":"u","timestamp":"2026-11-18T10:00:00.5Z","context":{"page":{"url":"https://shop.example/p?utm_source=x","referrer":"https://r.example/"}},"properties":{"order_id":"o","products":[{"product_id":"a","name":"Tea","price":"2.50","brand":"w"},{"sku":"b","quantity":3}]}}"#;
    let read = |item: &str| {
        let record = enveloped("segment", item, r#","shared":{"sentAt":"s"}"#, click);
        let row = transform(Partition(0), &record, &Enrichment::default()).unwrap();
        assert_eq!(row.action, "buy");
        assert_eq!(row.visitor_id.as_deref(), Some("an"));
        assert_eq!(row.user_id.as_deref(), Some("u"));
        assert_eq!(row.order_id.as_deref(), Some("o"));
        assert_eq!(row.path.as_deref(), Some("/p"));
        assert_eq!(row.utm_source.as_deref(), Some("x"));
        assert_eq!(row.referrer.as_deref(), Some("https://r.example/"));
        assert_eq!(
            row.occurred_at,
            Timestamp::parse_rfc3339("2026-11-18T10:00:00.5Z").unwrap()
        );
        let properties = row.properties.map(Cow::into_owned).unwrap();
        let product = row.product_id.map(Cow::into_owned);
        (product, row.price, row.quantity, properties)
    };
    let (product, price, quantity, properties) = read(r#","item":0"#);
    assert_eq!(
        (product.as_deref(), price, quantity),
        (Some("a"), Some(2.5), None)
    );
    assert!(!properties.contains("order_id"), "{properties}");
    assert!(properties.contains(r#""brand":"w""#), "{properties}");
    assert!(!properties.contains("products"), "{properties}");
    let (product, price, quantity, _) = read(r#","item":1"#);
    assert_eq!(
        (product.as_deref(), price, quantity),
        (Some("b"), None, Some(3))
    );
    let (product, .., properties) = read("");
    assert_eq!(product, None);
    assert!(properties.contains("products"), "{properties}");
}

#[test]
fn a_record_of_kinesis_becomes_a_row() {
    let read = |click: &str| {
        let shared = r#","shared":{"stream":"s"}"#;
        let record = enveloped("kinesis", "", shared, click);
        let row = transform(Partition(0), &record, &Enrichment::default()).unwrap();
        let action = row.action.into_owned();
        (action, row.properties.map(Cow::into_owned).unwrap())
    };
    let (action, properties) =
        read(r#"{"partition_key":"k","data":{"id":17,"action":"view","x":1.50}}"#);
    assert_eq!(action, "view");
    assert_eq!(
        properties,
        r#"{"x":1.50,"id":17,"partition_key":"k","stream":"s"}"#
    );
    let (action, properties) = read(r#"{"data":"a\tb"}"#);
    assert_eq!(action, "unknown");
    assert_eq!(properties, r#"{"data":"a\tb","stream":"s"}"#);
    let (_, properties) = read(r#"{"data_base64":"/w=="}"#);
    assert_eq!(properties, r#"{"data_base64":"/w==","stream":"s"}"#);
}
