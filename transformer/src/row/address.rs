//! A page's address, taken apart: its path, and what its query or fragment says of the campaign.
//!
//! The `url` crate decides what an address is. Most addresses are written as it would write
//! them; these are cut here without it, which is a tenth of a transform, and a test holds
//! that the two ways say the same.

use std::borrow::Cow;

use url::{Url, form_urlencoded};

use super::channel;
use super::properties::Properties;

/// The keys that have columns, in any case: `utm_source`, `utm_medium` and so on, in this order.
const UTM: [&str; 5] = [
    "utm_source",
    "utm_medium",
    "utm_campaign",
    "utm_term",
    "utm_content",
];

/// What an address says of the campaign.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Campaign<'r> {
    /// Its five texts, in the order of [`UTM`].
    pub(crate) texts: [Option<Cow<'r, str>>; 5],
    /// The first id of a click on another site, and the parameter that has it.
    pub(crate) click_id: Option<(&'static str, Cow<'r, str>)>,
}

/// A page's address: its text, and its parts if it can be taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Address<'r> {
    pub(crate) text: Option<Cow<'r, str>>,
    pub(crate) path: Option<Cow<'r, str>>,
    pub(crate) host: Option<Cow<'r, str>>,
    pub(crate) campaign: Campaign<'r>,
}

impl<'r> Address<'r> {
    /// User info is stripped; what does not parse as an address is kept raw, and flagged.
    pub(crate) fn of(text: Option<Cow<'r, str>>, properties: &mut Properties<'r>) -> Self {
        let Some(raw) = text else {
            return Self::default();
        };
        if let Cow::Borrowed(plain) = raw
            && let Some((host, path, query, fragment)) = parts(plain)
        {
            return Self {
                text: Some(raw),
                path: Some(Cow::Borrowed(path)),
                host: Some(Cow::Borrowed(host)),
                campaign: campaign(query, fragment),
            };
        }
        let Some(mut url) = parsed(&raw).filter(Url::has_host) else {
            properties.insert_text("url_defect", "not an address");
            return Self {
                text: Some(raw),
                ..Self::default()
            };
        };
        let has_user = !url.username().is_empty() || url.password().is_some();
        let stripped = has_user && url.set_username("").is_ok() && url.set_password(None).is_ok();
        let [query, fragment] = [url.query(), url.fragment()].map(Option::unwrap_or_default);
        Self {
            text: Some(if stripped {
                Cow::Owned(url.to_string())
            } else {
                raw
            }),
            path: Some(Cow::Owned(url.path().to_owned())),
            host: url
                .host_str()
                .filter(|host| *host != NO_HOST)
                .map(|host| Cow::Owned(host.to_owned())),
            campaign: campaign(query, fragment).owned(),
        }
    }
}

/// The host of an address that has none.
const NO_HOST: &str = "host.invalid";

impl Campaign<'_> {
    fn owned<'o>(self) -> Campaign<'o> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        Campaign {
            texts: self.texts.map(|text| text.map(owned)),
            click_id: self.click_id.map(|(kind, id)| (kind, owned(id))),
        }
    }
}

/// The address by the URL standard. One that begins with its path, as a server's log has it, gets a
/// host that nobody sees.
fn parsed(raw: &str) -> Option<Url> {
    match raw.starts_with('/') && !raw.starts_with("//") && !raw.starts_with("/\\") {
        true => {
            let base = Url::parse(&format!("http://{NO_HOST}")).ok()?;
            base.join(raw).ok()
        }
        false => Url::parse(raw).ok(),
    }
}

/// Host, path, query and fragment of an address that the URL standard leaves as it is written: a
/// lowercase host that is a name, no port, no dot segments, nothing to encode.
fn parts(text: &str) -> Option<(&str, &str, &str, &str)> {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))?;
    let (host, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let named = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.');
    let kept = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_~.!$&'()*+,;=:@".contains(&byte);
    // A last label that begins with a digit may be a part of an IPv4 address; `xn--` begins
    // one whose spelling has rules.
    let last = host.rsplit('.').next()?;
    let plain = last.starts_with(|first: char| first.is_ascii_lowercase())
        && host.bytes().all(named)
        && !host.contains("xn--")
        && path.bytes().all(kept)
        && !path.contains("/.")
        && query.bytes().all(|byte| byte.is_ascii_graphic())
        && fragment.bytes().all(|byte| byte.is_ascii_graphic());
    let path = if path.is_empty() { "/" } else { path };
    plain.then_some((host, path, query, fragment))
}

/// The first value of each key, of the query before the fragment; an empty one is none.
fn campaign<'u>(query: &'u str, fragment: &'u str) -> Campaign<'u> {
    let mut found = Campaign::default();
    // A page that routes by its fragment has a path in it, and then a query.
    let routed = fragment
        .rsplit_once('?')
        .map_or(fragment, |(_, query)| query);
    for part in [query, routed].into_iter().filter(|part| !part.is_empty()) {
        for (key, value) in form_urlencoded::parse(part.as_bytes()) {
            if let Some(place) = UTM.iter().position(|name| is_named(&key, name)) {
                found.texts[place].get_or_insert(value);
            } else if found.click_id.is_none()
                && !value.is_empty()
                && let Some(kind) = channel::click_ids().find(|kind| is_named(&key, kind))
            {
                found.click_id = Some((kind, value));
            }
        }
    }
    for text in &mut found.texts {
        *text = text.take().filter(|text| !text.is_empty());
    }
    found
}

