use super::*;

#[test]
fn the_list_is_read_and_says_its_version() {
    let numbers = version().split('.').map(str::parse::<u32>);
    assert_eq!(numbers.filter(Result::is_ok).count(), 3, "{}", version());
    assert!(entries().count() > 1_000);
    for pattern in LEFT_OUT {
        assert!(entries().any(|entry| entry.pattern == pattern), "{pattern}");
    }
    assert!(crawler("Googlebot/2.1").is_some());
}

#[test]
fn each_line_of_the_list_has_a_class_a_name_and_a_pattern() {
    const CLASSES: [&str; 13] = [
        "search",
        "ai_crawler",
        "ai_assistant",
        "monitor",
        "preview",
        TOOL,
        "seo",
        "ads",
        "feed",
        "archive",
        "scanner",
        "academic",
        OTHER,
    ];
    assert_eq!(entries().count(), LIST.lines().count() - 1);
    for entry in entries() {
        let BotPattern {
            class,
            name,
            pattern,
            ..
        } = entry;
        assert!(CLASSES.contains(&class), "{class} of {name}");
        assert!((1..=MAX_NAME_BYTES).contains(&name.len()), "{name}");
        assert_eq!(name, name.trim());
        assert!(!name.contains(char::is_control), "{name}");
        assert!(!pattern.is_empty() && !pattern.contains('\t'), "{name}");
    }
}

#[test]
fn a_plain_text_matches_what_its_pattern_matches() {
    let texts = CRAWLERS.texts.values().flatten();
    assert_eq!(
        texts.clone().count() + CRAWLERS.expressions.len(),
        entries().count() - 1
    );
    for (text, entry) in texts {
        let expression = expression(entry.pattern);
        for around in [
            ("", ""),
            ("a ", " a"),
            ("a", "a"),
            ("_", "_"),
            ("(", ")"),
            ("é", "é"),
        ] {
            let agent = format!("{}{text}{}", around.0, around.1);
            let expect = expression.find(agent.as_bytes()).map(|found| found.len());
            let mut found = CRAWLERS.matches(agent.as_bytes());
            let found = found.find(|(found, _)| found.place == entry.place);
            assert_eq!(found.map(|(_, bytes)| bytes), expect, "{agent}");
        }
    }
}

/// User agents of programs, each with the name and the class that it has.
const NAMED_AGENTS: &[(&str, &str, &str)] = &[
    (
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "Googlebot",
        "search",
    ),
    ("Googlebot-Image/1.0", "Googlebot-Image", "search"),
    (
        "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
        "bingbot",
        "search",
    ),
    (
        "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)",
        "YandexBot",
        "search",
    ),
    (
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
        "GPTBot",
        "ai_crawler",
    ),
    (
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; ClaudeBot/1.0; +claudebot@anthropic.com)",
        "ClaudeBot",
        "ai_crawler",
    ),
    (
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; PerplexityBot/1.0; +https://perplexity.ai/perplexitybot)",
        "PerplexityBot",
        "ai_crawler",
    ),
    (
        "CCBot/2.0 (https://commoncrawl.org/faq/)",
        "CCBot",
        "ai_crawler",
    ),
    (
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; ChatGPT-User/1.0; +https://openai.com/bot)",
        "ChatGPT-User",
        "ai_assistant",
    ),
    (
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; Claude-User/1.0; +Claude-User@anthropic.com)",
        "Claude-User",
        "ai_assistant",
    ),
    (
        "DuckAssistBot/1.2; (+http://duckduckgo.com/duckassistbot.html)",
        "DuckAssistBot",
        "ai_assistant",
    ),
    (
        "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
        "facebookexternalhit",
        "preview",
    ),
    (
        "facebookexternalhit/1.1 Facebot Twitterbot/1.0",
        "facebookexternalhit",
        "preview",
    ),
    ("WhatsApp/2.23.20.0", "WhatsApp", "preview"),
    (
        "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
        "Slackbot",
        "preview",
    ),
    ("curl/8.5.0", "curl", "tool"),
    ("Wget/1.21", "Wget", "tool"),
    ("python-requests/2.32.3", "python-requests", "tool"),
    ("Go-http-client/1.1", "Go-http-client", "tool"),
    (
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/150.0.0.0 Safari/537.36",
        "HeadlessChrome",
        "tool",
    ),
    // A program's own name says more than the tool it is made with.
    (
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/150.0.0.0 Safari/537.36 Checkly",
        "Checkly",
        "monitor",
    ),
    (
        "Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)",
        "UptimeRobot",
        "monitor",
    ),
    (
        "Pingdom.com_bot_version_1.4_(http://www.pingdom.com/)",
        "Pingdom",
        "monitor",
    ),
    (
        "Mozilla/5.0 (Linux; Android 7.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/88.0.4324.175 Mobile Safari/537.36 Chrome-Lighthouse",
        "Chrome-Lighthouse",
        "monitor",
    ),
    (
        "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
        "AhrefsBot",
        "seo",
    ),
    (
        "Mozilla/5.0 (compatible; SemrushBot/7~bl; +http://www.semrush.com/bot.html)",
        "SemrushBot",
        "seo",
    ),
    (
        "AdsBot-Google (+http://www.google.com/adsbot.html)",
        "AdsBot-Google",
        "ads",
    ),
    (
        "Feedly/1.0 (+http://www.feedly.com/fetcher.html; like FeedFetcher-Google)",
        "Feedly",
        "feed",
    ),
    (
        "Mozilla/5.0 (compatible; archive.org_bot +http://archive.org/details/archive.org_bot)",
        "archive.org_bot",
        "archive",
    ),
    ("Mozilla/5.0 zgrab/0.x", "zgrab", "scanner"),
    (
        "Mozilla/5.0 (compatible; SemanticScholarBot; +https://www.semanticscholar.org/crawler)",
        "SemanticScholarBot",
        "academic",
    ),
];

