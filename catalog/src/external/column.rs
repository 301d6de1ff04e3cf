//! Columns of foreign files, compared with the table's columns of the same names.

use serde::{Deserialize, Serialize};

/// A column of a file or of an external table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileColumn {
    pub(super) name: String,
    /// Its type in DuckDB's words.
    pub(super) kind: String,
}

/// Types of whole numbers, each of which holds those before it.
const WHOLE: [&str; 5] = ["TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"];
/// Types of fractions, each of which holds those before it.
const FRACTIONS: [&str; 2] = ["FLOAT", "DOUBLE"];

/// Returns true if every value of type `narrow` is a value of type `wide`.
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
    fn a_type_holds_narrower_types() {
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
