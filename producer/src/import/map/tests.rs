use std::borrow::Cow;

use super::*;

fn mapped(map: &str, cells: &[(&str, &str)]) -> String {
    let cells = cells
        .iter()
        .map(|(name, text)| (*name, Cow::Borrowed(*text), None))
        .collect();
    ColumnMap::parse(map)
        .unwrap()
        .click(&SourceRow::new(cells))
        .json
}

#[test]
fn the_retail_mapping() {
    let map = include_str!("../../../maps/online_retail.toml");
    let row = |invoice, customer, quantity, price| {
        [
            ("InvoiceNo", invoice),
            ("StockCode", "85123A"),
            ("Description", "A, \"B\""),
            ("Quantity", quantity),
            ("InvoiceDate", "2010-12-01 08:26:00"),
            ("UnitPrice", price),
            ("CustomerID", customer),
            ("Country", "United Kingdom"),
        ]
    };
    assert_eq!(
        mapped(map, &row("536365", "17850.0", "6", "2.55")),
        r#"{"action":"buy","country":"United Kingdom","currency":"GBP","occurred_at":"2010-12-01T08:26:00Z","order_id":"536365","price":2.55,"product_id":"85123A","product_name":"A, \"B\"","quantity":6,"user_id":"17850","visitor_id":"17850"}"#
    );
    let cancel = mapped(map, &row("C536365", "", "-6", "-11062.06"));
    assert!(cancel.contains(r#""action":"cancel""#) && cancel.contains(r#""quantity":-6"#));
    assert!(!cancel.contains("visitor_id") && cancel.contains(r#""price":-11062.06"#));
}

#[test]
fn the_bandit_mapping() {
    let map = include_str!("../../../maps/open_bandit.toml");
    let row = |click| {
        [
            ("column_1", "0"),
            ("timestamp", "2019-11-24 00:00:34.762830+00:00"),
            ("item_id", "14"),
            ("position", "3"),
            ("click", click),
        ]
    };
    assert_eq!(
        mapped(map, &row("0")),
        r#"{"action":"impression","occurred_at":"2019-11-24T00:00:34.762830Z","product_id":"14","properties":{"column_1":"0","position":"3"}}"#
    );
    assert!(mapped(map, &row("1")).contains(r#""action":"click""#));
}

#[test]
fn rules_of_every_kind() {
    let check = |rule: &str, text: &str, expect: &str| {
        let map = format!("unmapped = \"drop\"\n[columns.x]\nfrom = \"c\"\n{rule}");
        assert_eq!(
            mapped(&map, &[("c", text), ("d", "e")]),
            expect,
            "{rule} {text}"
        );
    };
    check("", "a", r#"{"x":"a"}"#);
    check("", " ", "{}");
    check("constant = \"k\"", "", r#"{"x":"k"}"#);
    check("type = \"number\"", "1.50", r#"{"x":1.50}"#);
    check("type = \"number\"", "1,50", r#"{"x":"1,50"}"#);
    check("type = \"number\"", "nan", r#"{"x":"nan"}"#);
    check("type = \"integer\"", "7.0", r#"{"x":7}"#);
    let time = "type = \"time\"\nformat = \"%d.%m.%Y %H:%M\"\nzone = \"+09:00\"";
    check(time, "24.11.2019 09:30", r#"{"x":"2019-11-24T00:30:00Z"}"#);
    check(time, "yesterday", r#"{"x":"yesterday"}"#);
    let joined = "[columns.x]\nfrom = [\"a\", \"b\"]";
    assert_eq!(mapped(joined, &[("a", "1"), ("b", "2")]), r#"{"x":"1 2"}"#);
}

#[test]
fn a_mapping_that_cannot_be_used_says_why() {
    let check = |map: &str, expect: &str| {
        let complaint = ColumnMap::parse(map).unwrap_err().to_string();
        assert!(complaint.contains(expect), "{complaint}");
    };
    check("[columns.x]\n", "needs `from` or `constant`");
    check("[columns.id]\nfrom = \"a\"", "cannot be mapped");
    check(
        "[columns.x]\nfrom = \"a\"\ntype = \"time\"",
        "needs a `format`",
    );
    check("[columns.x]\nfrom = \"a\"\nzone = \"Mars\"", "neither UTC");
    check("[columns.x]\nfrm = \"a\"", "unknown field");
    check(
        "[columns.x]\nconstant = \"a\"\nwhen = [{column = \"b\", then = \"c\"}]",
        "`equals`",
    );
    let map = ColumnMap::parse("[columns.x]\nfrom = \"a\"").unwrap();
    assert!(
        map.check("the file", &["b".into()])
            .unwrap_err()
            .to_string()
            .contains("\"a\"")
    );
}

#[test]
fn attack_17_a_mapping_is_held_against_what_a_click_has_and_what_its_keys_mean() {
    let fields = ["id", "price", "action"];
    let map = |field: &str| ColumnMap::parse(&format!("[{field}]\nfrom = \"a\"")).unwrap();
    let refused = map("columns.nosuch").check_fields(&fields).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the mapping names the field \"nosuch\", which a click does not have; to keep it as a \
         property, write [properties.\"nosuch\"]; the fields are price, action"
    );
    assert_eq!(map("columns.price").check_fields(&fields), Ok(()));
    let check = |keys: &str, expect: &str| {
        let map = format!("[columns.price]\nfrom = \"a\"\n{keys}");
        let refused = ColumnMap::parse(&map).unwrap_err().to_string();
        assert!(refused.contains(expect), "{refused}");
    };
    check("type = \"time\"\nformat = \"%Q%Q\"", "not one of chrono's");
    check("type = \"time\"\nformat = \"%H:%M\"", "no whole date");
    check("format = \"%Y-%m-%d\"", "needs type = \"time\"");
    check("zone = \"Europe/Berlin\"", "needs type = \"time\"");
    check("decimal = \",\"", "needs type = \"number\"");
    check("currency = \"$\"", "needs type = \"number\"");
    check("type = \"number\"\ndecimal = \";\"", "unknown variant");
    check(
        "type = \"number\"\nconstant = \"many\"",
        "has the text \"many\"",
    );
    let whole = |map: &str| ColumnMap::parse(map).unwrap_err().to_string();
    assert!(whole("delimiter = \"é\"\n[columns]").contains("one ASCII sign"));
    assert!(whole("encoding = \"klingon\"\n[columns]").contains("unknown"));
}

#[test]
fn numbers_and_times_by_the_mapping_s_keys() {
    let check = |rule: &str, text: &str, expect: &str| {
        let map = format!("decimal = \",\"\n[columns.x]\nfrom = \"c\"\n{rule}");
        assert_eq!(mapped(&map, &[("c", text)]), expect, "{rule} {text}");
    };
    check("type = \"number\"", "12,50", r#"{"x":12.50}"#);
    check("type = \"number\"", "1.234,56", r#"{"x":1234.56}"#);
    check(
        "type = \"number\"\ndecimal = \".\"",
        "1,234.56",
        r#"{"x":1234.56}"#,
    );
    check(
        "type = \"number\"\ncurrency = [\"€\", \"EUR\"]",
        "9,99 €",
        r#"{"x":9.99}"#,
    );
    check("type = \"integer\"", "08", r#"{"x":8}"#);
    check("type = \"text\"", "08", r#"{"x":"08"}"#);
    let berlin = "type = \"time\"\nformat = \"%d.%m.%Y %H:%M\"\nzone = \"Europe/Berlin\"";
    check(
        berlin,
        "15.07.2026 12:00",
        r#"{"x":"2026-07-15T10:00:00Z"}"#,
    );
    let joined = "[columns.x]\nfrom = [\"a\", \"b\"]\nstrip_suffix = \".0\"";
    assert_eq!(
        mapped(joined, &[("a", "1"), ("b", "2.0")]),
        r#"{"x":"1 2"}"#
    );
}

#[test]
fn properties_have_rules_too() {
    let map = "[columns.x]\nfrom = \"a\"\n[properties.size]\nfrom = \"b\"\ntype = \"number\"";
    let cells = [("a", "1"), ("b", "+2"), ("c", "3"), ("size", "4")];
    assert_eq!(
        mapped(map, &cells),
        r#"{"x":"1","properties":{"size":2,"c":"3"}}"#
    );
}

#[test]
fn comments_and_order_make_no_other_mapping() {
    let digest = |map: &str| ColumnMap::parse(map).unwrap().digest();
    let map = digest("unmapped = \"drop\"\n[columns.x]\nfrom = \"a\"\nconstant = \"b\"");
    let same = "# the same\nunmapped = 'drop'\ncolumns.x = { constant = \"b\", from = \"a\" }";
    assert_eq!(map, digest(same));
    assert_ne!(map, digest("[columns.x]\nfrom = \"a\"\nconstant = \"b\""));
}
