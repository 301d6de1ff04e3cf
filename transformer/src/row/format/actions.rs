//! What other trackers call the actions of a shop, and the lake's words for them: a question for `buy`
//! gets the orders of every client.

use std::borrow::Cow;

/// The words of the lake, and what other trackers call them: in lower case, with an underscore between two
/// words. Segment's are those of its e-commerce specification, Google's those of its recommended events.
pub(super) const WORDS: [(&str, &[&str]); 9] = [
    (
        "page",
        &["page", "page_view", "pageview", "screen", "screen_view"],
    ),
    ("view", &["view", "view_item", "product_viewed"]),
    (
        "add_to_cart",
        &["add_to_cart", "product_added", "add_to_basket"],
    ),
    ("begin_checkout", &["begin_checkout", "checkout_started"]),
    ("buy", &["buy", "purchase", "order_completed"]),
    (
        "cancel",
        &["cancel", "refund", "order_refunded", "order_cancelled"],
    ),
    (
        "search",
        &["search", "products_searched", "view_search_results"],
    ),
    ("sign_up", &["sign_up", "signed_up"]),
    ("log_in", &["log_in", "login", "signed_in"]),
];

/// The word of an order that is taken back.
pub(super) const CANCEL: &str = "cancel";

/// The lake's word for an action of a client. `own` are words of its format alone, as it writes them. A name
/// with dots is also looked up by its last part. `None` if there is no such word.
pub(super) fn word(action: &str, own: &[(&'static str, &'static str)]) -> Option<&'static str> {
    if let Some((_, word)) = own.iter().find(|(known, _)| *known == action) {
        return Some(word);
    }
    let spelled = spelled(action);
    let known = |text: &str| {
        let found = WORDS.iter().find(|(_, called)| called.contains(&text));
        found.map(|(word, _)| *word)
    };
    let last = || action.rsplit_once('.').map(|(_, last)| last);
    known(&spelled).or_else(|| known(&self::spelled(last()?)))
}

/// An action in the spelling of [`WORDS`]: without the dollar of a tracker's own events.
fn spelled(action: &str) -> Cow<'_, str> {
    let action = action.trim().trim_start_matches('$');
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    if action.bytes().all(plain) {
        return Cow::Borrowed(action);
    }
    let letters = action.chars().map(|letter| match letter {
        ' ' | '-' | '.' => '_',
        letter => letter.to_ascii_lowercase(),
    });
    Cow::Owned(letters.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_of_other_trackers_get_the_words_of_the_lake() {
        for (action, expect) in [
            ("Order Completed", Some("buy")),
            ("order completed", Some("buy")),
            ("order.completed", Some("buy")),
            ("com.example.shop.buy", Some("buy")),
            ("com.example.Product-Viewed", Some("view")),
            ("$pageview", Some("page")),
            ("$screen", Some("page")),
            ("purchase", Some("buy")),
            (" Refund ", Some("cancel")),
            ("Signed Up", Some("sign_up")),
            ("view_search_results", Some("search")),
            ("pv", Some("page")),
            ("PV", None),
            ("Checkout Step Viewed", None),
            ("repurchase", None),
            ("buy now", None),
            ("päge", None),
            ("", None),
            ("$", None),
            (".", None),
        ] {
            assert_eq!(word(action, &[("pv", "page")]), expect, "{action:?}");
        }
        for (place, (lake, called)) in WORDS.iter().enumerate() {
            assert_eq!(word(lake, &[]), Some(*lake));
            for text in *called {
                assert_eq!(spelled(text), *text, "it is found as it is spelled");
                let others = WORDS.iter().enumerate().filter(|(at, _)| *at != place);
                assert!(!others.into_iter().any(|(_, (_, of))| of.contains(text)));
            }
        }
    }
}
