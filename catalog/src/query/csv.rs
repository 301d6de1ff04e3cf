//! CSV whose text a spreadsheet does not run as formulas.

/// The first letters of a cell that a spreadsheet takes for a formula, full-width ones included.
const FORMULA_STARTS: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

/// Adds one line that ends in CR LF, as in RFC 4180. A cell's flag is true if it is text: text that
/// a spreadsheet would take for a formula gets a leading apostrophe.
pub fn line<'c>(out: &mut String, cells: impl IntoIterator<Item = (&'c str, bool)>) {
    for (place, (cell, is_text)) in cells.into_iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        let formula = is_text && cell.starts_with(FORMULA_STARTS);
        if formula || cell.contains([',', '"', '\n', '\r']) {
            out.push('"');
            if formula {
                out.push('\'');
            }
            out.push_str(&cell.replace('"', "\"\""));
            out.push('"');
        } else {
            out.push_str(cell);
        }
    }
    out.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn input_29_a_formula_leaves_as_text_and_a_number_as_a_number() {
        let check = |cell: &str, is_text: bool, expect: &str| {
            let mut out = String::new();
            line(&mut out, [(cell, is_text)]);
            assert_eq!(out, format!("{expect}\r\n"));
        };
        check("=1+1", true, "\"'=1+1\"");
        check(
            "=HYPERLINK(\"http://a\")",
            true,
            "\"'=HYPERLINK(\"\"http://a\"\")\"",
        );
        check("+49 30 1234", true, "\"'+49 30 1234\"");
        check("@SUM(A1)", true, "\"'@SUM(A1)\"");
        check("-cmd|' /C calc'!A0", true, "\"'-cmd|' /C calc'!A0\"");
        check("\t=1", true, "\"'\t=1\"");
        check("＝1+1", true, "\"'＝1+1\"");
        check("-12.5", false, "-12.5");
        check("a=b", true, "a=b");
        check("a,\"b\"\nc", true, "\"a,\"\"b\"\"\nc\"");
        check("", true, "");
    }
}