/// Returns true if a key has this name, in any case, behind what is left of an ampersand that HTML
/// wrote as `&amp;` or `&#38;`.
fn is_named(key: &str, name: &str) -> bool {
    let Some(at) = key
        .len()
        .checked_sub(name.len())
        .filter(|at| key.is_char_boundary(*at))
    else {
        return false;
    };
    let (head, tail) = key.split_at(at);
    tail.eq_ignore_ascii_case(name)
        && head
            .split_terminator(';')
            .all(|left| matches!(left, "amp" | "38" | "038"))
        && (head.is_empty() || head.ends_with(';'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By the short way, if there is one, and by the `url` crate alone: the same.
    fn check(text: &str, path: Option<&str>, source: Option<&str>) {
        let mut properties = [Properties::default(), Properties::default()];
        let [short, long] = &mut properties;
        let short = Address::of(Some(Cow::Borrowed(text)), short);
        assert_eq!(short, Address::of(Some(Cow::Owned(text.to_owned())), long));
        assert_eq!(short.path.as_deref(), path, "{text}");
        assert_eq!(short.campaign.texts[0].as_deref(), source, "{text}");
        let [short, long] = properties.map(|properties| properties.json());
        assert_eq!(short, long, "{text}");
        assert_eq!(short.is_some(), path.is_none(), "{text}");
    }

    #[test]
    fn input_26_addresses_plain_and_odd() {
        check(
            "https://shop.example/a/b?utm_source=x&y=1#z",
            Some("/a/b"),
            Some("x"),
        );
        check(
            "https://shop.example?utm_source=a%20b+c",
            Some("/"),
            Some("a b c"),
        );
        check(
            "http://shop.example/?utm_source=&utm_source=x",
            Some("/"),
            None,
        );
        check(
            "https://shop.example/a?%75tm_source=x",
            Some("/a"),
            Some("x"),
        );
        check(
            "https://shop.example/a/../b?utm_source=<'\">",
            Some("/b"),
            Some("<'\">"),
        );
        check("https://shop.example/a/%2E%2e/b", Some("/b"), None);
        check("https://SHOP.example:8080/ä b\t", Some("/%C3%A4%20b"), None);
        check("https://shop.example\\a", Some("/a"), None);
        check("https://10.0.0.1/a", Some("/a"), None);
        check("https://1.2.3.4.5/a", None, None);
        check("https://xn--a/", None, None);
        check("https:///a", Some("/"), None);
        check("https://shop.example/#?utm_source=x", Some("/"), Some("x"));
        check("javascript:alert(1)", None, None);
        check("/a/b", Some("/a/b"), None);
        check("/a/../b c?utm_source=x", Some("/b%20c"), Some("x"));
        check("//shop.example/a", None, None);
        check("/\\shop.example/a", None, None);
        check("a/b", None, None);
        check("", None, None);
    }

    #[test]
    fn the_id_of_a_click_on_another_site_is_found_with_its_kind() {
        for (end, expect) in [
            ("?gclid=A-b_1&utm_source=x", Some(("gclid", "A-b_1"))),
            ("?a=1&amp;FBCLID=z%20y", Some(("fbclid", "z y"))),
            ("?gclid=&msclkid=m&gclid=g", Some(("msclkid", "m"))),
            ("#/a?li_fat_id=l", Some(("li_fat_id", "l"))),
            ("?clid=1&xgclid=2", None),
        ] {
            let text = format!("https://shop.example/a{end}");
            for text in [Cow::Borrowed(&*text), Cow::Owned(text.clone())] {
                let address = Address::of(Some(text), &mut Properties::default());
                let found = address.campaign.click_id;
                let found = found.as_ref().map(|(kind, id)| (*kind, &**id));
                assert_eq!(found, expect, "{end}");
                assert_eq!(address.host.as_deref(), Some("shop.example"));
            }
        }
        let path = Address::of(
            Some(Cow::Borrowed("/a?gclid=1")),
            &mut Properties::default(),
        );
        assert_eq!((path.host, path.campaign.click_id.is_some()), (None, true));
    }

    #[test]
    fn b76_a_campaign_is_read_however_its_key_came_through() {
        for end in [
            "?utm_source=x",
            "?a=1&amp;utm_source=x",
            "?a=1&amp;amp;utm_source=x",
            "?a=1&#38;utm_source=x",
            "?UTM_Source=x",
            "?Utm_SOURCE=x&utm_source=y",
            "#utm_source=x",
            "#a=1&utm_source=x",
            "#/products?utm_source=x",
            "?b=2#top?utm_source=x",
            "?utm_source=x#utm_source=y",
            "?%55tm_source=x",
        ] {
            check(
                &format!("https://shop.example/a{end}"),
                Some("/a"),
                Some("x"),
            );
        }
        for end in [
            "?autm_source=x",
            "?amputm_source=x",
            "?a;utm_source=x",
            "?utm_sources=x",
            "#utm_source",
            "?ütm_source=x",
        ] {
            check(&format!("https://shop.example/a{end}"), Some("/a"), None);
        }
    }

    #[test]
    fn input_11_no_character_parts_the_two_ways() {
        for byte in 0..=0x7f_u8 {
            let at = char::from(byte);
            for text in [
                format!("https://shop{at}.example/a"),
                format!("https://shop.example/a{at}b?utm_source=x"),
                format!("https://shop.example/{at}./b"),
                format!("https://shop.example/a?utm_source=x{at}y"),
                format!("https://shop.example{at}"),
                format!("{at}https://shop.example/a"),
                format!("https://shop.example/a#{at}"),
                format!("https://shop.example/a#utm_source={at}y"),
            ] {
                let address = |text| Address::of(Some(text), &mut Properties::default());
                assert_eq!(
                    address(Cow::Borrowed(&text)),
                    address(Cow::Owned(text.clone())),
                    "{text:?}"
                );
            }
        }
    }
}
