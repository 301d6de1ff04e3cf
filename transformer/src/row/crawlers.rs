//! Which user agents are programs and not people, by the list of the package
//! `crawler-user-agents`, which is compiled in. Its version is part of what decides a row.

use std::sync::LazyLock;

use regex::bytes::{Regex, RegexBuilder};

/// The first line names the package and its version; each other line is a regular expression.
const LIST: &str = include_str!("../../crawlers/patterns.txt");
/// Patterns that match people: a build of Android that many telephones have.
const LEFT_OUT: [&str; 1] = [r"AP3A\.240617\.008"];

/// All patterns as one.
static CRAWLERS: LazyLock<Regex> = LazyLock::new(|| {
    let patterns = LIST.lines().skip(1);
    let wanted = patterns.filter(|pattern| !LEFT_OUT.contains(pattern));
    let all = wanted.map(whole_words).collect::<Vec<_>>().join("|");
    RegexBuilder::new(&all)
        .unicode(false)
        .build()
        .expect("the list is compiled in, and a test reads it")
});

/// A pattern that begins with a letter or a digit does not begin within a word: `RED\/` is no
/// `WIRED/`.
fn whole_words(pattern: &str) -> String {
    let begins = pattern.starts_with(|first: char| first.is_ascii_alphanumeric());
    format!("{}(?:{pattern})", if begins { r"\b" } else { "" })
}

/// The list's version, as `1.67.0`.
pub(crate) fn version() -> &'static str {
    let words = LIST.lines().next().and_then(|line| line.split(' ').nth(2));
    words.map_or("", |version| version.trim_end_matches(','))
}

/// Returns true if the list knows the user agent, or if it names an address, as crawlers do that
/// no list knows yet and as no browser does.
pub(crate) fn is_crawler(user_agent: &str) -> bool {
    user_agent.contains("http://")
        || user_agent.contains("https://")
        || CRAWLERS.is_match(user_agent.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_read_and_says_its_version() {
        let numbers = version().split('.').map(str::parse::<u32>);
        assert_eq!(numbers.filter(Result::is_ok).count(), 3, "{}", version());
        assert!(LIST.lines().count() > 1_000);
        for pattern in LEFT_OUT {
            assert!(LIST.lines().any(|line| line == pattern), "{pattern}");
        }
        assert!(LazyLock::force(&CRAWLERS).is_match(b"Googlebot/2.1"));
    }

    #[test]
    fn b61_people_are_people_whatever_their_telephone_is_called() {
        const ANDROID: &str =
            "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/125.0.0.0 Mobile Safari/537.36";
        for device in [
            "Linux; Android 8.0.0; CUBOT_P20",
            "Linux; Android 5.1; CUBOT X15 Build/LMY47D",
            "Linux; Android 11; Cubot KingKong",
            "Linux; Android 9; ROBOT 550",
            "Linux; Android 10; Spider X1",
            "Linux; Android 12; Crawler 4x4",
            "Linux; U; Android 15; en-gb; CPH2617 Build/AP3A.240617.008",
            "Linux; Android 12; 小米11",
        ] {
            let text = format!("Mozilla/5.0 ({device}) {ANDROID}");
            assert!(!is_crawler(&text), "{text}");
        }
        for text in [
            "Mozilla/5.0 (iPad; U; CPU iPhone OS 7_0 like Mac OS X; de-DE) WIRED/3.2.3.11.87970",
            "Opera/9.80 (MAUI Runtime; Opera Mini/4.4.39008/37.9178; U; en) Presto/2.12.423 Version/12.16",
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Instagram 350.0.0.0",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 [FBAN/FBIOS;FBAV/480.0.0.0]",
        ] {
            assert!(!is_crawler(text), "{text}");
        }
    }

    #[test]
    fn b63_programs_are_no_people() {
        for text in [
            "Mozilla/5.0 (Linux; Android 7.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/88.0.4324.175 Mobile Safari/537.36 Chrome-Lighthouse",
            "curl/8.5.0",
            "python-requests/2.32.3",
            "Go-http-client/1.1",
            "WhatsApp/2.23.20.0",
            "Wget/1.21",
            "axios/1.6.0",
            "node-fetch/1.0",
            "facebookexternalhit/1.1",
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2)",
            "Slackbot-LinkExpanding 1.0",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/150.0.0.0 Safari/537.36",
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; New/1.0; +https://new.example) Chrome/125.0 Safari/537.36",
        ] {
            assert!(is_crawler(text), "{text}");
        }
    }
}
