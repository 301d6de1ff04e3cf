//! What a user agent says about browser, system and device, by the expressions of the project
//! uap-core, which are compiled in; cached, since few differ.

use std::borrow::Cow;
use std::sync::LazyLock;

use hashbrown::HashMap;
use parking_lot::Mutex;
use serde::Deserialize;
use ua_parser::{Extractor, Regexes};

use super::crawlers::{self, Bot};

/// The expressions, and the version of the package that has them.
const LIST: &str = include_str!("../../agents/regexes.json");
/// How many user agents are remembered: some 400 bytes each, 15 MB at most.
const REMEMBERED: usize = 10_000;
/// How much of a user agent is read. A longer one is no browser's, and takes time and memory.
const MAX_AGENT_BYTES: usize = 1_024;
/// What an expression calls what it does not know.
const OTHER: &str = "Other";

static EXTRACTOR: LazyLock<Extractor<'static>> = LazyLock::new(|| {
    let expressions: Regexes<'static> =
        serde_json::from_str(LIST).expect("the list is compiled in, and a test reads it");
    Extractor::try_from(expressions).expect("the list is compiled in, and a test reads it")
});

/// What is known of a user agent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Agent {
    pub(crate) browser: Option<String>,
    pub(crate) browser_version: Option<String>,
    pub(crate) os: Option<String>,
    pub(crate) os_version: Option<String>,
    pub(crate) device: Option<String>,
    pub(crate) device_model: Option<String>,
    /// The program's name and what it is for, if it is a bot.
    pub(crate) bot: Option<(Cow<'static, str>, &'static str)>,
    pub(crate) is_bot: bool,
}

/// Reads user agents. The memory changes speed only, never an answer.
#[derive(Default)]
pub(crate) struct Agents {
    known: Mutex<HashMap<Box<str>, Agent>>,
}

impl Agents {
    pub(crate) fn read(&self, user_agent: Option<&str>) -> Agent {
        let Some(text) = user_agent.filter(|text| !text.is_empty()) else {
            return Agent {
                is_bot: true,
                ..Agent::default()
            };
        };
        let text = &text[..text.floor_char_boundary(MAX_AGENT_BYTES)];
        if let Some(agent) = self.known.lock().get(text) {
            return agent.clone();
        }
        let agent = parse(text);
        let mut known = self.known.lock();
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(text.into(), agent.clone());
        agent
    }
}

/// The version of the expressions, as `202610`.
pub(crate) fn version() -> &'static str {
    #[derive(Deserialize)]
    struct Head {
        version: String,
    }
    static HEAD: LazyLock<Head> = LazyLock::new(|| {
        serde_json::from_str(LIST).expect("the list is compiled in, and a test reads it")
    });
    &HEAD.version
}

fn parse(text: &str) -> Agent {
    let (browser, os, device) = EXTRACTOR.extract(text);
    let browser = browser.filter(|browser| browser.family != OTHER);
    let os = os.filter(|os| os.os != OTHER);
    let device = device.filter(|device| device.device != OTHER);
    let is_spider = device
        .as_ref()
        .is_some_and(|found| found.device == "Spider");
    let bot = crawlers::crawler(text).or_else(|| {
        let family = browser.as_ref().map(|browser| browser.family.as_ref());
        is_spider.then(|| Bot::unlisted(family))
    });
    let is_bot = bot.is_some();
    let model = device.filter(|device| {
        let is_class = device.device.starts_with("Generic ") || device.device == "Spider";
        !is_class && device.brand.as_deref() != Some("Generic")
    });
    let system = os.as_ref().map(|os| os.os.as_ref());
    Agent {
        device: device_class(system, text, is_bot).map(str::to_owned),
        browser_version: browser
            .as_ref()
            .and_then(|browser| joined([browser.major, browser.minor, browser.patch])),
        browser: browser.map(|browser| browser.family.into_owned()),
        os_version: os.as_ref().and_then(|os| {
            joined([
                os.major.as_deref(),
                os.minor.as_deref(),
                os.patch.as_deref(),
            ])
        }),
        os: system.map(|system| match system {
            "Mac OS X" => "macOS".to_owned(),
            system => system.to_owned(),
        }),
        device_model: model.map(|device| device.device.into_owned()),
        bot: bot.map(|bot| (bot.name, bot.class)),
        is_bot,
    }
}

/// The parts of a version up to the first that is not there.
fn joined(parts: [Option<&str>; 3]) -> Option<String> {
    let parts = parts
        .into_iter()
        .map_while(|part| part.filter(|part| !part.is_empty()));
    let parts: Vec<&str> = parts.collect();
    (!parts.is_empty()).then(|| parts.join("."))
}

