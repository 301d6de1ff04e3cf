//! What a mapping makes of clicks, and what of a file is refused.

use topic::Envelope;

use super::*;
use crate::row::field_key::FieldKey;
use crate::row::format;
use crate::row::format::tests::{PLAIN, check_click};

fn envelope<'r>(format: &'r str, source: &'r str, click: &'r str) -> Envelope<'r> {
    Envelope {
        format: format.into(),
        source: source.into(),
        click,
        ..PLAIN
    }
}

/// Checks the fields of a click after a mapping, each as `name=value`, and its properties.
fn check(mapping: &str, envelope: &Envelope<'_>, fields: &[&str], properties: &str) {
    let mapping = MappingFile::parse(mapping, "mapping.toml").unwrap();
    let mut click = format::parse(envelope).unwrap();
    mapping
        .apply(envelope, &mut click, FieldKey::of("key").as_ref())
        .unwrap();
    check_click(&mut click, envelope, fields, properties);
}

#[test]
fn a_field_comes_from_paths_a_constant_or_a_test_and_is_converted() {
    let mapping = r#"
        [[mapping]]
        format = "segment"
        [mapping.fields.product_id]
        from = ["properties.none", "properties.code"]
        match = "^sku-(.+)$"
        [mapping.fields.price]
        from = "properties.cents"
        divide = 100
        [mapping.fields.currency]
        constant = "EUR"
        [mapping.fields.action]
        from = "event"
        words = { "Tee gekauft" = "buy" }
        [mapping.fields.category]
        when = [{ path = "context.page.url", match = "/tea/", then = "tea" }]
        [mapping.fields.session_id]
        from = "properties.absent"
        [mapping.fields.occurred_at]
        from = "properties.at"
        unit = "seconds"
    "#;
    let click = r#"{"event":"Tee gekauft","userId":"u","context":{"page":{"url":"https://e.x/tea/1"}},"properties":{"code":"sku-7","cents":255,"at":1795383123,"colour":"red"}}"#;
    check(
        mapping,
        &envelope("segment", "web", click),
        &[
            "action=buy",
            "category=tea",
            "currency=EUR",
            "occurred_at=1795383123000.",
            "price=2.55",
            "product_id=7",
            "url=https://e.x/tea/1",
            "user_id=u",
        ],
        r#"{"context":{"page":{"url":"https://e.x/tea/1"}},"code":"sku-7","cents":255,"at":1795383123,"colour":"red","action":"Tee gekauft"}"#,
    );
}

#[test]
fn the_first_mapping_of_a_format_and_source_counts_and_others_are_left() {
    let mapping = r#"
        [[mapping]]
        source = "import:cloud*"
        [mapping.fields.action]
        constant = "first"
        [[mapping]]
        format = "kinesis"
        [mapping.fields.product_id]
        from = "data.sku"
        [mapping.fields.action]
        from = "data.evt"
        words = { sold = "buy" }
    "#;
    let action = |format, source, expect: &str| {
        check(mapping, &envelope(format, source, "{}"), &[expect], "");
    };
    action("import", "import:cloudfront.log", "action=first");
    action("kinesis", "import:cloud", "action=first");
    check(mapping, &envelope("native", "import:cl", "{}"), &[], "");
    let put = r#"{"data":{"sku":"a","evt":"sold","n":1},"stream":"s"}"#;
    check(
        mapping,
        &envelope("kinesis", "web", put),
        &["action=buy", "product_id=a"],
        r#"{"evt":"sold","n":1,"stream":"s"}"#,
    );
}

#[test]
fn items_have_paths_of_their_own_and_properties_are_kept_or_dropped() {
    let mapping = r#"
        [[mapping]]
        [mapping.fields.product_name]
        from = "item.title"
        [mapping.properties]
        drop = ["secret*"]
        [[mapping]]
        format = "native"
        [mapping.fields.action]
        constant = "never"
    "#;
    let click = r#"{"name":"purchase","params":{"secret_a":1,"b":2,"items":[{"item_id":"x"},{"item_id":"a","title":"Tea"}]}}"#;
    let second = Envelope {
        item: Some(1),
        ..envelope("ga4", "web", click)
    };
    check(
        mapping,
        &second,
        &["action=buy", "product_id=a", "product_name=Tea"],
        r#"{"name":"purchase","b":2}"#,
    );
    let keep = "[[mapping]]\n[mapping.properties]\nkeep = [\"a\", \"b*\"]\ndrop = [\"bc\"]\n";
    let click = r#"{"a":1,"b":2,"bc":3,"bd":4,"c":5}"#;
    let expect = r#"{"a":1,"b":2,"bd":4}"#;
    check(keep, &envelope("native", "web", click), &[], expect);
}

