//! Which type a column of texts has: the one under which every cell, written out again, is the same
//! text.

use crate::external::kind::Kind;
use crate::sql::{Ident, Literal, joined, list};

/// Words that stand where a value is missing. In a column whose other cells are numbers or moments
/// they are NULL, and counted.
const MISSING: [&str; 22] = [
    "N/A", "n/a", "NA", "#N/A", "null", "NULL", "Null", "None", "none", "nil", "NaN", "nan", "-",
    "--", "?", ".", "\\N", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "unknown",
];
/// Names of columns that hold ids, which are text even if all of them look like numbers: they join
/// with the clicks' own.
const ID_NAMES: [&str; 8] = ["id", "sku", "ean", "gtin", "upc", "isbn", "asin", "barcode"];
/// Texts in a moment's type.
const DATE: &str = r"\d{4}-\d\d-\d\d";
const TIME: &str = r"\d\d:\d\d:\d\d(\.\d{1,6})?";
const ZONE: &str = r"(Z|[+-]\d\d(:?\d\d)?)";

/// What a column's type is decided by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CellPlan {
    /// This type, whatever the cells are.
    Typed(String),
    /// Bytes, written as hexadecimal digits.
    Hex,
    /// JSON that is nested.
    Nested,
    /// What the cells show. If `numbers`, their source says which are numbers, so `4` is one among
    /// `2.50`.
    Guessed { numbers: bool },
}

/// What is asked of a column's cells.
pub(super) struct TypeGuess<'c> {
    pub(super) column: &'c str,
    /// True if numbers have a decimal comma.
    pub(super) comma: bool,
}

/// How many cells of a column look like each type.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct CellCounts {
    filled: u64,
    missing: u64,
    whole: u64,
    fraction: u64,
    fixed: u64,
    boolean: u64,
    date: u64,
    moment: u64,
    zoned: u64,
    /// The fewest and the most digits after the point, and the most letters.
    scales: [u64; 3],
}

impl TypeGuess<'_> {
    /// A cell without the writing of its numbers.
    fn number(&self) -> String {
        let column = Ident(self.column);
        let trimmed = format!("trim({column})");
        match self.comma {
            false => trimmed,
            true => format!(
                "CASE WHEN regexp_full_match({trimmed}, '-?([0-9]+|[0-9]{{1,3}}(\\.[0-9]{{3}})+)(,[0-9]+)?')
                 THEN replace(replace({trimmed}, '.', ''), ',', '.') ELSE {trimmed} END"
            ),
        }
    }

    /// SQL of twelve numbers, in the order of the fields of [`Looks`].
    pub(super) fn select(&self) -> String {
        let (column, number) = (Ident(self.column), self.number());
        let matches =
            |of: &str, pattern: &str| format!("regexp_full_match({of}, {})", Literal(pattern));
        let fixed = matches(&number, r"-?(0|[1-9][0-9]{0,17})\.[0-9]{1,18}");
        let scale = format!("CASE WHEN {fixed} THEN length({number}) - instr({number}, '.') END");
        let casts = |pattern: &str, kind: &str| {
            format!(
                "{} AND TRY_CAST(trim({column}) AS {kind}) IS NOT NULL",
                matches(&format!("trim({column})"), pattern)
            )
        };
        let conditions = [
            format!("{column} IS NOT NULL AND {column} <> ''"),
            format!("trim({column}) IN {}", in_list(MISSING)),
            format!(
                "{} AND {number} <> '-0'",
                matches(&number, r"-?(0|[1-9][0-9]{0,17})")
            ),
            format!(
                "{} AND length({number}) <= 16",
                matches(&number, r"-?(0|[1-9][0-9]*)\.[0-9]*[1-9]")
            ),
            fixed.clone(),
            format!("{column} IN ('true', 'false')"),
            casts(DATE, "DATE"),
            casts(&format!("{DATE}[ T]{TIME}"), "TIMESTAMP"),
            casts(&format!("{DATE}[ T]{TIME}{ZONE}"), "TIMESTAMPTZ"),
        ];
        let counts = conditions
            .into_iter()
            .map(|condition| format!("(count(*) FILTER ({condition}))::UBIGINT"));
        let extremes = ["min", "max"].map(|of| format!("coalesce({of}({scale}), 0)::UBIGINT"));
        let longest = format!("coalesce(max(length({number})) FILTER ({fixed}), 0)::UBIGINT");
        joined(counts.chain(extremes).chain([longest]), ", ")
    }

    /// SQL of the column's values in that type.
    pub(super) fn value(&self, kind: &str) -> String {
        let (column, number) = (Ident(self.column), self.number());
        let cast = format!("TRY_CAST({number} AS {kind})");
        let whole = kind.ends_with("INT") || kind == "INTEGER";
        if kind == "VARCHAR" {
            column.to_string()
        } else if whole {
            // A cast would round.
            format!("CASE WHEN regexp_full_match({number}, '[-+]?[0-9]+(\\.0*)?') THEN {cast} END")
        } else if kind.starts_with("DECIMAL") {
            format!("CASE WHEN {cast}::DOUBLE = TRY_CAST({number} AS DOUBLE) THEN {cast} END")
        } else {
            cast
        }
    }
}

