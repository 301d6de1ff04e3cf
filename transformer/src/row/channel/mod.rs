//! The channel of a visit and its source, from the page's campaign, the kind of its click id and
//! the referrer, by a list of hosts that is compiled in. The list's version is part of what
//! decides a row. A shortener counts as the network that runs it; links are not followed.

use std::borrow::Cow;
use std::net::Ipv6Addr;
use std::sync::LazyLock;

use hashbrown::HashMap;

/// The first line says the version; each other line is a host, its channel and its name, parted by
/// tabs. `google.*` matches `google.de` and `google.co.uk`. A word without a dot is another name,
/// which only `utm_source` is compared with.
const LIST: &str = include_str!("../../../channels/hosts.txt");
/// The channels that a `utm_medium` decides, in lower case and without hyphens.
const MEDIA: [(&str, &[&str]); 8] = [
    ("display", &["display", "banner", "cpm"]),
    ("mail", &["email", "mail", "newsletter"]),
    ("affiliate", &["affiliate", "affiliates"]),
    ("sms", &["sms"]),
    ("push", &["push", "pushnotification"]),
    ("search", &["organic"]),
    ("social", &["social", "socialnetwork", "socialmedia", "sm"]),
    ("referral", &["referral"]),
];
/// Those of them that a site of the list says better: an organic post is on a social network.
const VAGUE: [&str; 2] = ["search", "referral"];
/// The sites that give click ids, by their names in the list, and the kinds.
const CLICKS: [(&str, &[&str]); 10] = [
    ("google", &["gclid", "gbraid", "wbraid"]),
    ("google display", &["dclid"]),
    ("facebook", &["fbclid"]),
    ("bing", &["msclkid"]),
    ("tiktok", &["ttclid"]),
    ("x", &["twclid"]),
    ("linkedin", &["li_fat_id"]),
    ("pinterest", &["epik"]),
    ("snapchat", &["sccid"]),
    ("yandex", &["yclid"]),
];
/// The scheme of an Android app; its package is in the place of the host.
const APP: &str = "android-app:";
/// The longest host name in bytes, by RFC 1035.
const LONGEST_HOST: usize = 253;

/// The parameters that are click ids.
pub(crate) fn click_ids() -> impl Iterator<Item = &'static str> {
    CLICKS.iter().flat_map(|(_, kinds)| kinds.iter().copied())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ListedSite {
    channel: &'static str,
    name: &'static str,
}

/// The sites by host; `google.*` has the key `google.`.
static HOSTS: LazyLock<HashMap<&str, ListedSite>> = LazyLock::new(|| {
    let hosts = lines().filter(|(host, _)| host.contains('.'));
    hosts
        .map(|(host, site)| (host.trim_end_matches('*'), site))
        .collect()
});
/// The sites by name in lower case, and by the words without a dot.
static NAMES: LazyLock<HashMap<String, ListedSite>> = LazyLock::new(|| {
    let words = lines().filter(|(host, _)| !host.contains('.'));
    let words = words.map(|(word, site)| (word.to_owned(), site));
    let names = lines().map(|(_, site)| (site.name.to_lowercase(), site));
    words.chain(names).collect()
});

fn lines() -> impl Iterator<Item = (&'static str, ListedSite)> {
    LIST.lines().skip(1).filter_map(|line| {
        let (host, rest) = line.split_once('\t')?;
        let (channel, name) = rest.split_once('\t')?;
        Some((host, ListedSite { channel, name }))
    })
}

/// The list's version, as `1`.
pub(crate) fn version() -> &'static str {
    let word = LIST.lines().next().and_then(|line| line.split(' ').nth(3));
    word.map_or("", |version| version.trim_end_matches(':'))
}

/// What decides the channel: the page's host without a port, the other hosts of the same owner
/// (their subdomains count too), the referrer as the browser sent it, and the page's campaign.
/// Case does not matter, and an empty text counts as absent.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Visit<'v> {
    pub(crate) own_host: Option<&'v str>,
    pub(crate) own_hosts: &'v [String],
    pub(crate) referrer: Option<&'v str>,
    pub(crate) utm_source: Option<&'v str>,
    pub(crate) utm_medium: Option<&'v str>,
    /// The click id's parameter, as `gclid`; an unknown one counts as absent.
    pub(crate) click_id: Option<&'v str>,
}

/// The channel, and the source: a name of the list, or `utm_source` as written, or the referrer's
/// host. The source is `None` if the channel is `direct` or `internal`, or if nothing names it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct VisitSource<'v> {
    /// `direct`, `internal`, `paid_search`, `paid_social`, `paid_other`, `display`, `affiliate`,
    /// `mail`, `sms`, `push`, `search`, `social`, `ai`, `video`, `shopping` or `referral`.
    pub(crate) channel: &'static str,
    pub(crate) source: Option<Cow<'v, str>>,
}

