//! Which user agents are programs and not people, as far as a rule has to know before a click is
//! taken. The column `is_bot` knows more of them, by a list that the transformer has.

use std::sync::LazyLock;

use regex::bytes::{Regex, RegexBuilder};

/// What crawlers call themselves, and the programs and libraries that fetch pages. A word alone is
/// none: telephones are called `CUBOT`.
const PROGRAMS: &str = r"bot[/;,) ]|bot$|[a-z]bot-|\bbots?\b/|crawl(?:er|ing)?\b|spider[/;,)-]|spider$|slurp|\barchiver?\b|facebookexternalhit|mediapartners|inspectiontool|googleother|apis-google|feedfetcher|headless|phantomjs|puppeteer|playwright|selenium|lighthouse|pingdom|uptime|monitor(?:ing)?/|^curl/|^wget/|^python|python-(?:requests|urllib|httpx)|aiohttp|httpx/|^go-http-client|^java/|okhttp|apache-httpclient|libwww|^lwp|^ruby|^php/|guzzle|axios/|node-fetch|undici|^node$|scrapy|nikto|sqlmap|nmap|masscan|zgrab|nuclei|wpscan|dirbuster|gobuster|ffuf|acunetix|nessus|openvas|qualys|netsparker|postmanruntime|insomnia/|httpie/|https?://";

static PROGRAM: LazyLock<Regex> = LazyLock::new(|| {
    RegexBuilder::new(PROGRAMS)
        .unicode(false)
        .case_insensitive(true)
        .build()
        .expect("the words are compiled in, and a test reads them")
});

/// Returns true if the user agent names a program, or nothing.
pub(super) fn is_bot(user_agent: &str) -> bool {
    user_agent.trim().is_empty() || PROGRAM.is_match(user_agent.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_27_programs_are_told_from_people() {
        for agent in [
            "",
            " ",
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
            "acme-spider/1.0",
            "curl/8.5.0",
            "python-requests/2.32.3",
            "sqlmap/1.8#stable",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/125.0.0.0 Safari/537.36",
            "facebookexternalhit/1.1",
        ] {
            assert!(is_bot(agent), "{agent}");
        }
        for agent in [
            "Mozilla/5.0 (Linux; Android 8.0.0; CUBOT_P20) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/125.0.0.0 Mobile Safari/537.36",
            "Mozilla/5.0 (Linux; Android 10; Spider X1) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/125.0.0.0 Mobile Safari/537.36",
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15",
            "Opera/9.80 (J2ME/MIDP; Opera Mini/7.1) Presto/2.12.423 Version/12.16",
        ] {
            assert!(!is_bot(agent), "{agent}");
        }
    }
}