impl CellCounts {
    /// How many numbers [`Guess::select`] asks for.
    pub(super) const NUMBERS: usize = 12;

    pub(super) fn new(numbers: &[u64]) -> Self {
        let at = |place: usize| numbers.get(place).copied().unwrap_or(0);
        Self {
            filled: at(0),
            missing: at(1),
            whole: at(2),
            fraction: at(3),
            fixed: at(4),
            boolean: at(5),
            date: at(6),
            moment: at(7),
            zoned: at(8),
            scales: [at(9), at(10), at(11)],
        }
    }

    /// The type, and why it is no number although all cells are numbers.
    pub(super) fn kind(&self, name: &str, numbers: bool) -> (String, Option<String>) {
        let plain = |kind: &str| (kind.to_owned(), None);
        let values = self.filled - self.missing;
        if values == 0 || is_id(name) {
            return plain("VARCHAR");
        }
        let [least, most, longest] = self.scales;
        let same_scale = least == most && self.whole == 0;
        if self.whole == values {
            plain("BIGINT")
        } else if self.whole + self.fraction == values
            || (numbers && self.whole + self.fixed.max(self.fraction) == values)
        {
            plain("DOUBLE")
        } else if self.fixed == values && same_scale && longest <= 38 {
            // The sign and the point are counted as digits, which does no harm.
            (format!("DECIMAL({longest},{most})"), None)
        } else if self.boolean == self.filled {
            plain("BOOLEAN")
        } else if self.date == values {
            plain("DATE")
        } else if self.moment == values {
            plain("TIMESTAMP")
        } else if self.zoned == values {
            plain("TIMESTAMP WITH TIME ZONE")
        } else if self.whole + self.fixed == values {
            let why = "its numbers end in zeros that a number would lose";
            ("VARCHAR".to_owned(), Some(why.to_owned()))
        } else {
            plain("VARCHAR")
        }
    }
}

fn in_list<const N: usize>(words: [&str; N]) -> String {
    let words = list(words.map(Literal));
    format!("({})", &words[1..words.len() - 1])
}

/// Returns true for names of ids, among them those of the clicks' own columns of text.
pub(super) fn is_id(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let own = sink::COLUMNS.iter();
    let mut own = own.filter(|column| column.kind.sql() == "VARCHAR");
    ID_NAMES.contains(&name.as_str())
        || name.ends_with("_id")
        || own.any(|column| column.name == name)
}

/// The types that `types` may say, each in DuckDB's words.
pub(crate) fn typed(text: &str) -> Result<String, String> {
    let upper = text.trim().to_ascii_uppercase();
    let kind = match upper.as_str() {
        "TEXT" | "STRING" | "VARCHAR" => "VARCHAR",
        "INT" | "INTEGER" => "INTEGER",
        "REAL" | "FLOAT" => "FLOAT",
        "TIMESTAMPTZ" | "TIMESTAMP WITH TIME ZONE" => "TIMESTAMP WITH TIME ZONE",
        "BOOL" | "BOOLEAN" => "BOOLEAN",
        kind @ ("SMALLINT" | "BIGINT" | "HUGEINT" | "DOUBLE" | "DATE" | "TIME" | "TIMESTAMP"
        | "UUID") => kind,
        decimal if is_decimal(decimal) => decimal,
        _ => {
            return Err(format!(
                "{text:?} is no type: write VARCHAR, BIGINT, DOUBLE, DECIMAL(18,2), BOOLEAN, DATE, TIMESTAMP, TIMESTAMPTZ, TIME or UUID"
            ));
        }
    };
    Ok(kind.to_owned())
}

fn is_decimal(text: &str) -> bool {
    let inner = text
        .strip_prefix("DECIMAL(")
        .and_then(|rest| rest.strip_suffix(')'));
    let parts = inner.and_then(|inner| inner.split_once(','));
    let digits = parts.and_then(|(digits, scale)| {
        Some((
            digits.trim().parse::<u8>().ok()?,
            scale.trim().parse::<u8>().ok()?,
        ))
    });
    digits.is_some_and(|(digits, scale)| (1..=38).contains(&digits) && scale <= digits)
        && matches!(Kind::parse(text), Kind::Scalar { .. })
}

#[cfg(test)]
mod tests {
    use duckdb::Connection;

    use super::*;

