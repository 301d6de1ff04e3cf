//! The names of the catalog's tables and views, and which names others may take.

use crate::error::Error;

/// The view of the lake's rows.
pub(crate) const CLICKS: &str = "clicks";
/// The view of the lake's dead letters.
pub(crate) const DEAD_LETTERS: &str = "dead_letters";
/// The table that shows how each partition's tail compares with the registered end; the tail's
/// rows are exported under the same name.
pub(crate) const TAIL: &str = "tail";
/// The views over the lake and the tail: the rows, and three aggregates by minute of arrival.
pub(crate) const LIVE_VIEWS: [&str; 4] = [
    "clicks_live",
    "clicks_per_minute",
    "totals_per_minute",
    "products_per_minute",
];
/// The views of the catalog's own database.
pub(crate) const CATALOG_VIEWS: [&str; 3] = ["shown", "rollup", "returns"];
/// The tables of the catalog's own database.
pub(crate) const CATALOG_TABLES: [&str; 18] = [
    "meta",
    "partitions",
    "gaps",
    "covered",
    "objects",
    "replays",
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

/// Checks the name of an external table or a data set: a word of SQL that is not taken.
///
/// # Errors
/// [`Error::Invalid`], which says why the name does not fit.
pub(crate) fn check(kind: &str, name: &str) -> Result<(), Error> {
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
    // Each replay has a table `clicks_NAME` and a table `dead_letters_NAME`.
    let of_lake = |table: &str| name == table || name.starts_with(&format!("{table}_"));
    let of_catalog = CATALOG_TABLES.contains(&name) || CATALOG_VIEWS.contains(&name);
    let of_tail = LIVE_VIEWS.contains(&name) || name == TAIL;
    if of_catalog || of_tail || of_lake(CLICKS) || of_lake(DEAD_LETTERS) {
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
    fn a_name_is_a_word_that_is_not_taken() {
        for name in ["orders", "p2_x"] {
            assert!(check("external", name).is_ok(), "{name}");
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
            assert!(check("external", name).is_err(), "{name}");
        }
    }
}
