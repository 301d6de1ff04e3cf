//! `docs/operations.md` is true to the code and to the files beside it: the runbook's sentences
//! are those that the code prints, and alerts and board use metrics that the page lists.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{none, read, sources};

/// Pieces of a sentence that are shorter than this occur anywhere.
const MIN_PIECE_CHARS: usize = 6;
/// The endings of a histogram's samples.
const HISTOGRAM_ENDINGS: [&str; 3] = ["_bucket", "_sum", "_count"];

/// A section of the page, from its heading to the next of the same level.
fn section<'p>(page: &'p str, heading: &str) -> &'p str {
    let mut parts = page.split("\n## ");
    let found = parts.find(|part| part.starts_with(heading));
    found.unwrap_or_else(|| panic!("there is no section {heading}"))
}

/// What the first cells of a section's tables hold between their first backticks.
fn first_cells(section: &str) -> Vec<String> {
    let rows = section.lines().filter_map(|line| line.strip_prefix("| "));
    let cells = rows.filter_map(|row| row.split(" | ").next());
    let quoted = cells.filter_map(|cell| cell.split('`').nth(1));
    quoted.map(str::to_owned).collect()
}

/// The text of the product's sources, with literals that continue on the next line joined.
fn product() -> String {
    let mut text = String::new();
    for source in sources() {
        if source.path.starts_with("tests/") {
            continue;
        }
        let mut lines = source.text.lines().peekable();
        while let Some(line) = lines.next() {
            let Some(line) = line.strip_suffix('\\') else {
                text += line;
                text.push('\n');
                continue;
            };
            text += line;
            if let Some(next) = lines.peek_mut() {
                *next = next.trim_start();
            }
        }
    }
    text
}

/// The pieces of a sentence between its variable parts that the code does not contain.
fn unknown_pieces(sentence: &str, code: &str) -> Vec<String> {
    let pieces = sentence
        .split('…')
        .map(|piece| piece.trim_matches([' ', ':', ';']));
    let long = pieces.filter(|piece| piece.chars().count() >= MIN_PIECE_CHARS);
    let unknown = long.filter(|piece| !code.contains(piece));
    unknown
        .map(|piece| format!("{piece:?} of {sentence:?}"))
        .collect()
}

/// The names of our metrics in a text, without a histogram's endings.
fn metrics(text: &str) -> BTreeSet<String> {
    let letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.split(|c: char| !letter(c));
    let names = words.filter(|word| word.starts_with("clickweir_"));
    let base = |name: &str| {
        let ending = HISTOGRAM_ENDINGS
            .iter()
            .find_map(|end| name.strip_suffix(end));
        ending.unwrap_or(name).to_owned()
    };
    names.map(base).collect()
}

/// The metrics that the page lists.
fn listed() -> BTreeSet<String> {
    let page = read("docs/operations.md");
    first_cells(section(&page, "Metrics")).into_iter().collect()
}

#[test]
fn a_strange_sentence_is_seen() {
    let code = "format!(\"partition {n} is stopped: {why}; see the log\")";
    assert_eq!(
        unknown_pieces("… is stopped: …; see the log", code),
        [""; 0]
    );
    assert_eq!(
        unknown_pieces("is stopped; look there", code),
        ["\"is stopped; look there\" of \"is stopped; look there\""]
    );
    assert_eq!(
        first_cells("| `a … b` | c |\n| d `e` | f `g` |\n| h | `i` |\n"),
        ["a … b", "e"]
    );
}

#[test]
fn the_runbook_has_the_sentences_of_the_code() {
    let (page, code) = (read("docs/operations.md"), product());
    let sentences = first_cells(section(&page, "Runbook"));
    assert!(sentences.len() > 30, "there is a runbook");
    let found = sentences
        .iter()
        .flat_map(|sentence| unknown_pieces(sentence, &code));
    none("the code says it otherwise", &found.collect::<Vec<_>>());
}

#[test]
fn the_code_registers_the_listed_metrics() {
    let code = product();
    let prefixes = [
        "clickweir_producer_",
        "clickweir_transformer_",
        "clickweir_",
    ];
    let registered = |name: &String| {
        let bare = name.strip_suffix("_total").unwrap_or(name);
        let bare = prefixes.iter().find_map(|prefix| bare.strip_prefix(prefix));
        let bare = bare.unwrap_or(name.strip_suffix("_total").unwrap_or(name));
        code.contains(&format!("\"{bare}\""))
    };
    let unknown = listed().into_iter().filter(|name| !registered(name));
    none("no code registers these", &unknown.collect::<Vec<_>>());
}

#[test]
fn alerts_and_board_use_listed_metrics() {
    let listed = listed();
    assert!(listed.len() > 20, "the page lists metrics");
    for file in ["alerts.yaml", "grafana.json"] {
        let used = metrics(&read(format!("compose/operations/{file}")));
        assert!(used.len() > 5, "{file} uses metrics");
        let unknown = used.difference(&listed).cloned();
        none(file, &unknown.collect::<Vec<_>>());
    }
}

#[test]
fn every_alert_has_an_expression_a_severity_and_a_way_out() {
    let rules: Value = serde_saphyr::from_str(&read("compose/operations/alerts.yaml")).unwrap();
    let page = read("docs/operations.md");
    let groups = rules["groups"].as_array().unwrap().iter();
    let rules: Vec<&Value> = groups
        .flat_map(|group| group["rules"].as_array().unwrap())
        .collect();
    assert!(rules.len() > 8, "there are alerts");
    for rule in rules {
        let name = rule["alert"].as_str().unwrap();
        for (at, key) in [
            ("", "expr"),
            ("labels", "severity"),
            ("annotations", "summary"),
        ] {
            let holder = if at.is_empty() { rule } else { &rule[at] };
            let text = holder[key].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "{name} has no {key}");
        }
        assert!(
            page.contains(&format!("`{name}`")),
            "{name} is not in the page"
        );
    }
}

#[test]
fn the_board_is_one_that_grafana_reads() {
    let board: Value = serde_json::from_str(&read("compose/operations/grafana.json")).unwrap();
    let panels = board["panels"].as_array().unwrap();
    let mut ids = BTreeSet::new();
    for panel in panels {
        assert!(
            ids.insert(panel["id"].as_u64().unwrap()),
            "an id twice: {panel}"
        );
        let title = panel["title"].as_str().unwrap();
        let is_row = panel["type"] == "row";
        let targets = panel["targets"].as_array().map_or(0, Vec::len);
        assert!(is_row || targets > 0, "{title} shows nothing");
        assert!(
            panel["gridPos"]["w"].as_u64().unwrap() <= 24,
            "{title} is too wide"
        );
    }
}
