//! By which way a visitor came, and which bot.

use super::*;

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
