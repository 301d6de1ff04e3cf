//! A column of a foreign object beside the table's column of that name.

use serde::{Deserialize, Serialize};

/// A column: its name and its type in DuckDB's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: String,
}

/// Whole numbers, each holding those before it.
const WHOLE: [&str; 5] = ["TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"];
/// Fractions, each holding those before it.
const FRACTIONS: [&str; 2] = ["FLOAT", "DOUBLE"];

/// Whether every value of type `narrow` is one of type `wide`.
pub(super) fn holds(wide: &str, narrow: &str) -> bool {
    let rank = |of: &[&str], kind: &str| of.iter().position(|known| *known == kind);
    let within = |of: &[&str]| {
        rank(of, narrow)
            .zip(rank(of, wide))
            .is_some_and(|(n, w)| n <= w)
    };
    wide == narrow
        || within(&WHOLE)
        || within(&FRACTIONS)
        // A double has 53 bits.
        || (wide == "DOUBLE" && rank(&WHOLE, narrow).is_some_and(|n| n <= 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_holds_what_is_narrower() {
        let check =
            |wide, narrow, expect| assert_eq!(holds(wide, narrow), expect, "{wide} {narrow}");
        check("BIGINT", "INTEGER", true);
        check("INTEGER", "BIGINT", false);
        check("DOUBLE", "INTEGER", true);
        check("DOUBLE", "BIGINT", false);
        check("VARCHAR", "VARCHAR", true);
        check("VARCHAR", "INTEGER", false);
        check("DECIMAL(9,2)", "DECIMAL(9,2)", true);
    }
}
