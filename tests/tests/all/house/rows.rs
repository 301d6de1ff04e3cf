//! `tests/README.md` maps each row of the fault table and of the input table to the tests that
//! cover it: every row has a test or a word, every test that is named exists, and every test
//! with a row's number is named.

use std::collections::{BTreeMap, BTreeSet};

use super::{Source, none, read, sources};

/// How many rows the two tables have.
const FAULTS: u32 = 54;
const INPUTS: u32 = 36;
/// Rows whose feature comes later, or a part of it.
const LATER: &[&str] = &["fault 40", "fault 44"];
/// The seeded simulation, whose tests are named by their module.
const SIMULATION: &str = "tests/tests/all/sim";

/// A row of the map: what it says beside its number, and the tests that it names.
struct Row {
    words: String,
    tests: Vec<String>,
}

/// The rows of the map, `fault 1` to `input 36`.
fn rows(page: &str) -> BTreeMap<String, Row> {
    let mut rows = BTreeMap::new();
    for line in page.lines() {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [_, row, what, tests, _] = cells[..] else {
            continue;
        };
        if !row.starts_with("fault ") && !row.starts_with("input ") {
            continue;
        }
        let named = tests.split('`').skip(1).step_by(2).map(str::to_owned);
        let found = Row {
            words: format!("{what} {}", tests.split('`').step_by(2).collect::<String>()),
            tests: named.collect(),
        };
        assert!(rows.insert(row.to_owned(), found).is_none(), "{row} twice");
    }
    rows
}

/// The tests of the sources whose name begins with a row's.
fn named(sources: &[Source]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for source in sources {
        for (at, _) in source.text.match_indices("fn ") {
            let name: String = source.text[at + 3..]
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                .collect();
            let row = ["fault_", "faults_", "input_"]
                .iter()
                .find_map(|kind| name.strip_prefix(kind));
            if row.is_some_and(|row| row.starts_with(|c: char| c.is_ascii_digit())) {
                found.insert(name);
            }
        }
    }
    found
}

/// What is wrong with the map, if the rows of `may_come_later` may.
fn wrong(page: &str, sources: &[Source], may_come_later: &[&str]) -> Vec<String> {
    let (rows, there) = (rows(page), named(sources));
    let simulated = sources
        .iter()
        .any(|source| source.path.starts_with(SIMULATION));
    let is_test = |name: &str| match name.strip_prefix("sim::") {
        Some(name) => sources.iter().any(|source| {
            source.path.starts_with(SIMULATION) && source.text.contains(&format!("fn {name}("))
        }),
        None => sources
            .iter()
            .any(|source| source.text.contains(&format!("fn {name}("))),
    };
    let mut wrong = Vec::new();
    let wanted = (1..=FAULTS).map(|row| format!("fault {row}"));
    for row in wanted.chain((1..=INPUTS).map(|row| format!("input {row}"))) {
        let Some(Row { words, tests }) = rows.get(&row) else {
            wrong.push(format!("{row} is not in the map"));
            continue;
        };
        let (later, open) = (words.contains("later"), words.contains("open:"));
        match may_come_later.contains(&row.as_str()) {
            false if later => wrong.push(format!("{row} may not come later")),
            true if !later => wrong.push(format!("{row} is here: take it off the list LATER")),
            _ => {}
        }
        let simulation = words.contains("sim");
        if tests.is_empty() && !later && !open && !simulation {
            wrong.push(format!("{row} has no test and no word"));
        }
        if open && row.starts_with("fault") {
            wrong.push(format!("{row} is open"));
        }
        for test in tests.iter().filter(|test| !is_test(test)) {
            wrong.push(format!("{row}: there is no test {test}"));
        }
    }
    for row in rows.keys() {
        let number = row
            .split(' ')
            .nth(1)
            .and_then(|text| text.parse::<u32>().ok());
        let most = if row.starts_with("fault") {
            FAULTS
        } else {
            INPUTS
        };
        if number.is_none_or(|number| number == 0 || number > most) {
            wrong.push(format!("{row} is no row of the tables"));
        }
    }
    let mapped: BTreeSet<_> = rows.values().flat_map(|row| &row.tests).collect();
    let missing = there.iter().filter(|test| !mapped.contains(test));
    wrong.extend(missing.map(|test| format!("{test} is not in the map")));
    if simulated && !mapped.iter().any(|test| test.starts_with("sim::")) {
        wrong.push("the simulation is there, and no row names a test of it".into());
    }
    wrong
}

#[test]
fn a_hole_in_the_map_is_seen() {
    let mut page = String::new();
    for row in 1..=FAULTS {
        page += &format!("| fault {row} | it breaks | `fault_{row:02}_it` |\n");
    }
    for row in 1..=INPUTS {
        page += &format!("| input {row} | it comes | `input_{row:02}_it` |\n");
    }
    let tests = |kind: &str, most| -> String {
        (1..=most)
            .map(|row| format!("fn {kind}_{row:02}_it() {{}}\n"))
            .collect()
    };
    let text = tests("fault", FAULTS) + &tests("input", INPUTS);
    let source = |path: &str, text: &str| Source {
        path: path.into(),
        text: text.into(),
    };
    let sources = [source("tests/a.rs", &text)];
    assert_eq!(wrong(&page, &sources, &[]), Vec::<String>::new());
    let check_later = |from: &str, to: &str, later: &[&str], expect: &[&str]| {
        let page = page.replace(from, to);
        assert_eq!(wrong(&page, &sources, later), expect, "{from} {to}");
    };
    let check = |from: &str, to: &str, expect: &[&str]| check_later(from, to, &[], expect);
    check(
        "| fault 7 |",
        "| fault 7b |",
        &[
            "fault 7 is not in the map",
            "fault 7b is no row of the tables",
        ],
    );
    check(
        "`input_05_it`",
        "",
        &[
            "input 5 has no test and no word",
            "input_05_it is not in the map",
        ],
    );
    check(
        "`fault_02_it`",
        "`fault_02_it`, `fault_02_more`",
        &["fault 2: there is no test fault_02_more"],
    );
    check(
        "`fault_02_it`",
        "`fault_02_it`; later",
        &["fault 2 may not come later"],
    );
    check_later("`fault_31_it`", "`fault_31_it`; later", &["fault 31"], &[]);
    check_later(
        "",
        "",
        &["fault 31"],
        &["fault 31 is here: take it off the list LATER"],
    );
    check("`input_05_it`", "`input_05_it`; open: half of it", &[]);
    check(
        "`fault_15_it`",
        "`fault_15_it`, `sim::it`",
        &["fault 15: there is no test sim::it"],
    );
    let with = [
        source("tests/a.rs", &text),
        source("tests/tests/all/sim/b.rs", "fn it() {}"),
    ];
    let unnamed = wrong(&page, &with, &[]);
    assert_eq!(unnamed.len(), 1, "no row names the simulation: {unnamed:?}");
    let named = page.replace("`fault_15_it`", "`fault_15_it`, `sim::it`");
    assert_eq!(wrong(&named, &with, &[]), Vec::<String>::new());
}

#[test]
fn every_row_of_the_tables_is_mapped_to_its_tests() {
    none(
        "tests/README.md",
        &wrong(&read("tests/README.md"), &sources(), LATER),
    );
}