#[test]
fn programs_have_a_name_and_a_class() {
    for &(text, name, class) in NAMED_AGENTS {
        let found = crawler(text).map(|found| (found.name, found.class));
        assert_eq!(found, Some((name.into(), class)), "{text}");
    }
}

#[test]
fn what_names_an_address_is_a_program_that_no_list_knows_yet() {
    for (text, name) in [
        ("New/1.0; +https://new.example", "New"),
        (
            "Mozilla/5.0 (compatible; New/1.0; +https://new.example)",
            "New",
        ),
        (
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; New/1.0; +https://new.example) Chrome/125.0 Safari/537.36",
            "New",
        ),
        (
            "Mozilla/5.0 (X11; Linux x86_64) Chrome/125.0 New Fetch-It/1.0 (+http://new.example/about)",
            "New Fetch-It",
        ),
        ("New/1.0 (Linux; x86_64; http://new.example)", "New"),
        ("New Fetch-It (+https://new.example)", "New Fetch-It"),
        ("Mozilla/5.0 (compatible; +https://new.example)", UNNAMED),
        (
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/125.0 Safari/537.36 (+https://new.example)",
            UNNAMED,
        ),
        ("https://new.example", UNNAMED),
        ("person@new.example (https://new.example)", UNNAMED),
        ("新/1.0 (https://new.example)", UNNAMED),
        ("0/1 https://new.example", UNNAMED),
    ] {
        let found = crawler(text).map(|found| (found.name, found.class));
        assert_eq!(found, Some((name.into(), OTHER)), "{text}");
    }
    let long = format!(
        "{}/1.0 (https://new.example)",
        "n".repeat(MAX_NAME_BYTES + 1)
    );
    assert_eq!(crawler(&long).map(|found| found.name), Some(UNNAMED.into()));
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
        "Linux; Android 12; Bot 4x4",
        "Linux; U; Android 15; en-gb; CPH2617 Build/AP3A.240617.008",
        "Linux; Android 12; 小米11",
    ] {
        let text = format!("Mozilla/5.0 ({device}) {ANDROID}");
        assert!(crawler(&text).is_none(), "{text}");
    }
    for text in [
        "Mozilla/5.0 (iPad; U; CPU iPhone OS 7_0 like Mac OS X; de-DE) WIRED/3.2.3.11.87970",
        "Opera/9.80 (MAUI Runtime; Opera Mini/4.4.39008/37.9178; U; en) Presto/2.12.423 Version/12.16",
        "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Instagram 350.0.0.0",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 [FBAN/FBIOS;FBAV/480.0.0.0]",
    ] {
        assert!(crawler(text).is_none(), "{text}");
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
        assert!(crawler(text).is_some(), "{text}");
    }
}