impl<'v> VisitSource<'v> {
    /// The first rule that applies decides, in this order: a paid medium or the click id of an ad,
    /// another medium, a `utm_source` of the list, Facebook's click id, another `utm_source`, the
    /// referrer. A referrer of the same owner makes the visit `internal` if no campaign is given;
    /// otherwise it is ignored.
    pub(crate) fn of(visit: &Visit<'v>) -> Self {
        let (utm_source, medium) = (filled(visit.utm_source), filled(visit.utm_medium));
        let click = filled(visit.click_id).and_then(click);
        let referrer = visit.referrer.and_then(referrer_host);
        let (own, other): (Option<_>, Option<_>) = match referrer {
            Some(host) if visit.owns(&host) => (Some(host), None),
            other => (None, other),
        };
        if own.is_some() && utm_source.is_none() && medium.is_none() && click.is_none() {
            return Self::without_source("internal");
        }
        let named = utm_source.and_then(by_name);
        let is_app = visit.referrer.is_some_and(is_app);
        let known = |host| {
            if is_app {
                HOSTS.get(host).copied()
            } else {
                by_host(host)
            }
        };
        let referred = other.as_deref().and_then(known);
        // The source or the referrer may be more precise than the click id: DuckDuckGo shows the
        // ads of Microsoft, and Instagram adds the click id of Facebook.
        let clicked = click.map(|(site, _)| {
            let mut closer = [named, referred].into_iter().flatten();
            closer.find(|at| at.channel == site.channel).unwrap_or(site)
        });
        let is_paid = medium.is_some_and(is_paid);
        let is_ad = is_paid || click.is_some_and(|(_, is_ad)| is_ad);
        let (channel, site) = match (medium.and_then(by_medium), clicked) {
            (Some("display"), at) => ("display", at.filter(|_| utm_source.is_none())),
            (_, Some(site)) if is_ad => (paid(site.channel), Some(site)),
            _ if is_paid => (paid_by(medium, named.or(referred)), None),
            (Some(channel), _) if !VAGUE.contains(&channel) => (channel, None),
            (medium, clicked) => match (named, medium, clicked, referred) {
                (Some(site), ..) => (site.channel, Some(site)),
                (_, Some(channel), ..) => (channel, None),
                // Only `fbclid` is left here. People copy a link with it into a mail, and searches
                // find it: then the referrer decides.
                (_, _, Some(site), at) if at.is_none_or(|at| at.channel == site.channel) => {
                    (site.channel, Some(site))
                }
                _ if utm_source.is_some() => ("referral", None),
                (_, _, _, Some(site)) => (site.channel, Some(site)),
                _ if other.is_some() => ("referral", None),
                _ if own.is_some() => return Self::without_source("internal"),
                _ => return Self::without_source("direct"),
            },
        };
        let site = site.or(named);
        let site = site.or_else(|| referred.filter(|_| utm_source.is_none()));
        let source = site.map(|site| Cow::Borrowed(site.name));
        let source = source.or(utm_source.map(Cow::Borrowed)).or(other);
        Self { channel, source }
    }

    fn without_source(channel: &'static str) -> Self {
        let source = None;
        Self { channel, source }
    }
}

impl Visit<'_> {
    fn owns(&self, host: &str) -> bool {
        let is_same = |own: &str| without_www(own).eq_ignore_ascii_case(host);
        let is_within = |own: &str| {
            let at = host.len().checked_sub(own.len());
            let parts = at.and_then(|at| host.split_at_checked(at));
            parts.is_some_and(|(head, tail)| head.ends_with('.') && tail.eq_ignore_ascii_case(own))
        };
        self.own_host.is_some_and(is_same)
            || (self.own_hosts.iter()).any(|own| is_same(own) || is_within(own))
    }
}

fn filled(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}

/// The site that adds this kind of click id, and true if it adds it to ads only. Facebook adds
/// `fbclid` to every link, so without a paid medium it means a visit from a social network.
fn click(kind: &str) -> Option<(ListedSite, bool)> {
    let is_kind = |known: &&str| known.eq_ignore_ascii_case(kind);
    let (name, _) = (CLICKS.iter()).find(|(_, kinds)| kinds.iter().any(is_kind))?;
    Some((*NAMES.get(*name)?, !is_kind(&"fbclid")))
}

/// The text in lower case without hyphens and the like: `E-Mail` is `email`, `social_network` is
/// `socialnetwork`.
fn letters(text: &str) -> impl Iterator<Item = u8> {
    let letters = text.bytes().filter(|byte| !b"-_ ".contains(byte));
    letters.map(|byte| byte.to_ascii_lowercase())
}

