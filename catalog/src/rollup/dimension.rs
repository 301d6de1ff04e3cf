//! What clicks are grouped and filtered by: a closed list, so that no user's text gets into SQL.

use serde::{Deserialize, Serialize};

use crate::sql::joined;

/// How many letters of a value count. A click may hold a text of any length, and a thousand such
/// clicks must not fill the rollups and every page.
const MAX_KEY_CHARS: usize = 200;
/// What takes the place of the last letter of a value that is cut.
const CUT_MARK: char = '…';

/// A property of a click that panels group and filter by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dimension {
    /// `action`.
    Action,
    /// `product_id`.
    Product,
    /// `category`.
    Category,
    /// `country`.
    Country,
    /// `utm_campaign`.
    Campaign,
    /// The host of `referrer`, unless it is the page's own.
    Referrer,
    /// `device`.
    Device,
    /// `path`.
    Page,
}

impl Dimension {
    /// All dimensions, in the order of the page.
    pub const ALL: [Self; 8] = [
        Self::Action,
        Self::Product,
        Self::Category,
        Self::Country,
        Self::Campaign,
        Self::Referrer,
        Self::Device,
        Self::Page,
    ];

    /// Its name in a URL, and as a column of the panels' SQL.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Action => "action",
            Self::Product => "product",
            Self::Category => "category",
            Self::Country => "country",
            Self::Campaign => "campaign",
            Self::Referrer => "referrer",
            Self::Device => "device",
            Self::Page => "page",
        }
    }

    /// The dimension of that name. `None` if there is no such dimension.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }

    /// SQL of its value for a row of `clicks`, however long that is.
    fn sql(self) -> String {
        match self {
            Self::Product => "product_id".to_owned(),
            Self::Campaign => "utm_campaign".to_owned(),
            Self::Page => "path".to_owned(),
            Self::Referrer => format!(
                "nullif(nullif({}, ''), coalesce({}, ''))",
                host("referrer"),
                host("CASE WHEN referrer != '' THEN url END")
            ),
            Self::Action | Self::Category | Self::Country | Self::Device => self.name().to_owned(),
        }
    }
}

/// SQL of `rows` with a column for each dimension, cut as [`short_value`] cuts it, and the columns that
/// are counted.
pub(crate) fn with_dimensions(rows: &str) -> String {
    let whole = Dimension::ALL.map(|one| format!("{} AS {}", one.sql(), one.name()));
    let names = Dimension::ALL.map(Dimension::name).into_iter();
    let keys = names.chain(["product_name"]).map(cut);
    // In two steps, so that a referrer's host is computed once.
    let others = "occurred_at, visitor_id, order_id, quantity, price, \"partition\", \"offset\"";
    format!(
        "(SELECT {others}, {} FROM (SELECT {others}, {}, product_name FROM {rows}))",
        joined(keys, ", "),
        whole.join(", ")
    )
}

/// A value as panels group and filter by it: one of more than 200 letters is its first 199 and an
/// ellipsis.
#[must_use]
pub fn short_value(value: &str) -> String {
    match value.char_indices().nth(MAX_KEY_CHARS) {
        None => value.to_owned(),
        Some(_) => value
            .chars()
            .take(MAX_KEY_CHARS - 1)
            .chain([CUT_MARK])
            .collect(),
    }
}

/// SQL of what [`short_value`] makes of a column. Most values are so short that nothing is counted.
fn cut(column: &str) -> String {
    format!(
        "CASE WHEN strlen({column}) > {MAX_KEY_CHARS} AND length({column}) > {MAX_KEY_CHARS}
            THEN substring({column}, 1, {}) || '{CUT_MARK}' ELSE {column} END AS {column}",
        MAX_KEY_CHARS - 1
    )
}

/// SQL of a URL's host in lowercase; empty if the text is not a URL. Two simple patterns take a
/// fifth of the time of one with a look-behind.
fn host(url: &str) -> String {
    let authority = format!("regexp_extract({url}, '^[A-Za-z][A-Za-z0-9+.-]*://([^/?#]*)', 1)");
    format!("lower(regexp_extract(split_part({authority}, '@', -1), '^(\\[[^\\]]*\\]|[^:]+)', 1))")
}

#[cfg(test)]
mod tests {
    use duckdb::Connection;

    use super::*;

    #[test]
    fn a_name_leads_back() {
        for one in Dimension::ALL {
            assert_eq!(Dimension::named(one.name()), Some(one));
        }
        assert_eq!(Dimension::named("visitor_id"), None);
    }

    #[test]
    fn attack_7_a_long_value_is_cut_alike_in_sql_and_here() {
        let database = Connection::open_in_memory().unwrap();
        let check = |value: &str, expect: &str| {
            let sql = format!("SELECT {} FROM (SELECT ? AS action)", cut("action"));
            let found: String = database.query_row(&sql, [value], |row| row.get(0)).unwrap();
            assert_eq!((&*found, &*short_value(value)), (expect, expect));
        };
        check("view", "view");
        check("", "");
        let whole = "é".repeat(200);
        check(&whole, &whole);
        check(&"é".repeat(201), &format!("{}…", "é".repeat(199)));
        check(&"<".repeat(60_000), &format!("{}…", "<".repeat(199)));
        // An accent of its own is a letter of its own.
        let accents = "e\u{301}".repeat(100);
        check(&accents, &accents);
        check(
            &format!("{accents}!"),
            &format!("{}e…", "e\u{301}".repeat(99)),
        );
        // What was cut stays as it is.
        check(
            &short_value(&"x".repeat(500)),
            &short_value(&"x".repeat(500)),
        );
    }

    #[test]
    fn a_referrer_is_a_host_and_never_the_page_s_own() {
        let database = Connection::open_in_memory().unwrap();
        let check = |referrer: Option<&str>, url: Option<&str>, expect: Option<&str>| {
            let sql = format!(
                "SELECT {} FROM (SELECT ? AS referrer, ? AS url)",
                Dimension::Referrer.sql()
            );
            let found: Option<String> = database
                .query_row(&sql, duckdb::params![referrer, url], |row| row.get(0))
                .unwrap();
            assert_eq!(found.as_deref(), expect, "{referrer:?} {url:?}");
        };
        let shop = Some("https://Shop.example:8443/product/tea?a=1");
        check(None, shop, None);
        check(Some(""), shop, None);
        check(Some("about:blank"), shop, None);
        check(Some("https://shop.example/"), shop, None);
        check(Some("https://shop.example/"), None, Some("shop.example"));
        check(Some("https://News.example/a?b"), shop, Some("news.example"));
        check(
            Some("http://me:secret@a.example:80/"),
            shop,
            Some("a.example"),
        );
        check(
            Some("http://[2001:db8::1]:80/x"),
            shop,
            Some("[2001:db8::1]"),
        );
        check(Some("android-app://com.mail/"), shop, Some("com.mail"));
        check(Some("javascript:alert(1)"), shop, None);
    }
}
