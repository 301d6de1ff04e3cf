//! Numbers as people write them, as JSON writes them.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

/// What people put between groups of digits.
const SEPARATORS: &[char] = &[
    ',', '.', '\'', '\u{2019}', ' ', '\u{a0}', '\u{2009}', '\u{202f}',
];
const NO_NUMBER: &str = "not a number";
const WHICH_MARK: &str = "a number that can be read in two ways: say in the mapping whether decimal = \".\" or decimal = \",\"";
const COMMA: &str =
    "not a number; if the comma is its decimal mark, write decimal = \",\" in the mapping";
const CURRENCY: &str =
    "not a number; write in the rule which sign is around it, as currency = \"$\"";

/// The mark before the fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum DecimalMark {
    #[serde(rename = ".")]
    Point,
    #[serde(rename = ",")]
    Comma,
}

/// How a column writes its numbers.
#[derive(Debug, Clone, Default)]
pub(super) struct NumberStyle {
    /// `None` if the mapping does not say: then it is a point, and a comma that may be either
    /// is refused.
    decimal: Option<DecimalMark>,
    /// The signs or codes that may be before or after the number, the longest first.
    currency: Vec<String>,
}

impl NumberStyle {
    pub(super) fn new(decimal: Option<DecimalMark>, mut currency: Vec<String>) -> Self {
        currency.retain(|sign| !sign.is_empty());
        currency.sort_by_key(|sign| std::cmp::Reverse(sign.len()));
        Self { decimal, currency }
    }

    /// Returns the number as JSON writes it. The error says what the text is not.
    pub(super) fn number<'t>(&self, text: &'t str) -> Result<Cow<'t, str>, &'static str> {
        let text = text.trim();
        if self.decimal != Some(DecimalMark::Comma) && is_json(text) {
            return Ok(Cow::Borrowed(text));
        }
        let (is_negative, body) = self.bare(text);
        let (mantissa, exponent) = exponent(body);
        let (whole, fraction) = self.split(mantissa)?;
        let digits = whole.trim_start_matches('0');
        let mut json = String::with_capacity(text.len() + 2);
        if is_negative {
            json.push('-');
        }
        json.push_str(if digits.is_empty() { "0" } else { digits });
        if !fraction.is_empty() {
            json.push('.');
            json.push_str(fraction);
        }
        if let Some(exponent) = exponent {
            let power = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            if !are_digits(power) {
                return Err(NO_NUMBER);
            }
            json.push('e');
            json.push_str(exponent);
        }
        Ok(Cow::Owned(json))
    }

    /// The same, without a fraction that is zero.
    pub(super) fn integer<'t>(&self, text: &'t str) -> Result<Cow<'t, str>, &'static str> {
        let number = self.number(text)?;
        let whole = number
            .split_once('.')
            .filter(|(_, fraction)| fraction.bytes().all(|digit| digit == b'0'))
            .map(|(whole, _)| whole.to_owned());
        Ok(whole.map_or(number, Cow::Owned))
    }

    /// Takes away what is around the digits: a sign on either side, brackets that mean a minus,
    /// and a currency. Returns true in front if the number is negative.
    fn bare<'t>(&self, text: &'t str) -> (bool, &'t str) {
        let bracketed = text
            .strip_prefix('(')
            .and_then(|rest| rest.strip_suffix(')'));
        let (mut is_signed, mut is_marked) = (bracketed.is_some(), false);
        let mut is_negative = is_signed;
        let mut rest = bracketed.unwrap_or(text);
        loop {
            rest = rest.trim();
            let minus = rest
                .strip_prefix(['-', '\u{2212}'])
                .or_else(|| rest.strip_suffix('-'));
            let signed = minus.or_else(|| rest.strip_prefix('+'));
            if let (false, Some(bare)) = (is_signed, signed) {
                (is_signed, is_negative, rest) = (true, minus.is_some(), bare);
                continue;
            }
            let marked = self.currency.iter().find_map(|sign| {
                rest.strip_prefix(sign.as_str())
                    .or_else(|| rest.strip_suffix(sign.as_str()))
            });
            if let (false, Some(bare)) = (is_marked, marked) {
                (is_marked, rest) = (true, bare);
                continue;
            }
            return (is_negative, rest);
        }
    }

    /// Splits digits at the decimal mark, and takes the separators out of the whole part.
    fn split<'t>(&self, digits: &'t str) -> Result<(Cow<'t, str>, &'t str), &'static str> {
        let mark = match self.decimal {
            Some(DecimalMark::Comma) => ',',
            Some(DecimalMark::Point) | None => '.',
        };
        let (whole, fraction) = digits.rsplit_once(mark).unwrap_or((digits, ""));
        if !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(self.hint(digits));
        }
        if are_digits(whole) || (whole.is_empty() && !fraction.is_empty()) {
            return Ok((Cow::Borrowed(whole), fraction));
        }
        let Some(separator) = whole.chars().find(|digit| !digit.is_ascii_digit()) else {
            return Err(NO_NUMBER);
        };
        let groups: Vec<&str> = whole.split(separator).collect();
        let (first, last) = (groups[0], groups[groups.len() - 1]);
        let fits = separator != mark
            && SEPARATORS.contains(&separator)
            && (1..=3).contains(&first.len())
            && last.len() == 3
            && groups[1..]
                .iter()
                .all(|group| (2..=3).contains(&group.len()))
            && groups.iter().all(|group| are_digits(group));
        if !fits {
            return Err(self.hint(digits));
        }
        let is_either = separator == ',' && groups.len() == 2 && whole.len() == digits.len();
        if self.decimal.is_none() && is_either {
            return Err(WHICH_MARK);
        }
        Ok((Cow::Owned(groups.concat()), fraction))
    }

    /// Says what may be missing in the mapping.
    fn hint(&self, digits: &str) -> &'static str {
        let is_digit = |sign: char| sign.is_ascii_digit();
        let is_foreign =
            |sign: char| !is_digit(sign) && !SEPARATORS.contains(&sign) && !"+-".contains(sign);
        if digits.matches(is_foreign).count() > 3 || !digits.contains(is_digit) {
            NO_NUMBER
        } else if digits.contains(is_foreign) {
            CURRENCY
        } else if self.decimal.is_none() && digits.contains(',') {
            COMMA
        } else {
            NO_NUMBER
        }
    }
}

