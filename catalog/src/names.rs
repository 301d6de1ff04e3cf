//! The names of our tables and views, and which names others may take.

use crate::error::Error;

/// The rows of the lake.
pub(crate) const CLICKS: &str = "clicks";
/// Its dead letters.
pub(crate) const DEAD_LETTERS: &str = "dead_letters";
/// The name under which the tail's rows are lent, and how they stand is shown.
pub(crate) const TAIL: &str = "tail";
/// The views of the lake and the tail: the rows, and what people ask of them minute by minute.
pub(crate) const LIVE_VIEWS: [&str; 4] = [
    "clicks_live",
    "clicks_per_minute",
    "totals_per_minute",
    "products_per_minute",
];
/// The views' names.
pub(crate) const OWN_VIEWS: [&str; 3] = ["shown", "rollup", "returns"];

/// The tables' names.
pub(crate) const OWN_TABLES: [&str; 19] = [
    "meta",
    "partitions",
    "gaps",
    "objects",
    "replays",
    "promoted",
    "pieces",
    "rollup_base",
    "rollup_fresh",
    "returns_base",
    "returns_fresh",
    "visits",
    "settled",
    "products",
    "crawls",
    "external_tables",
    "external_objects",
    "external_runs",
    "dataset_runs",
];

/// Whether a table of one's own may bear this name: a word of SQL that nothing else here has.
///
/// # Errors
/// [`Error::Invalid`], which says why not.
pub(crate) fn fit(kind: &str, name: &str) -> Result<(), Error> {
    let taken = |table: &str| name == table || name.starts_with(&format!("{table}_"));
    let word = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.len() <= 63
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if !word {
        return Err(Error::Invalid(format!(
            "{kind} {name:?}: a name is small letters, digits and _, and begins with a letter"
        )));
    }
    let own = OWN_TABLES.contains(&name) || OWN_VIEWS.contains(&name);
    let known = own || LIVE_VIEWS.contains(&name) || name == TAIL;
    if known || taken(CLICKS) || taken(DEAD_LETTERS) {
        return Err(Error::Invalid(format!(
            "{kind} {name:?}: the catalog has a table of that name, take another"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_word_that_nothing_else_has() {
        for name in ["orders", "p2_x"] {
            assert!(fit("external", name).is_ok(), "{name}");
        }
        for name in [
            "",
            "2p",
            "Products",
            "a b",
            "x\"y",
            "clicks",
            "clicks_a",
            "objects",
            "tail",
            "totals_per_minute",
        ] {
            assert!(fit("external", name).is_err(), "{name}");
        }
    }
}
