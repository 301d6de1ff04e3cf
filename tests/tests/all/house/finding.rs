//! What a rule finds, and the lists of exceptions, which can only shrink.

/// The findings whose path begins with none of the places where a rule does not hold yet, and
/// each such place that has no finding any more.
pub(super) fn not_yet(findings: Vec<String>, places: &[&str]) -> Vec<String> {
    let is_idle = |place: &&&str| !findings.iter().any(|one| one.starts_with(**place));
    let idle = places.iter().filter(is_idle);
    let idle: Vec<String> = idle
        .map(|place| format!("{place} keeps the rule now: take it off the list"))
        .collect();
    let is_new = |one: &String| !places.iter().any(|place| one.starts_with(place));
    findings.into_iter().filter(is_new).chain(idle).collect()
}

/// Fails with `what` and the findings, if there are any.
pub(super) fn none(what: &str, findings: &[String]) {
    assert!(findings.is_empty(), "{what}:\n{}", findings.join("\n"));
}

#[test]
fn a_list_of_exceptions_can_only_shrink() {
    let findings = ["a/x.rs: 1", "b/y.rs: 2"].map(str::to_owned);
    assert_eq!(
        not_yet(findings.to_vec(), &["a/", "c/"]),
        ["b/y.rs: 2", "c/ keeps the rule now: take it off the list"]
    );
}
