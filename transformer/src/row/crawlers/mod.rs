//! Which user agents are programs and not people, and what each program is called and does, by the
//! list of the package `crawler-user-agents`, which is compiled in. Its version is part of what
//! decides a row.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::LazyLock;

use regex::bytes::{Regex, RegexBuilder};

/// The first line names the package and its version. Each other line has a class, a name and a
/// regular expression, with tabs between them.
const LIST: &str = include_str!("../../../crawlers/patterns.txt");
/// Patterns that match people: a build of Android that many telephones have.
const LEFT_OUT: [&str; 1] = [r"AP3A\.240617\.008"];
/// The class of HTTP libraries and of browsers under automation. Programs are made with them, so
/// any other class in the same user agent says more.
const TOOL: &str = "tool";
/// The class of a program that the list does not know.
const OTHER: &str = "other";
/// The name of a program that the list does not know and that does not say its own.
const UNNAMED: &str = "unnamed";
/// The most bytes of a name.
const MAX_NAME_BYTES: usize = 60;
/// How many of its first bytes a plain text is looked up by. A shorter text is an expression.
const KEY_BYTES: usize = 3;

/// What a program that fetches pages is called, and what it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bot {
    /// The name, as `Googlebot`: from 1 to 60 bytes.
    pub(crate) name: Cow<'static, str>,
    /// One of `search`, `ai_crawler`, `ai_assistant`, `monitor`, `preview`, `tool`, `seo`, `ads`,
    /// `feed`, `archive`, `scanner`, `academic` and `other`.
    pub(crate) class: &'static str,
}

impl Bot {
    /// One that the list does not know, by the name that it says or others know it by.
    pub(crate) fn unlisted(name: Option<&str>) -> Self {
        let name = name.map_or(Cow::Borrowed(UNNAMED), |name| Cow::Owned(name.to_owned()));
        Self { name, class: OTHER }
    }
}

/// A line of the list.
#[derive(Clone, Copy)]
struct BotPattern {
    /// Counts the lines before it.
    place: usize,
    class: &'static str,
    name: &'static str,
    pattern: &'static str,
}

/// The list, ready to search, in 1 MB. Nearly all patterns are plain texts, which a table finds in a
/// few microseconds. As one regular expression, they would take 6 MB and more for each thread, and
/// half a millisecond for user agents that differ much.
struct Crawlers {
    /// The plain texts, by their first bytes.
    texts: HashMap<[u8; KEY_BYTES], Vec<(String, BotPattern)>>,
    /// The patterns that are no plain texts.
    expressions: Vec<(Regex, BotPattern)>,
}

static CRAWLERS: LazyLock<Crawlers> = LazyLock::new(|| {
    let mut crawlers = Crawlers {
        texts: HashMap::new(),
        expressions: Vec::new(),
    };
    for entry in entries().filter(|entry| !LEFT_OUT.contains(&entry.pattern)) {
        let text = plain_text(entry.pattern);
        match text.and_then(|text| Some((*text.as_bytes().first_chunk()?, text))) {
            Some((key, text)) => {
                let texts = crawlers.texts.entry(key).or_default();
                texts.push((text, entry));
            }
            None => crawlers
                .expressions
                .push((expression(entry.pattern), entry)),
        }
    }
    crawlers
});

/// The list's version, as `1.67.0`.
pub(crate) fn version() -> &'static str {
    let words = LIST.lines().next().and_then(|line| line.split(' ').nth(2));
    words.map_or("", |version| version.trim_end_matches(','))
}

/// The program that sent the user agent. `None` if the list does not know it and it names no
/// address, as crawlers do that no list knows yet and as no browser does.
pub(crate) fn crawler(user_agent: &str) -> Option<Bot> {
    known(user_agent).or_else(|| unknown(user_agent))
}

/// The entry of the list that says most of the user agent: any before a tool, then the one that
/// matches most bytes, then the first.
fn known(user_agent: &str) -> Option<Bot> {
    let (entry, _) = CRAWLERS
        .matches(user_agent.as_bytes())
        .max_by_key(|(entry, bytes)| (entry.class != TOOL, *bytes, Reverse(entry.place)))?;
    Some(Bot {
        name: Cow::Borrowed(entry.name),
        class: entry.class,
    })
}

