//! How much of what others call an attack the patterns find, and how much of what a shop's visitors
//! send they take for one. `make measure` measures on everything; a test by itself takes samples of
//! the sales.

mod corpus;

use std::fmt::Write;
use std::time::Duration;

use tokio::time::Instant;

use self::corpus::PlannedRequest;
use super::file;
use super::patterns::PatternFamily;
use super::request::RequestHead;
use super::set::{BodyBytes, RuleSet};
use crate::testing;

/// Of every so many sales one is measured in a test.
const SALES_STEP: usize = 40;
/// What the patterns have to find, and what they may take wrongly.
const MIN_RECALL: f64 = 0.9;
const MAX_FALSE_ALARMS: f64 = 0.000_1;

/// One rule for each family.
fn families(families: &[PatternFamily]) -> RuleSet {
    let rule = |family: &PatternFamily| {
        let name = family.name();
        format!("[[rule]]\nname = \"{name}\"\naction = \"count\"\npatterns = [\"{name}\"]\n")
    };
    let text: String = families.iter().map(rule).collect();
    RuleSet::new(file::read(&text).unwrap())
}

/// Returns the names of the rules that mean a request, with their reasons.
fn judge(rules: &RuleSet, request: &PlannedRequest) -> Vec<String> {
    let head = RequestHead {
        method: &request.method,
        path: &request.path,
        query: &request.query,
        headers: &request.headers,
        client: None,
    };
    let mut asked = Vec::new();
    let judgement = rules.judge(&head, None, &mut asked);
    let mut reasons: Vec<_> = judgement
        .found
        .into_iter()
        .map(|finding| finding.reason)
        .collect();
    let body = BodyBytes {
        sent: request.body.len() as u64,
        inflated: &request.body,
    };
    if !request.body.is_empty() {
        let judgement = rules.judge(&head, Some(&body), &mut asked);
        reasons.extend(judgement.found.into_iter().map(|finding| finding.reason));
    }
    reasons
}

/// How many of the requests are found, of the odd ones and of the even ones.
struct Recall {
    odd: (usize, usize),
    even: (usize, usize),
}

impl Recall {
    fn of(rules: &RuleSet, requests: &[PlannedRequest]) -> Self {
        let count = |from: usize| {
            let half = requests.iter().skip(from).step_by(2);
            let is_found = |request: &&PlannedRequest| {
                let is_found = !judge(rules, request).is_empty();
                if !is_found && from == 0 && testing::measures_all() {
                    say(&format!("not found: {}", request.name));
                }
                is_found
            };
            (half.clone().filter(is_found).count(), half.count())
        };
        Self {
            odd: count(0),
            even: count(1),
        }
    }

    fn share((found, all): (usize, usize)) -> f64 {
        f64::from(u32::try_from(found).unwrap()) / f64::from(u32::try_from(all).unwrap())
    }

    fn row(&self, name: &str) -> String {
        let cell = |half| format!("{:.1} %", Self::share(half) * 100.0);
        let (odd, even) = (cell(self.odd), cell(self.even));
        format!(
            "{name}: odd {odd} of {}, even {even} of {}\n",
            self.odd.1, self.even.1
        )
    }
}

fn say(text: &str) {
    #[expect(clippy::print_stderr, reason = "a measurement is to be read")]
    {
        eprintln!("{text}");
    }
}

#[test]
fn input_28_nine_attacks_of_ten_are_found() {
    let mut said = String::new();
    for (list, family, crs) in [
        ("sqli", PatternFamily::Sqli, 942),
        ("xss", PatternFamily::Xss, 941),
    ] {
        let rules = families(&[family]);
        let Some(lines) = corpus::lines(list) else {
            return;
        };
        let (bodies, queries): (Vec<_>, Vec<_>) = lines
            .iter()
            .map(|line| corpus::carried(line))
            .map(|[body, query]| (body, query))
            .unzip();
        let (attacks, others) = corpus::crs(crs).unwrap();
        for (name, requests) in [
            (format!("{list} in bodies"), &bodies),
            (format!("{list} in queries"), &queries),
            (format!("{crs}"), &attacks),
        ] {
            let recall = Recall::of(&rules, requests);
            said += &recall.row(&name);
            assert!(Recall::share(recall.even) >= MIN_RECALL, "{said}");
        }
        let taken = others
            .iter()
            .filter(|request| !judge(&rules, request).is_empty())
            .count();
        writeln!(
            said,
            "{crs}: {taken} of {} that another rule set leaves are found",
            others.len()
        )
        .unwrap();
    }
    for (family, crs) in [
        (PatternFamily::Lfi, 930),
        (PatternFamily::Rce, 932),
        (PatternFamily::Protocol, 921),
        (PatternFamily::Protocol, 920),
    ] {
        let (attacks, _) = corpus::crs(crs).unwrap();
        said +=
            &Recall::of(&families(&[family]), &attacks).row(&format!("{crs} by {}", family.name()));
    }
    say(&said);
}