/// Splits off an exponent: what follows an e that a digit or a sign follows.
fn exponent(body: &str) -> (&str, Option<&str>) {
    let begins =
        |rest: &str| rest.starts_with(|sign: char| sign.is_ascii_digit() || "+-".contains(sign));
    let found = body
        .match_indices(['e', 'E'])
        .find(|(at, _)| begins(&body[at + 1..]));
    found.map_or((body, None), |(at, _)| (&body[..at], Some(&body[at + 1..])))
}

fn are_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit())
}

/// Returns true if the text is a number as JSON writes it.
fn is_json(text: &str) -> bool {
    text.starts_with(|first: char| first == '-' || first.is_ascii_digit())
        && serde_json::from_str::<&RawValue>(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn style(decimal: Option<DecimalMark>, currency: &[&str]) -> NumberStyle {
        NumberStyle::new(decimal, currency.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn numbers_as_people_write_them() {
        let check = |style: &NumberStyle, cases: &[(&str, &str)]| {
            for (text, expect) in cases {
                assert_eq!(style.number(text).as_deref(), Ok(*expect), "{text}");
            }
        };
        let unsaid = style(None, &[]);
        check(
            &unsaid,
            &[
                (".99", "0.99"),
                ("08", "8"),
                ("+5", "5"),
                ("5.", "5"),
                ("-.5", "-0.5"),
                ("1,234.56", "1234.56"),
                ("1,234,567", "1234567"),
                ("12,34,567.8", "1234567.8"),
                ("1 234", "1234"),
                ("1\u{202f}234.5", "1234.5"),
                ("1'234.50", "1234.50"),
                ("1’234", "1234"),
                ("\u{2212}5", "-5"),
                ("5-", "-5"),
                ("(5.00)", "-5.00"),
                ("1E5", "1E5"),
                ("+1.5e-3", "1.5e-3"),
                ("000", "0"),
                ("\u{a0}7 ", "7"),
                ("1.50", "1.50"),
            ],
        );
        let comma = style(Some(DecimalMark::Comma), &["€", "EUR"]);
        check(
            &comma,
            &[
                ("12,50", "12.50"),
                ("1.234,56", "1234.56"),
                ("1.234", "1234"),
                ("1.234.567", "1234567"),
                ("1 234,5", "1234.5"),
                (",5", "0.5"),
                ("-12,50 €", "-12.50"),
                ("EUR 12", "12"),
                ("€-1,5", "-1.5"),
                ("7", "7"),
            ],
        );
        let point = style(Some(DecimalMark::Point), &["$", "US$"]);
        check(
            &point,
            &[
                ("$9.99", "9.99"),
                ("-$9.99", "-9.99"),
                ("$-9.99", "-9.99"),
                ("9.99 US$", "9.99"),
                ("($1,234.50)", "-1234.50"),
                ("1,234", "1234"),
            ],
        );
    }

    #[test]
    fn what_is_no_number_or_two_says_so() {
        let check = |style: &NumberStyle, cases: &[(&str, &str)]| {
            for (text, expect) in cases {
                assert_eq!(style.number(text), Err(*expect), "{text}");
            }
        };
        let unsaid = style(None, &[]);
        check(
            &unsaid,
            &[
                ("1,234", WHICH_MARK),
                ("12,50", COMMA),
                ("1,50", COMMA),
                ("1.234,56", COMMA),
                ("$9.99", CURRENCY),
                ("12 EUR", CURRENCY),
                ("nan", NO_NUMBER),
                ("12,5,0", COMMA),
                ("1.2.3", NO_NUMBER),
                ("--5", NO_NUMBER),
                ("e5", NO_NUMBER),
                ("1e", CURRENCY),
                (".", NO_NUMBER),
                ("-", NO_NUMBER),
                ("n/a", NO_NUMBER),
                ("", NO_NUMBER),
            ],
        );
        let comma = style(Some(DecimalMark::Comma), &["€"]);
        check(
            &comma,
            &[
                ("12.50", NO_NUMBER),
                ("1,5,0", NO_NUMBER),
                ("€€5", CURRENCY),
            ],
        );
    }

    #[test]
    fn a_whole_number_may_come_with_a_zero_fraction() {
        let check = |text: &str, expect: &str| {
            assert_eq!(style(None, &[]).integer(text).as_deref(), Ok(expect));
        };
        check("7.0", "7");
        check("7.000", "7");
        check("08.", "8");
        check("7.5", "7.5");
        check("1e3", "1e3");
    }
}
