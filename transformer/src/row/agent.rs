//! What a user agent says about browser, system and device; cached, since few differ.

use std::collections::HashMap;

use parking_lot::Mutex;
use woothee::parser::Parser;

use super::crawlers;

/// How many user agents are remembered: some 300 bytes each, 3 MB at most.
const REMEMBERED: usize = 10_000;

/// What is known of a user agent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Agent {
    pub(crate) browser: Option<String>,
    pub(crate) os: Option<String>,
    pub(crate) device: Option<String>,
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

fn parse(text: &str) -> Agent {
    let Some(found) = Parser::new().parse(text) else {
        return Agent {
            is_bot: crawlers::is_crawler(text),
            ..Agent::default()
        };
    };
    let known = |value: &str| (value != woothee::woothee::VALUE_UNKNOWN).then(|| value.to_owned());
    Agent {
        browser: known(found.name),
        os: known(found.os),
        device: known(found.category),
        is_bot: found.category == "crawler" || crawlers::is_crawler(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_27_browsers_and_bots() {
        let agents = Agents::default();
        let check = |text: &str, browser: Option<&str>, bot: bool| {
            let agent = agents.read(Some(text));
            assert_eq!(
                (agent.browser.as_deref(), agent.is_bot),
                (browser, bot),
                "{text}"
            );
            assert_eq!(agents.read(Some(text)), agent, "remembered alike");
        };
        check(
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            Some("Firefox"),
            false,
        );
        check(
            "Mozilla/5.0 (compatible; Googlebot/2.1)",
            Some("Googlebot"),
            true,
        );
        check(
            "Mozilla/5.0 (Linux; Android 8.0.0; CUBOT_P20) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/70.0.3538.110 Mobile Safari/537.36",
            Some("Chrome"),
            false,
        );
        check(
            "Mozilla/5.0 (Linux; Android 12; \u{fffd}11) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/99.0 Mobile Safari/537.36",
            Some("Chrome"),
            false,
        );
        check("curl/8.5.0", Some("HTTP Library"), true);
        check("acme-spider/1.0", Some("misc crawler"), true);
        assert!(agents.read(None).is_bot);
        assert!(agents.read(Some("")).is_bot);
    }
}
