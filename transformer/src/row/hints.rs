//! What a browser says of itself besides its user agent, which is the same for many by now: its
//! client hints, as the edge kept them of the request.

use serde::Deserialize;

use super::agent::Agent;

/// The first major version of Windows's platform that is called Windows 11.
const WINDOWS_11: u32 = 13;
/// The longest name of a browser that is taken from a hint.
const MAX_BRAND_BYTES: usize = 40;
/// Names that a hint has for a browser whose user agent says it as well, or for none.
const COMMON_BRANDS: [&str; 4] = [
    "Chromium",
    "Google Chrome",
    "HeadlessChrome",
    "Android WebView",
];

/// The hints of a request. Texts in them have no quotes.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ClientHints {
    #[serde(rename = "sec-ch-ua")]
    brands: String,
    #[serde(rename = "sec-ch-ua-full-version-list")]
    full_brands: String,
    #[serde(rename = "sec-ch-ua-mobile")]
    mobile: String,
    #[serde(rename = "sec-ch-ua-platform")]
    platform: String,
    #[serde(rename = "sec-ch-ua-platform-version")]
    platform_version: String,
}

impl ClientHints {
    /// Reads them from what was kept of a request; `None` if there are none.
    pub(crate) fn of(request: &str) -> Option<Self> {
        match request.contains("sec-ch-ua") {
            true => serde_json::from_str(request).ok(),
            false => None,
        }
    }

    /// What the user agent says, where the hints do not say more.
    pub(crate) fn refine(&self, agent: &mut Agent) {
        if let Some(os) = self.os() {
            agent.os = Some(os);
        }
        if agent.browser.as_deref() == Some("Chrome")
            && let Some(brand) = self.brand()
        {
            agent.browser = Some(brand.to_owned());
        }
        let is_desktop = agent.device.as_deref().is_none_or(|device| device == "pc");
        if self.mobile == "?1" && is_desktop && !agent.is_bot {
            agent.device = Some("smartphone".to_owned());
        }
    }

    fn os(&self) -> Option<String> {
        let major: u32 = self.platform_version.split('.').next()?.parse().ok()?;
        match (&*self.platform, major) {
            // Older ones than Windows 10; their user agents say which.
            (_, 0) => None,
            ("Windows", WINDOWS_11..) => Some("Windows 11".to_owned()),
            ("Windows", _) => Some("Windows 10".to_owned()),
            ("Android" | "macOS", _) => Some(format!("{} {major}", self.platform)),
            _ => None,
        }
    }

    /// The browser that is built on Chromium. One of the listed names is invented, so that nobody
    /// relies on the list.
    fn brand(&self) -> Option<&str> {
        let lists = [&self.full_brands, &self.brands];
        let list = lists.into_iter().find(|list| !list.is_empty())?;
        let names = list
            .split(", ")
            .filter_map(|brand| Some(brand.rsplit_once(";v=")?.0.trim()));
        let is_invented = |name: &str| name.contains("Not") && name.contains("Brand");
        let is_own = |name: &&str| {
            !name.is_empty()
                && name.len() <= MAX_BRAND_BYTES
                && !is_invented(name)
                && !COMMON_BRANDS.contains(name)
        };
        names.into_iter().find(is_own).map(|name| match name {
            "Microsoft Edge" => "Edge",
            name => name,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_say_more_than_the_frozen_user_agent() {
        let check = |hints: &str, device: &str, expect: [&str; 3]| {
            let mut agent = Agent {
                browser: Some("Chrome".into()),
                os: Some("Windows 10".into()),
                device: Some(device.into()),
                is_bot: false,
            };
            if let Some(hints) = ClientHints::of(hints) {
                hints.refine(&mut agent);
            }
            let found = [agent.browser, agent.os, agent.device].map(Option::unwrap);
            assert_eq!(found, expect, "{hints}");
        };
        let platform = |name: &str, version: &str| {
            format!(r#"{{"sec-ch-ua-platform":"{name}","sec-ch-ua-platform-version":"{version}"}}"#)
        };
        check("{}", "pc", ["Chrome", "Windows 10", "pc"]);
        check(
            &platform("Windows", "15.0.0"),
            "pc",
            ["Chrome", "Windows 11", "pc"],
        );
        check(
            &platform("Windows", "13.0.0"),
            "pc",
            ["Chrome", "Windows 11", "pc"],
        );
        check(
            &platform("Windows", "10.0.0"),
            "pc",
            ["Chrome", "Windows 10", "pc"],
        );
        check(
            &platform("Windows", "0.3"),
            "pc",
            ["Chrome", "Windows 10", "pc"],
        );
        check(
            &platform("macOS", "14.5.0"),
            "pc",
            ["Chrome", "macOS 14", "pc"],
        );
        check(
            &platform("Linux", "6.5.0"),
            "pc",
            ["Chrome", "Windows 10", "pc"],
        );
        check(
            &platform("Android", ""),
            "pc",
            ["Chrome", "Windows 10", "pc"],
        );
        check(
            r#"{"sec-ch-ua-mobile":"?1","sec-ch-ua-platform":"Android","sec-ch-ua-platform-version":"14.0.0"}"#,
            "pc",
            ["Chrome", "Android 14", "smartphone"],
        );
        check(
            r#"{"sec-ch-ua":"Chromium;v=124, Microsoft Edge;v=124, Not-A.Brand;v=99"}"#,
            "pc",
            ["Edge", "Windows 10", "pc"],
        );
        check(
            r#"{"sec-ch-ua-full-version-list":"Not)A;Brand;v=8.0.0.0, Opera;v=110.0, Chromium;v=124.0"}"#,
            "pc",
            ["Opera", "Windows 10", "pc"],
        );
        check(
            r#"{"sec-ch-ua":"Google Chrome;v=124, Chromium;v=124, Not-A.Brand;v=99"}"#,
            "tablet",
            ["Chrome", "Windows 10", "tablet"],
        );
        check(r#"{"sec-ch-ua":17}"#, "pc", ["Chrome", "Windows 10", "pc"]);
    }
}