    fn guessed(cells: &[&str], comma: bool) -> (String, Vec<String>) {
        let connection = Connection::open_in_memory().unwrap();
        let rows = joined(
            cells.iter().map(|cell| format!("({})", Literal(cell))),
            ", ",
        );
        let make = format!("CREATE TABLE r AS FROM (VALUES {rows}) t(c)");
        connection.execute_batch(&make).unwrap();
        let guess = TypeGuess { column: "c", comma };
        let sql = format!("SELECT {} FROM r", guess.select());
        let numbers = connection
            .query_row(&sql, [], |row| {
                (0..CellCounts::NUMBERS)
                    .map(|place| row.get(place))
                    .collect()
            })
            .unwrap();
        let numbers: Vec<u64> = numbers;
        let (kind, _) = CellCounts::new(&numbers).kind("c", false);
        let sql = format!(
            "SELECT coalesce(({})::VARCHAR, '-') FROM r",
            guess.value(&kind)
        );
        let mut statement = connection.prepare(&sql).unwrap();
        let written = statement.query_map([], |row| row.get(0)).unwrap();
        (kind, written.collect::<Result<_, _>>().unwrap())
    }

    #[test]
    fn no_cell_is_changed() {
        let check = |cells: &[&str], kind: &str| {
            let (found, written) = guessed(cells, false);
            assert_eq!(found, kind, "{cells:?}");
            assert_eq!(written, cells, "{kind}");
        };
        check(&["1", "20", "-3", "0"], "BIGINT");
        check(&["01", "20"], "VARCHAR");
        check(&["+5", "6"], "VARCHAR");
        check(&["1E5", "2"], "VARCHAR");
        check(&["NO", "SE"], "VARCHAR");
        check(&["yes", "no"], "VARCHAR");
        check(&["t", "f"], "VARCHAR");
        check(&["true", "false"], "BOOLEAN");
        check(&["TRUE", "false"], "VARCHAR");
        check(&["0.25", "0.5", "1.125"], "DOUBLE");
        check(&["1.10", "1.90"], "DECIMAL(4,2)");
        check(&["1.10", "1.9"], "VARCHAR");
        check(&["-0", "1"], "VARCHAR");
        check(&["9007199254740993", "1"], "BIGINT");
        check(&["18446744073709551615", "1"], "VARCHAR");
        check(&["12345678901234567.5"], "DECIMAL(19,1)");
        check(&["2026-11-22", "2024-02-29"], "DATE");
        check(&["2026-11-22", "2023-02-29"], "VARCHAR");
        check(&["0000-00-00"], "VARCHAR");
        check(&["2026-11-22 10:00:00"], "TIMESTAMP");
        check(&["1,234", "5"], "VARCHAR");
        check(&["inf", "nan"], "VARCHAR");
        check(&["0x10", "1_000"], "VARCHAR");
        check(&["N/A", "-"], "VARCHAR");
        check(&["12:30", "1"], "VARCHAR");
    }

    #[test]
    fn b34_a_word_for_nothing_costs_its_cell() {
        let check = |cells: &[&str], kind: &str, expect: &[&str]| {
            let (found, written) = guessed(cells, false);
            assert_eq!(
                (found.as_str(), written),
                (kind, expect.iter().map(|one| (*one).to_owned()).collect()),
                "{cells:?}"
            );
        };
        check(&["1", "N/A", "3"], "BIGINT", &["1", "-", "3"]);
        check(&["0.5", "-", "#REF!"], "DOUBLE", &["0.5", "-", "-"]);
        check(&["2026-11-22", "null"], "DATE", &["2026-11-22", "-"]);
        // Any other word is a value.
        check(&["1", "A-12"], "VARCHAR", &["1", "A-12"]);
        check(&["true", "N/A"], "VARCHAR", &["true", "N/A"]);
    }

    #[test]
    fn b36_decimal_commas_are_read_if_the_configuration_says_so() {
        assert_eq!(
            guessed(&["1,5", "-2,25", "1.234,5"], true).1,
            ["1.5", "-2.25", "1234.5"]
        );
        assert_eq!(
            guessed(&["1.234", "5"], true),
            ("BIGINT".into(), vec!["1234".into(), "5".into()])
        );
        assert_eq!(guessed(&["a,b", "1.2.3"], true).1, ["a,b", "1.2.3"]);
    }

    #[test]
    fn ids_are_text() {
        for name in [
            "product_id",
            "PRODUCT_ID",
            "sku",
            "supplier_id",
            "order_id",
            "country",
            "id",
        ] {
            assert!(is_id(name), "{name}");
        }
        for name in ["stock", "price", "paid", "quantity"] {
            assert!(!is_id(name), "{name}");
        }
    }

    #[test]
    fn types_are_those_of_a_list() {
        for text in ["bigint", "TEXT", "decimal(18,2)", "Timestamptz"] {
            assert!(typed(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "BLOB)",
            "DECIMAL(39,2)",
            "DECIMAL(2,3)",
            "INT; DROP",
            "DECIMAL(9,2)[]",
        ] {
            assert!(typed(text).is_err(), "{text}");
        }
    }
}
