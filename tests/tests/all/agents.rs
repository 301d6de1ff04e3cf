//! User agents: each of the cases that uap-core's own tests have is read as they say.

use std::fs;

use tests::clickweir;
use topic::{Offset, Partition, Record, Timestamp};
use transformer::{Enrichment, transform};

/// A case: the user agent, and the family and version that it must give.
#[derive(Default)]
struct AgentCase {
    user_agent: String,
    family: String,
    version: Vec<String>,
}

/// A value of the file, in quotes or not; empty if it has none.
fn value(line: &str) -> String {
    let (_, value) = line.split_once(':').unwrap();
    let value = value.trim();
    for quote in ['\'', '"'] {
        if let Some(inner) = value
            .strip_prefix(quote)
            .and_then(|rest| rest.strip_suffix(quote))
        {
            let doubled = format!("{quote}{quote}");
            return inner.replace(&doubled, &quote.to_string());
        }
    }
    value.to_owned()
}

fn cases(text: &str) -> Vec<AgentCase> {
    let mut cases: Vec<AgentCase> = Vec::new();
    for line in text.lines() {
        let line = line.trim().trim_start_matches("- ");
        if line.starts_with("user_agent_string:") {
            cases.push(AgentCase {
                user_agent: value(line),
                ..AgentCase::default()
            });
            continue;
        }
        let Some(case) = cases.last_mut() else {
            continue;
        };
        match line.split(':').next() {
            Some("family") => case.family = value(line),
            Some("major" | "minor" | "patch") => case.version.push(value(line)),
            _ => {}
        }
    }
    cases
}

#[test]
fn every_user_agent_of_uap_cores_own_cases_is_read_as_it_says() {
    let Some(data) = clickweir::data() else {
        println!("no real input beside the project");
        return;
    };
    let text = fs::read_to_string(data.join("useragents/test_ua.yaml")).unwrap();
    let cases = cases(&text);
    assert_eq!(cases.len(), 1_601);
    let enrichment = Enrichment::default();
    let mut other = Vec::new();
    for case in &cases {
        let click = serde_json::json!({
            "v": 1, "id": "1", "received_at": 1_795_000_000_000_000_i64, "format": "native",
            "source": "test", "user_agent": case.user_agent, "click": {}
        });
        let record = Record {
            offset: Offset(0),
            appended_at: Timestamp::from_micros(1_795_000_000_000_000),
            key: None,
            value: Some(click.to_string().into()),
            headers: Vec::new(),
        };
        let row = transform(Partition(0), &record, &enrichment).unwrap();
        let family = row.browser.as_deref().unwrap_or("Other");
        let parts = case.version.iter().take_while(|part| !part.is_empty());
        let version = parts.cloned().collect::<Vec<_>>().join(".");
        let found = row.browser_version.as_deref().unwrap_or_default();
        if (family, found) != (case.family.as_str(), version.as_str()) {
            other.push(format!(
                "{}: {family} {found}, not {} {version}",
                case.user_agent, case.family
            ));
        }
    }
    assert!(
        other.is_empty(),
        "{} of them: {:#?}",
        other.len(),
        &other[..other.len().min(9)]
    );
}
