use actix_web::web::Query;
use catalog::{Step, Timestamp};

use crate::http::params::QueryParams;
use crate::select::selection::Selection;
use crate::select::window::TimeWindow;

fn read(query: &str) -> Result<Selection, String> {
    let asked = Query::<QueryParams>::from_query(query).map_err(|error| error.to_string())?;
    Selection::read(&asked.into_inner()).map_err(|problem| problem.error)
}

fn window(
    query: &str,
    now: Timestamp,
    span: Option<(Timestamp, Timestamp)>,
) -> Result<TimeWindow, String> {
    let window = TimeWindow::of(&read(query)?, now, span);
    window.map_err(|problem| problem.error)
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
}

/// A plus that is not escaped arrives as a space.
#[test]
fn b83_a_plus_in_a_moment_is_a_plus() {
    let range = |from: &str| read(&format!("from={from}&to=2026-11-26")).unwrap().query();
    let escaped = range("2026-11-25T00:00:00%2B01:00");
    assert!(
        escaped.contains("from=2026-11-24T23:00:00.000000Z"),
        "{escaped}"
    );
    for plain in ["2026-11-25T00:00:00+01:00", "2026-11-25T00:00:00%2001:00"] {
        assert_eq!(range(plain), escaped, "{plain}");
    }
    assert!(
        read("from=2026-11-25+01:00").is_err(),
        "a day has no offset"
    );
}

#[test]
fn a_query_reads_as_it_is_written() {
    let check = |query: &str, expect: &str| {
        let selection = read(query).unwrap();
        assert_eq!(selection.query().trim_start_matches('?'), expect);
        assert_eq!(read(expect).unwrap(), selection, "{expect}");
    };
    check("", "");
    check("range=24h&from=&to=&step=&action=&product=&country=", "");
    check("range=7d&action=buy", "range=7d&action=buy");
    check("range=all&step=month", "range=all&step=month");
    check(
        "range=7d&from=2026-11-22T21:00",
        "from=2026-11-22T21:00:00.000000Z",
    );
    check(
        "to=2026-11-22&country=C%C3%B4te%20d%27Ivoire",
        "to=2026-11-22T00:00:00.000000Z&country=C%C3%B4te%20d%27Ivoire",
    );
    check("metric=revenue&step=", "metric=revenue");
    check("where=campaign&is=spring", "campaign=spring");
    check("where=campaign&is=", "");
    check(
        "without=referrer,device&page=/a",
        "page=%2Fa&without=referrer,device",
    );
    check(
        "then=view&then=&then=buy&within=2h",
        "then=view&then=buy&within=2h",
    );
    check("within=90m", "within=1h30m");
    check("within=24h", "");
    check(
        "product=a%26b%3D%3Cscript%3E",
        "product=a%26b%3D%3Cscript%3E",
    );
}

#[test]
fn input_36_what_is_not_known_is_refused_by_name() {
    let check = |query: &str, expect: &str| {
        let error = read(query).unwrap_err();
        assert!(error.contains(expect), "{query}: {error}");
    };
    check("range=year", "unknown range 'year'");
    check("step=year", "unknown step 'year'");
    check("metric=love", "unknown metric 'love'");
    check("without=love", "unknown dimension 'love'");
    check("where=love&is=blind", "unknown dimension 'love'");
    check("within=day", "'day' is not a length of time we can read");
    check("within=0h", "'0h' is not a length of time we can read");
    check("within=é", "'é' is not a length of time we can read");
    check("from=yesterday", "'yesterday' is not a date we can read");
    check("from=2026-11-22&to=2026-11-22", "not after its start");
    check("acton=buy", "unknown parameter 'acton'");
    check("action=a&action=b", "action is given twice");
}

