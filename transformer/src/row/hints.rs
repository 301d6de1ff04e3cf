//! What a browser says of itself besides its user agent, which is the same for many by now: its
//! client hints, as the edge kept them of the request.

use serde::Deserialize;

use super::agent::Agent;

/// The first major version of Windows's platform that is called Windows 11.
const WINDOWS_11: u32 = 13;
/// The longest name or version that is taken from a hint.
const MAX_NAME_BYTES: usize = 40;
/// What user agents call a browser that is built on Chromium, whatever it is.
const CHROMES: [&str; 2] = ["Chrome", "Chrome Mobile"];
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
    #[serde(rename = "sec-ch-ua-model")]
    model: String,
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
        if let Some((os, version)) = self.os() {
            agent.os = Some(os.to_owned());
            agent.os_version = Some(version);
        }
        if let Some(name) = agent.browser.as_deref()
            && CHROMES.contains(&name)
            && let Some((brand, version)) = self.brand()
        {
            if !COMMON_BRANDS.contains(&brand) {
                agent.browser = Some(brand.to_owned());
            }
            agent.browser_version = Some(version.to_owned());
        }
        if is_short(&self.model) {
            agent.device_model = Some(self.model.clone());
        }
        let is_desktop = agent.device.as_deref().is_none_or(|device| device == "pc");
        if self.mobile == "?1" && is_desktop && !agent.is_bot {
            agent.device = Some("smartphone".to_owned());
        }
    }

    fn os(&self) -> Option<(&str, String)> {
        let major: u32 = self.platform_version.split('.').next()?.parse().ok()?;
        match (&*self.platform, major) {
            // Older ones than Windows 10; their user agents say which.
            (_, 0) => None,
            ("Windows", WINDOWS_11..) => Some(("Windows", "11".to_owned())),
            ("Windows", _) => Some(("Windows", "10".to_owned())),
            ("Android" | "macOS", _) => Some((&self.platform, major.to_string())),
            _ => None,
        }
    }

    /// The browser that is built on Chromium, and its version; Chromium's own name if it has no other.
    /// One of the listed names is invented, so that nobody relies on the list.
    fn brand(&self) -> Option<(&str, &str)> {
        let lists = [&self.full_brands, &self.brands];
        let list = lists.into_iter().find(|list| !list.is_empty())?;
        let brands = list.split(", ").filter_map(|brand| {
            let (name, version) = brand.rsplit_once(";v=")?;
            Some((name.trim(), version))
        });
        let is_invented = |name: &str| name.contains("Not") && name.contains("Brand");
        let named = brands
            .filter(|(name, version)| is_short(name) && is_short(version) && !is_invented(name));
        let named: Vec<(&str, &str)> = named.collect();
        let own = named.iter().find(|(name, _)| !COMMON_BRANDS.contains(name));
        own.or(named.first()).map(|&(name, version)| match name {
            "Microsoft Edge" => ("Edge", version),
            name => (name, version),
        })
    }
}

fn is_short(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_NAME_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_say_more_than_the_frozen_user_agent() {
        let check = |hints: &str, device: &str, expect: [&str; 6]| {
            let mut agent = Agent {
                browser: Some("Chrome".into()),
                browser_version: Some("124.0".into()),
                os: Some("Windows".into()),
                os_version: Some("10".into()),
                device: Some(device.into()),
                device_model: Some("-".into()),
                ..Agent::default()
            };
            if let Some(hints) = ClientHints::of(hints) {
                hints.refine(&mut agent);
            }
            let found = [
                agent.browser,
                agent.browser_version,
                agent.os,
                agent.os_version,
                agent.device,
                agent.device_model,
            ];
            assert_eq!(found.map(Option::unwrap), expect, "{hints}");
        };
        let platform = |name: &str, version: &str| {
            format!(r#"{{"sec-ch-ua-platform":"{name}","sec-ch-ua-platform-version":"{version}"}}"#)
        };
        let system = |name, version| ["Chrome", "124.0", name, version, "pc", "-"];
        let browser = |name, version| [name, version, "Windows", "10", "pc", "-"];
        check("{}", "pc", system("Windows", "10"));
        for (name, version, expect) in [
            ("Windows", "15.0.0", ("Windows", "11")),
            ("Windows", "13.0.0", ("Windows", "11")),
            ("Windows", "10.0.0", ("Windows", "10")),
            ("Windows", "0.3", ("Windows", "10")),
            ("macOS", "14.5.0", ("macOS", "14")),
            ("Linux", "6.5.0", ("Windows", "10")),
            ("Android", "", ("Windows", "10")),
        ] {
            check(&platform(name, version), "pc", system(expect.0, expect.1));
        }
        check(
            r#"{"sec-ch-ua-mobile":"?1","sec-ch-ua-platform":"Android","sec-ch-ua-platform-version":"14.0.0","sec-ch-ua-model":"Pixel 8"}"#,
            "pc",
            ["Chrome", "124.0", "Android", "14", "smartphone", "Pixel 8"],
        );
        check(
            r#"{"sec-ch-ua":"Chromium;v=124, Microsoft Edge;v=124, Not-A.Brand;v=99"}"#,
            "pc",
            browser("Edge", "124"),
        );
        check(
            r#"{"sec-ch-ua-full-version-list":"Not)A;Brand;v=8.0.0.0, Opera;v=110.0, Chromium;v=124.0"}"#,
            "pc",
            browser("Opera", "110.0"),
        );
        check(
            r#"{"sec-ch-ua":"Google Chrome;v=124, Chromium;v=124, Not-A.Brand;v=99"}"#,
            "tablet",
            ["Chrome", "124", "Windows", "10", "tablet", "-"],
        );
        check(r#"{"sec-ch-ua":17}"#, "pc", system("Windows", "10"));
    }
}
