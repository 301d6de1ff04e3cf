use super::*;

fn mapped(map: &str, cells: &[(&str, &str)]) -> String {
    let cells = cells
        .iter()
        .map(|(name, text)| (*name, Cow::Borrowed(*text), None))
        .collect();
    ColumnMap::parse(map)
        .unwrap()
        .click(&SourceRow { cells })
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
        map.check(&["b".into()])
            .unwrap_err()
            .to_string()
            .contains("\"a\"")
    );
}
