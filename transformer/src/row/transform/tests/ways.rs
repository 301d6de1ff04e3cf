//! By which way a visitor came, and which bot.

use super::*;
use crate::{EnrichConfig, EnrichmentParts, MappingFile};

#[test]
fn a_row_says_by_which_way_its_visitor_came() {
    let channel = |click: &str, expect: [Option<&str>; 4]| {
        check(click, |row| {
            let found = [
                &row.channel,
                &row.channel_source,
                &row.click_id_kind,
                &row.click_id,
            ];
            assert_eq!(found.map(Option::as_deref), expect, "{click}");
        });
    };
    channel(
        r#"{"url":"https://shop.example/?gclid=Ab1","referrer":"https://www.google.com/"}"#,
        [
            Some("paid_search"),
            Some("Google"),
            Some("gclid"),
            Some("Ab1"),
        ],
    );
    channel(
        r#"{"url":"https://shop.example/a","referrer":"https://www.shop.example/"}"#,
        [Some("internal"), None, None, None],
    );
    channel(
        r#"{"url":"https://shop.example/a","referrer":"https://chatgpt.com/"}"#,
        [Some("ai"), Some("ChatGPT"), None, None],
    );
    channel(
        r#"{"url":"https://shop.example/a","utm_source":"june","utm_medium":"e-mail"}"#,
        [Some("mail"), Some("june"), None, None],
    );
    channel(
        r#"{"url":"https://shop.example/a"}"#,
        [Some("direct"), None, None, None],
    );
    // A server's click has no page.
    channel(r#"{"action":"buy"}"#, [None; 4]);
    check("{}", |row| {
        let bot = [&row.bot, &row.bot_class].map(Option::as_deref);
        assert_eq!(bot, [Some("curl"), Some("tool")]);
    });
}

#[test]
fn the_quantity_of_a_cancel_is_negative_by_whatever_it_is_named() {
    let quantity = |mapping: &str, click: &str| {
        let mapping = MappingFile::parse(&format!("[[mapping]]\n{mapping}"), "m.toml").unwrap();
        let parts = EnrichmentParts {
            mapping: Some(mapping),
            places: None,
        };
        let enrichment = Enrichment::new(EnrichConfig::default(), parts);
        let record = enveloped("segment", "", "", click);
        let row = transform(Partition(0), &record, &enrichment).unwrap();
        (row.action.into_owned(), row.quantity)
    };
    let is = |action: &str, quantity| (action.to_owned(), quantity);
    let refund = r#"{"event":"Order Refunded","properties":{"qty":2,"price":5}}"#;
    let by_path = "[mapping.fields.quantity]\nfrom = \"properties.qty\"\n";
    assert_eq!(quantity(by_path, refund), is("cancel", Some(-2)));
    assert_eq!(quantity("", refund), is("cancel", Some(-1)));
    let other = "[mapping.fields.action]\nconstant = \"a\"\nwhen = [{ path = \"event\", match = \"Refund\", then = \"return\" }]\n";
    assert_eq!(quantity(other, refund), is("return", None));
    let storno = r#"{"event":"Storno","properties":{"quantity":3}}"#;
    let words = "[mapping.fields.action]\nfrom = \"event\"\nwords = { Storno = \"cancel\" }\n";
    assert_eq!(quantity(words, storno), is("cancel", Some(-3)));
}
