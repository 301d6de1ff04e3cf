//! The pages say what is so: links lead somewhere, configuration keys and columns exist, and the
//! README stays short. Their commands are run by `documentation`.

use std::collections::BTreeSet;
use std::path::Path;

use sink::COLUMNS;
use tests::real;

use super::{none, read, root, table};

/// How long the README may be: one sitting.
const README_LINES: usize = 150;

/// The pages for people: those of the root, and those of `docs/`.
fn pages() -> Vec<String> {
    let mut pages = Vec::new();
    for folder in ["", "docs/"] {
        for entry in std::fs::read_dir(root().join(folder)).expect("it is a folder") {
            let name = entry.expect("a folder can be listed").file_name();
            if Path::new(&name).extension().is_some_and(|end| end == "md") {
                pages.push(format!("{folder}{}", name.to_string_lossy()));
            }
        }
    }
    pages.extend(["compose/containers/README.md", "tests/README.md"].map(str::to_owned));
    pages.sort();
    assert!(pages.len() > 5, "there are pages");
    pages
}

/// The text outside of fenced blocks.
fn prose(text: &str) -> String {
    let mut fenced = false;
    let mut prose = String::new();
    for line in text.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            prose += line;
            prose.push('\n');
        }
    }
    prose
}

/// The text between backticks.
fn quoted(prose: &str) -> impl Iterator<Item = &str> {
    prose
        .lines()
        .flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// The anchors of a page's headings, as the forges make them.
fn anchors(text: &str) -> BTreeSet<String> {
    let prose = prose(text);
    let headings = prose.lines().filter_map(|line| {
        let heading = line.trim_start_matches('#');
        (heading.len() < line.len()).then(|| heading.trim())
    });
    let anchor = |heading: &str| -> String {
        let kept = heading.chars().filter_map(|c| match c {
            ' ' => Some('-'),
            c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c.to_ascii_lowercase()),
            _ => None,
        });
        kept.collect()
    };
    headings.map(anchor).collect()
}

/// The links of a page that lead nowhere.
fn dangling(page: &str, text: &str) -> (usize, Vec<String>) {
    let prose = prose(text);
    let folder = Path::new(page).parent().expect("a page is a file");
    let (mut links, mut dangling) = (0, Vec::new());
    for (at, _) in prose.match_indices("](") {
        let rest = &prose[at + 2..];
        let target = &rest[..rest.find(')').expect("a link is closed")];
        links += 1;
        if target.starts_with("https://") {
            continue;
        }
        let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
        let there = match (path, anchor) {
            ("", anchor) => anchors(text).contains(anchor),
            (path, "") => root().join(folder).join(path).exists(),
            (path, anchor) => {
                let path = folder.join(path);
                root().join(&path).exists() && anchors(&read(&path)).contains(anchor)
            }
        };
        if !there {
            dangling.push(format!("{page}: {target}"));
        }
    }
    (links, dangling)
}

/// The keys `section.key` between backticks that the defaults do not have.
fn unknown_keys(page: &str, text: &str, defaults: &toml::Table) -> Vec<String> {
    let prose = prose(text);
    let words = quoted(&prose).filter_map(|word| Some((word, word.split_once('.')?)));
    let unknown = words.filter(|(_, (section, key))| {
        let word = |text: &str| {
            !text.is_empty() && text.chars().all(|c| c == '_' || c.is_ascii_lowercase())
        };
        word(section)
            && word(key)
            && defaults
                .get(*section)
                .is_some_and(|section| section.get(key).is_none())
    });
    unknown.map(|(word, _)| format!("{page}: {word}")).collect()
}

#[test]
fn a_wrong_link_and_a_wrong_key_are_seen() {
    let text =
        "# A `b` c\n[ok](#a-b-c) [ok](LICENSE) [no](#a-b) [no](nowhere.md)\n```\n[no](x)\n```\n";
    let (links, found) = dangling("README.md", text);
    assert_eq!((links, found.len()), (4, 2), "{found:?}");
    let defaults = "[sink]\nmax_age = 1".parse().expect("it is TOML");
    let text = "`sink.max_age`, `sink.max_ages`, `other.key`, `a/sink.x`, `sink.max_age=1s`";
    assert_eq!(unknown_keys("p", text, &defaults), ["p: sink.max_ages"]);
}

#[test]
fn the_readme_is_read_in_one_sitting() {
    let lines = read("README.md").lines().count();
    assert!(lines <= README_LINES, "{lines} lines: move some to docs/");
}

#[test]
fn every_link_of_the_pages_leads_somewhere() {
    let (mut links, mut found) = (0, Vec::new());
    for page in pages() {
        let (here, dangling) = dangling(&page, &read(&page));
        links += here;
        found.extend(dangling);
    }
    assert!(links > 40, "the pages have links");
    none("nothing is there", &found);
}

#[test]
fn every_configuration_key_of_the_pages_exists() {
    let defaults = table("compose/default.toml");
    let pages = pages();
    let found = pages
        .iter()
        .flat_map(|page| unknown_keys(page, &read(page), &defaults));
    none("no such key", &found.collect::<Vec<_>>());
}

#[test]
fn the_page_on_mapping_has_the_tables_of_the_code() {
    const PAGE: &str = "docs/mapping.md";
    let page = read(PAGE);
    let end = page.find("-->").expect("a comment says where they begin") + "-->\n\n".len();
    let made = format!("{}{}", &page[..end], transformer::mapping_tables());
    if real::env("CLICKWEIR_DOCS").as_deref() == Some("write") {
        std::fs::write(root().join(PAGE), &made).expect("the page can be written");
    }
    assert_eq!(read(PAGE), made, "CLICKWEIR_DOCS=write makes it anew");
}

#[test]
fn the_page_on_tables_lists_the_columns_of_the_lake() {
    let page = read("docs/sql-and-tables.md");
    let section = page
        .split("\n## ")
        .find(|part| part.starts_with("Columns of `clicks`"));
    let rows = section
        .expect("there is a section")
        .lines()
        .filter_map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let [_, name, kind, _, _] = cells[..] else {
                return None;
            };
            Some((
                name.strip_prefix('`')?.strip_suffix('`')?.to_owned(),
                kind.to_owned(),
            ))
        });
    let columns = COLUMNS.iter();
    let columns = columns.map(|column| (column.name.to_owned(), column.kind.sql().to_owned()));
    assert_eq!(rows.collect::<Vec<_>>(), columns.collect::<Vec<_>>());
}