fn begins_with(medium: &str, word: &str) -> bool {
    letters(medium).take(word.len()).eq(word.bytes())
}

fn is_one_of(medium: &str, words: &[&str]) -> bool {
    words.iter().any(|word| letters(medium).eq(word.bytes()))
}

fn by_medium(medium: &str) -> Option<&'static str> {
    let known = MEDIA.iter().find(|(_, words)| is_one_of(medium, words));
    known.map(|(channel, _)| *channel)
}

fn is_paid(medium: &str) -> bool {
    begins_with(medium, "paid") || is_one_of(medium, &["cpc", "ppc"])
}

fn paid(channel: &str) -> &'static str {
    match channel {
        "search" => "paid_search",
        "social" => "paid_social",
        "display" => "display",
        _ => "paid_other",
    }
}

/// The channel of a paid medium without a click id. `paid-social` names it; the channel of `cpc`
/// depends on the site.
fn paid_by(medium: Option<&str>, site: Option<ListedSite>) -> &'static str {
    let says = |word| medium.is_some_and(|medium| begins_with(medium, word));
    match site {
        _ if says("paidsearch") => "paid_search",
        _ if says("paidsocial") => "paid_social",
        site => site.map_or("paid_other", |site| paid(site.channel)),
    }
}

/// The site that a `utm_source` means, by its name or its host.
fn by_name(utm_source: &str) -> Option<ListedSite> {
    let name = NAMES.get(&*lower(utm_source)).copied();
    name.or_else(|| by_host(&referrer_host(utm_source)?))
}

/// The site of the longest suffix of the host that is in the list.
fn by_host(host: &str) -> Option<ListedSite> {
    let begins = host.match_indices('.').map(|(dot, _)| dot + 1);
    let mut parts = std::iter::once(0).chain(begins).map(|at| &host[at..]);
    let site = parts.find_map(|part| {
        let last = part.rfind('.')?;
        let found = HOSTS.get(part).or_else(|| HOSTS.get(&part[..=last]));
        // `co.uk`, `com.br`: a short label and a country's two letters.
        found.or_else(|| {
            let second = part[..last].rfind('.')?;
            let is_country = part.len() - last == 3 && last - second <= 4;
            HOSTS.get(&part[..=second]).filter(|_| is_country)
        })
    });
    site.copied()
}

/// The host of a web address, with or without its scheme, or the package of an Android app: in
/// lower case, without user info, `www.` and port. `None` if the text has another scheme, or no
/// valid host.
fn referrer_host(text: &str) -> Option<Cow<'_, str>> {
    let text = text.trim();
    let (scheme, rest) = text.split_once("//").unwrap_or(("", text));
    let known = ["", "https:", "http:", APP];
    if !known.iter().any(|known| known.eq_ignore_ascii_case(scheme)) {
        return None;
    }
    let rest = rest.split(['/', '\\', '?', '#']).next()?;
    let rest = rest.rsplit('@').next()?;
    let host = match rest.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => rest,
    };
    let host = without_www(host.strip_suffix('.').unwrap_or(host));
    let letter = |letter: char| letter.is_alphanumeric() || matches!(letter, '-' | '_');
    let byte = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let label =
        |label: &str| !label.is_empty() && (label.bytes().all(byte) || label.chars().all(letter));
    let in_brackets = host.strip_prefix('[').and_then(|six| six.strip_suffix(']'));
    let is_host = match in_brackets {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => host.len() <= LONGEST_HOST && host.split('.').all(label),
    };
    // A word alone is no host: `spring`, `(direct)`.
    let is_word = scheme.is_empty() && !host.contains('.');
    (is_host && !is_word).then(|| lower(host))
}

/// Returns true if the referrer is the package of an Android app. It is compared as a whole,
/// because it is written from the general to the special.
fn is_app(referrer: &str) -> bool {
    let scheme = referrer.trim_start().get(..APP.len());
    scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(APP))
}

fn without_www(host: &str) -> &str {
    let parts = host.split_at_checked(4);
    let parts = parts.filter(|(www, rest)| www.eq_ignore_ascii_case("www.") && rest.contains('.'));
    parts.map_or(host, |(_, rest)| rest)
}

fn lower(text: &str) -> Cow<'_, str> {
    let is_lower = match text.is_ascii() {
        true => !text.bytes().any(|byte| byte.is_ascii_uppercase()),
        false => !text.chars().any(char::is_uppercase),
    };
    match is_lower {
        true => Cow::Borrowed(text),
        false => Cow::Owned(text.to_lowercase()),
    }
}

#[cfg(test)]
mod tests;