/// What kind of device a system runs on.
fn device_class(system: Option<&str>, text: &str, is_bot: bool) -> Option<&'static str> {
    const PC: [&str; 14] = [
        "Windows",
        "Mac OS X",
        "Linux",
        "Ubuntu",
        "Debian",
        "Fedora",
        "Chrome OS",
        "FreeBSD",
        "OpenBSD",
        "NetBSD",
        "Red Hat",
        "CentOS",
        "SUSE",
        "Solaris",
    ];
    const TELEPHONE: [&str; 8] = [
        "Windows Phone",
        "Windows Mobile",
        "BlackBerry OS",
        "Symbian OS",
        "Bada",
        "KaiOS",
        "Firefox OS",
        "Sailfish",
    ];
    const APPLIANCE: [&str; 6] = ["tvOS", "ATV OS X", "webOS", "Tizen", "Chromecast", "Roku"];
    const CONSOLE: [&str; 4] = ["PlayStation", "Nintendo", "Xbox", "SMART-TV"];
    let holds = |words: &[&str]| words.iter().any(|word| text.contains(word));
    Some(match system {
        _ if is_bot => "crawler",
        _ if holds(&CONSOLE) => "appliance",
        Some("iOS" | "iPadOS") if text.contains("iPad") => "tablet",
        Some("iOS" | "iPadOS") => "smartphone",
        Some("Android") if holds(&["TV", "AFT"]) => "appliance",
        Some("Android") if text.contains("Mobile") => "smartphone",
        Some("Android") => "tablet",
        Some(system) if TELEPHONE.contains(&system) => "smartphone",
        Some(system) if APPLIANCE.contains(&system) => "appliance",
        Some(system) if PC.contains(&system) => "pc",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_expressions_are_read_and_say_their_version() {
        assert!(
            version()
                .parse::<u32>()
                .is_ok_and(|version| version >= 202_610)
        );
        LazyLock::force(&EXTRACTOR);
    }

    type Expected = [Option<&'static str>; 6];

    /// User agents; browser, its version, system, its version, device and model; whether it is a bot.
    const CASES: [(&str, Expected, bool); 8] = [
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            [
                Some("Firefox"),
                Some("140.0"),
                Some("Linux"),
                None,
                Some("pc"),
                None,
            ],
            false,
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/125.0.0.0 Safari/537.36",
            [
                Some("Chrome"),
                Some("125.0.0"),
                Some("Windows"),
                Some("10"),
                Some("pc"),
                None,
            ],
            false,
        ),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
            [
                Some("Safari"),
                Some("17.5"),
                Some("macOS"),
                Some("10.15.7"),
                Some("pc"),
                Some("Mac"),
            ],
            false,
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1",
            [
                Some("Mobile Safari"),
                Some("18.0"),
                Some("iOS"),
                Some("18.0"),
                Some("smartphone"),
                Some("iPhone"),
            ],
            false,
        ),
        (
            "Mozilla/5.0 (Linux; Android 14; SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/125.0.0.0 Mobile Safari/537.36",
            [
                Some("Chrome Mobile"),
                Some("125.0.0"),
                Some("Android"),
                Some("14"),
                Some("smartphone"),
                Some("Samsung SM-S918B"),
            ],
            false,
        ),
        (
            "Mozilla/5.0 (Linux; Android 8.0.0; CUBOT_P20) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/70.0.3538.110 Mobile Safari/537.36",
            [
                Some("Chrome Mobile"),
                Some("70.0.3538"),
                Some("Android"),
                Some("8.0.0"),
                Some("smartphone"),
                Some("CUBOT_P20"),
            ],
            false,
        ),
        (
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            [
                Some("Googlebot"),
                Some("2.1"),
                None,
                None,
                Some("crawler"),
                None,
            ],
            true,
        ),
        (
            "curl/8.5.0",
            [
                Some("curl"),
                Some("8.5.0"),
                None,
                None,
                Some("crawler"),
                None,
            ],
            true,
        ),
    ];

    #[test]
    fn input_27_browsers_and_bots() {
        let agents = Agents::default();
        for (text, expect, is_bot) in CASES {
            let agent = agents.read(Some(text));
            let found = [
                &agent.browser,
                &agent.browser_version,
                &agent.os,
                &agent.os_version,
                &agent.device,
                &agent.device_model,
            ];
            assert_eq!(found.map(Option::as_deref), expect, "{text}");
            assert_eq!(agent.is_bot, is_bot, "{text}");
            assert_eq!(agents.read(Some(text)), agent, "remembered alike");
        }
        assert!(agents.read(None).is_bot);
        assert!(agents.read(Some("")).is_bot);
        // What is too long to be a browser's is read as far as one would be.
        let (text, expect, _) = CASES[0];
        let long = format!("{text} {}", "é".repeat(64 << 10));
        assert_eq!(agents.read(Some(&long)).browser.as_deref(), expect[0]);
        let known = agents.known.lock();
        assert!(known.keys().all(|text| text.len() <= MAX_AGENT_BYTES));
    }
}