#[test]
fn a_window_is_the_range_at_a_moment() {
    let now = at("2026-11-22T21:30:00Z");
    let span = Some((at("2010-12-01T08:26:00Z"), at("2011-12-09T12:50:00Z")));
    let check = |query: &str, from: &str, to: &str, step: Step, before_that: Option<_>| {
        let window = window(query, now, span).unwrap();
        assert_eq!(
            (window.filter.from, window.filter.to),
            (at(from), at(to)),
            "{query}"
        );
        let before = window.before.map(|filter| (filter.from, filter.to));
        let before = before.map(|(from, to)| format!("{from} {to}"));
        let expect = before_that.map(|(from, to)| format!("{} {}", at(from), at(to)));
        assert_eq!((window.step, before), (step, expect), "{query}");
    };
    check(
        "",
        "2026-11-21T22:00:00Z",
        "2026-11-22T21:30:00Z",
        Step::Hour,
        Some(("2026-11-20T22:00:00Z", "2026-11-21T21:30:00Z")),
    );
    check(
        "range=30d",
        "2026-10-23T22:00:00Z",
        "2026-11-22T21:30:00Z",
        Step::Day,
        Some(("2026-09-23T22:00:00Z", "2026-10-23T21:30:00Z")),
    );
    check(
        "range=1h&step=day",
        "2026-11-22T20:30:00Z",
        "2026-11-22T21:30:00Z",
        Step::Day,
        Some(("2026-11-22T19:30:00Z", "2026-11-22T20:30:00Z")),
    );
    check(
        "range=all",
        "2010-12-01T08:26:00Z",
        "2011-12-09T12:50:00.000001Z",
        Step::Month,
        None,
    );
    check(
        "from=2011-01-01",
        "2011-01-01T00:00:00Z",
        "2011-12-09T12:50:00.000001Z",
        Step::Week,
        None,
    );
    check(
        "from=2011-01-01&to=2011-01-02",
        "2011-01-01T00:00:00Z",
        "2011-01-02T00:00:00Z",
        Step::Hour,
        Some(("2010-12-31T00:00:00Z", "2011-01-01T00:00:00Z")),
    );
}

#[test]
fn a_step_that_is_too_fine_becomes_the_finest_that_fits() {
    let now = at("2026-11-22T21:30:00Z");
    let check = |query: &str, step: Step, too_fine: Option<(Step, u64)>| {
        let window = window(query, now, None).unwrap();
        assert_eq!((window.step, window.too_fine), (step, too_fine), "{query}");
    };
    check(
        "from=2026-11-01&to=2026-12-01&step=minute",
        Step::Hour,
        Some((Step::Minute, 43_200)),
    );
    check(
        "from=1995-01-01&to=2020-01-01&step=hour",
        Step::Day,
        Some((Step::Hour, 219_144)),
    );
    check(
        "from=2026-11-01&to=2026-11-02&step=minute",
        Step::Minute,
        None,
    );
    let refused = window("from=0001-01-01&to=9999-01-01&step=month", now, None);
    assert!(refused.unwrap_err().contains("steps of a month"));
}

#[test]
fn another_range_chooses_its_own_step() {
    for (query, ..) in read("range=1h&step=minute").unwrap().ranges() {
        assert!(!query.contains("step"), "{query}");
    }
}

#[test]
fn an_unknown_range_offers_the_known_ones() {
    let params = Query::<QueryParams>::from_query("range=year&action=buy").unwrap();
    let problem = Selection::read(&params).unwrap_err();
    let queries: Vec<_> = problem.choices.iter().map(|(query, ..)| query).collect();
    assert_eq!(queries[0], "?range=1h&action=buy");
    assert_eq!(queries.len(), 5);
}

#[test]
fn an_open_range_over_an_empty_lake_is_empty() {
    let now = at("2026-11-22T21:30:00Z");
    for query in ["range=all", "from=2030-01-01", "to=2020-01-01"] {
        let window = window(query, now, None).unwrap();
        assert!(window.filter.from <= window.filter.to, "{query}");
    }
}
