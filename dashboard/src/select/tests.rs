use actix_web::web::Query;
use catalog::{Step, Timestamp};

use crate::http::params::Asked;
use crate::select::selection::Selection;

fn read(query: &str) -> Result<Selection, String> {
    let asked = Query::<Asked>::from_query(query).map_err(|error| error.to_string())?;
    Selection::read(&asked.into_inner()).map_err(|problem| problem.error)
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
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
        "then=view&then=buy&within=120m",
    );
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
    check("range=year", "range \"year\" is not known");
    check("step=year", "step \"year\" is not known");
    check("metric=love", "metric \"love\" is not known");
    check("without=love", "dimension \"love\" is not known");
    check("where=love&is=blind", "dimension \"love\" is not known");
    check("within=day", "within \"day\" is not a time");
    check("within=0h", "within \"0h\" is not a time");
    check("within=é", "within \"é\" is not a time");
    check("from=yesterday", "from \"yesterday\" is not a moment");
    check("from=2026-11-22&to=2026-11-22", "not after its begin");
    check("acton=buy", "acton");
    check("action=a&action=b", "action");
}

#[test]
fn a_window_is_the_range_at_a_moment() {
    let now = at("2026-11-22T21:30:00Z");
    let span = Some((at("2010-12-01T08:26:00Z"), at("2011-12-09T12:50:00Z")));
    let check = |query: &str, from: &str, to: &str, step: Step, before_that: Option<_>| {
        let window = read(query).unwrap().window(now, span).unwrap();
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
fn a_step_that_is_too_fine_is_refused_and_another_range_chooses_anew() {
    let now = at("2026-11-22T21:30:00Z");
    let fine = read("range=30d&step=minute").unwrap();
    let refused = fine.window(now, None).unwrap_err();
    assert!(refused.error.contains("too many steps"), "{refused}");
    for (query, ..) in read("range=1h&step=minute").unwrap().ranges() {
        assert!(!query.contains("step"), "{query}");
    }
}

#[test]
fn an_open_range_over_an_empty_lake_is_empty() {
    let now = at("2026-11-22T21:30:00Z");
    for query in ["range=all", "from=2030-01-01", "to=2020-01-01"] {
        let window = read(query).unwrap().window(now, None).unwrap();
        assert!(window.filter.from <= window.filter.to, "{query}");
    }
}