impl Crawlers {
    /// The entries that match, and how many bytes each match has.
    fn matches(&self, user_agent: &[u8]) -> impl Iterator<Item = (BotPattern, usize)> {
        let starts = (0..user_agent.len()).filter(|at| !is_within_word(user_agent, *at));
        let texts = starts.flat_map(move |at| {
            let rest = &user_agent[at..];
            let texts = rest.first_chunk().and_then(|key| self.texts.get(key));
            let found = texts.into_iter().flatten();
            found
                .filter(move |(text, _)| rest.starts_with(text.as_bytes()))
                .map(|(text, entry)| (*entry, text.len()))
        });
        let expressions = self
            .expressions
            .iter()
            .flat_map(move |(expression, entry)| {
                let found = expression.find_iter(user_agent);
                found.map(|found| (*entry, found.len()))
            });
        texts.chain(expressions)
    }
}

/// Returns true if a letter or a digit at the place continues a word. No pattern begins there:
/// `RED\/` is no `WIRED/`.
fn is_within_word(text: &[u8], at: usize) -> bool {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    text[at].is_ascii_alphanumeric() && text[..at].last().is_some_and(is_word)
}

/// A program that names an address, by the name that comes before the address.
fn unknown(user_agent: &str) -> Option<Bot> {
    let addresses = ["http://", "https://"];
    let starts = addresses.iter().filter_map(|start| user_agent.find(start));
    let before = &user_agent[..starts.min()?];
    Some(Bot::unlisted(product(before)))
}

/// The name of the last product, as `New` of `Mozilla/5.0 (compatible; New/1.0; +`. A product
/// without a version counts if nothing but punctuation follows it. `None` if there are only words
/// that browsers use too.
fn product(text: &str) -> Option<&str> {
    let text = text.trim_end_matches(|last: char| !last.is_alphanumeric());
    let mut parts = text.rsplit(['(', ')', ';', ',', '[', ']', '"', '\'']);
    let last = parts.next()?;
    let mut products = std::iter::once(last).chain(parts).flat_map(versioned);
    products
        .find(|name| is_name(name))
        .or_else(|| Some(last.trim()).filter(|last| !last.contains('/') && is_name(last)))
}

/// The names before a slash, the last first: `Foo` and `Chrome` of `Chrome/1.0 Foo/2.0`. A name
/// begins after the version before it, so that it can have several words.
fn versioned(part: &str) -> impl Iterator<Item = &str> {
    let names = part.rsplit('/').skip(1);
    let count = part.matches('/').count();
    names.enumerate().map(move |(at, name)| {
        let follows_version = at + 1 < count;
        let version_end = name.find(' ').unwrap_or(name.len());
        let name = if follows_version {
            &name[version_end..]
        } else {
            name
        };
        name.trim()
    })
}

/// Returns true if the text can be the name of a program: it is short, has a letter, has only plain
/// characters, and does not begin with a word that browsers use.
fn is_name(text: &str) -> bool {
    const BROWSERS: [&str; 21] = [
        "Android",
        "AppleWebKit",
        "Build",
        "Chrome",
        "CriOS",
        "Edg",
        "Edge",
        "Firefox",
        "Gecko",
        "Linux",
        "Macintosh",
        "Mobile",
        "Mozilla",
        "OPR",
        "Opera",
        "Safari",
        "Version",
        "Windows",
        "X11",
        "compatible",
        "like",
    ];
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || " -_.!+".contains(letter);
    let first = text.split(' ').next().unwrap_or_default();
    text.len() <= MAX_NAME_BYTES
        && text.chars().all(is_plain)
        && text.contains(|letter: char| letter.is_ascii_alphabetic())
        && !BROWSERS.contains(&first)
}

/// All lines of the list but the first.
fn entries() -> impl Iterator<Item = BotPattern> {
    let lines = LIST.lines().skip(1).enumerate();
    lines.filter_map(|(place, line)| {
        let (class, rest) = line.split_once('\t')?;
        let (name, pattern) = rest.split_once('\t')?;
        Some(BotPattern {
            place,
            class,
            name,
            pattern,
        })
    })
}

/// What a pattern matches, if it matches one text only: `RED/` for `RED\/`.
fn plain_text(pattern: &str) -> Option<String> {
    let mut text = String::with_capacity(pattern.len());
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        text.push(match letter {
            '\\' => letters.next().filter(char::is_ascii_punctuation)?,
            _ if r"[](){}|^$?*+.".contains(letter) => return None,
            letter => letter,
        });
    }
    Some(text)
}

/// A pattern as a regular expression. One that begins with a letter or a digit does not begin
/// within a word.
fn expression(pattern: &str) -> Regex {
    let begins = pattern.starts_with(|first: char| first.is_ascii_alphanumeric());
    let whole_words = format!("{}(?:{pattern})", if begins { r"\b" } else { "" });
    RegexBuilder::new(&whole_words)
        .unicode(false)
        .build()
        .expect("the list is compiled in, and a test reads it")
}

#[cfg(test)]
mod tests;