#[test]
fn a_hashed_property_is_its_hash_and_nothing_without_a_key() {
    let hash = "[[mapping]]\n[mapping.properties]\nhash = [\"a*\"]\n";
    let key = FieldKey::of("key").unwrap();
    let click = r#"{"a":"\u0041","ab":1.50,"ac":null,"b":"A"}"#;
    let expect = format!(
        r#"{{"a":"{}","ab":"{}","ac":null,"b":"A"}}"#,
        key.hash("A"),
        key.hash("1.50")
    );
    let envelope = envelope("native", "web", click);
    check(hash, &envelope, &[], &expect);
    let mapping = MappingFile::parse(hash, "m.toml").unwrap();
    assert!(mapping.hashes());
    let mut click = format::parse(&envelope).unwrap();
    mapping.apply(&envelope, &mut click, None).unwrap();
    assert_eq!(click.properties.json().unwrap(), r#"{"b":"A"}"#);
}

#[test]
fn what_a_column_cannot_hold_stays_a_property() {
    let mapping = r#"
        [[mapping]]
        [mapping.fields.price]
        from = ["dear", "cents"]
        divide = 100
        [mapping.fields.category]
        from = "list"
    "#;
    let click = r#"{"dear":"very","cents":"199","list":[1],"price":7}"#;
    check(
        mapping,
        &envelope("native", "web", click),
        &["price=1.99"],
        r#"{"dear":"very","cents":"199","list":[1],"price":7}"#,
    );
    let mapping = r#"
        [[mapping]]
        [mapping.fields.price]
        from = "price"
        match = "([0-9.,]+)"
        [mapping.fields.quantity]
        from = "grams"
        divide = 1000
        [mapping.fields.occurred_at]
        from = "at"
    "#;
    let click = r#"{"price":3,"grams":1500,"at":{}}"#;
    check(
        mapping,
        &envelope("native", "web", click),
        &["price=3"],
        r#"{"grams":1500,"at":{}}"#,
    );
}

#[test]
fn a_constant_is_for_what_is_missing_and_what_is_replaced_is_kept() {
    let mapping = r#"
        [[mapping]]
        [mapping.fields.currency]
        constant = "EUR"
        [mapping.fields.product_id]
        from = "properties.code"
        [mapping.fields.category]
        from = "item.name"
        [mapping.fields.action]
        from = "kind"
        words = { 1 = "view", true = "cancel" }
    "#;
    let click =
        r#"{"event":"e","kind":1,"properties":{"code":"C1","product_id":"P1","currency":"USD"}}"#;
    check(
        mapping,
        &envelope("segment", "web", click),
        &["action=view", "currency=USD", "product_id=C1"],
        r#"{"kind":1,"action":"e","product_id":"P1"}"#,
    );
    // What the event says of all its items stays, though an item has a value of that name.
    let click = r#"{"event":"e","kind":true,"properties":{"name":"Sale","products":[{"sku":"a","name":"Tea"}]}}"#;
    let item = Envelope {
        item: Some(0),
        ..envelope("segment", "web", click)
    };
    check(
        mapping,
        &item,
        &[
            "action=cancel",
            "category=Tea",
            "currency=EUR",
            "product_id=a",
            "product_name=Tea",
        ],
        r#"{"kind":true,"name":"Sale","action":"e"}"#,
    );
}

#[test]
fn what_the_body_says_holds_where_the_click_is_silent() {
    let mapping = "[[mapping]]\n[mapping.fields.category]\nfrom = \"tier\"\n";
    let click = r#"{"name":"a","tier":null}"#;
    let told = Envelope {
        shared: Some(r#"{"client_id":"c","tier":"gold"}"#),
        ..envelope("ga4", "web", click)
    };
    let fields = ["action=a", "category=gold", "visitor_id=c"];
    check(mapping, &told, &fields, r#"{"tier":null}"#);
}

#[test]
fn a_file_that_is_wrong_is_refused_with_its_line() {
    for (text, expect) in [
        (
            "[[mapping]]\nformat = \"nobody\"\n",
            "m.toml: line 1: no click has the format \"nobody\"",
        ),
        (
            "[[mapping]]\n[mapping.fields.id]\nconstant = \"1\"\n",
            "m.toml: line 2: id is no field: write one of occurred_at, action,",
        ),
        (
            "[[mapping]]\n[mapping.fields.colour]\nconstant = \"1\"\n",
            "colour is no field",
        ),
        (
            "[[mapping]]\n[mapping.fields.visitor_id]\nconstant = \"1\"\n",
            "visitor_id is no field",
        ),
        (
            "[[mapping]]\n[mapping.fields.price]\nconstant = \"free\"\n",
            "price cannot be \"free\"",
        ),
        (
            "[[mapping]]\n[mapping.fields.price]\n",
            "m.toml: line 2: price comes from nowhere",
        ),
        (
            "[[mapping]]\n[mapping.fields.url]\nfrom = \"a\"\ndivide = 2\n",
            "url is no number that could be divided",
        ),
        (
            "[[mapping]]\n[mapping.fields.price]\nfrom = \"a\"\ndivide = 0\n",
            "divide is a number other than 0",
        ),
        (
            "[[mapping]]\n[mapping.fields.price]\nfrom = \"a\"\nunit = \"seconds\"\n",
            "unit is for occurred_at",
        ),
        (
            "[[mapping]]\n[mapping.fields.price]\nfrom = \"a\"\nmatch = \"(\"\n",
            "match \"(\" is no regular expression",
        ),
        (
            "[[mapping]]\n[mapping.fields.price]\nform = \"a\"\n",
            "m.toml: line 3: unknown field `form`",
        ),
        ("[[mapping]\n", "m.toml: line 1: "),
    ] {
        let error = MappingFile::parse(text, "m.toml").unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
    }
    let one = MappingFile::parse("", "m.toml").unwrap();
    assert_ne!(
        one.version(),
        MappingFile::parse("\n", "m.toml").unwrap().version()
    );
}