#[test]
fn input_28_the_shops_visitors_are_left_alone() {
    let step = if testing::measures_all() {
        1
    } else {
        SALES_STEP
    };
    let Some(sales) = corpus::sales(step) else {
        return;
    };
    let (visits, clients) = (corpus::visits().unwrap(), corpus::clients().unwrap());
    let rules = families(&PatternFamily::ALL);
    let (mut all, mut taken) = (0_u32, Vec::new());
    for (name, requests) in [("sales", sales), ("visits", visits), ("clients", clients)] {
        let before = taken.len();
        for request in &requests {
            let reasons = judge(&rules, request).into_iter();
            taken.extend(reasons.map(|reason| format!("{reason} of {}", request.name)));
        }
        say(&format!(
            "{name}: {} of {} are taken for attacks",
            taken.len() - before,
            requests.len()
        ));
        all += u32::try_from(requests.len()).unwrap();
    }
    let share = f64::from(u32::try_from(taken.len()).unwrap()) / f64::from(all);
    assert!(share <= MAX_FALSE_ALARMS, "{share}: {taken:#?}");
}

/// What visitors type, and what shops call their goods.
const ORDINARY: &str = include_str!("ordinary.txt");

#[test]
fn input_28_plain_language_is_no_attack() {
    let rules = families(&PatternFamily::ALL);
    let mut taken = Vec::new();
    for line in ORDINARY.lines() {
        for request in corpus::carried(line) {
            taken.extend(judge(&rules, &request));
        }
    }
    assert_eq!(taken, [""; 0]);
}

/// How long a text of this size may take on a loaded machine that was built to be debugged.
const HOSTILE_BYTES: usize = 64 << 10;
const MAX_HOSTILE_TIME: Duration = Duration::from_secs(5);

#[test]
fn input_28_no_text_takes_long_however_it_is_made() {
    let rules = families(&PatternFamily::ALL);
    let mut seed = 7_u64;
    let mut words = |pieces: &[&str]| {
        let mut text = String::new();
        while text.len() < HOSTILE_BYTES {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            text += pieces[usize::try_from(seed >> 33).unwrap() % pieces.len()];
        }
        text
    };
    let texts = [
        ("tags", words(&["<a "])),
        ("open tags", words(&["<a", " b", "=c", "\"", "/"])),
        (
            "quotes",
            words(&["'", "\"", " or ", "and ", "1", "=", "(", ")"]),
        ),
        (
            "selects",
            words(&["select ", "a,", "b ", "from", "(", " union"]),
        ),
        (
            "signs",
            words(&["{{", "$(", "`", "${", "[", "]", "/", "*", "?"]),
        ),
        (
            "percent",
            words(&["%2525", "%27", "&#39;", "\\u0027", "&lt", "%"]),
        ),
        ("comments", words(&["/*", "*/", "/*!", "-- "])),
        ("letters", words(&["aé", "ß", "日本", " ", "x"])),
        ("styles", words(&["style=\"", "a:b;", "case ", "when "])),
        (
            "code",
            words(&["eval(", "aaaaaaa", "process", "{", "include("]),
        ),
        (
            "noise",
            words(&[
                "<", ">", "'", "\"", ";", "a", "s", "o", "n", "=", " ", "(", "|", "-",
            ]),
        ),
    ];
    for (name, text) in &texts {
        let click = serde_json::json!({"visitor_id": "v", "q": text}).to_string();
        let request = PlannedRequest::body(name, click);
        let since = Instant::now();
        let _ = judge(&rules, &request);
        let took = since.elapsed();
        say(&format!(
            "{name}: {} ns a byte",
            took.as_nanos() / HOSTILE_BYTES as u128
        ));
        assert!(took < MAX_HOSTILE_TIME, "{name} took {took:?}");
    }
}
