//! A column's value, from what the client sent: numbers may be text and texts may be numbers.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use sink::Reason;

use super::defect::Defect;
use super::native::Scalar;

/// Beyond 2^53 a float no longer names one whole number.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The texts of a click. A number is taken as its digits, since ids often are numbers.
pub(crate) struct Texts<'r> {
    /// The click's JSON, from which the digits of a fraction are read.
    pub(crate) click: &'r str,
}

impl<'r> Texts<'r> {
    /// A text; a blank one is no value.
    pub(crate) fn text(
        &self,
        name: &str,
        value: Scalar<'r>,
    ) -> Result<Option<Cow<'r, str>>, Defect> {
        match value {
            Scalar::Null => Ok(None),
            Scalar::Text(text) if is_blank(&text) => Ok(None),
            Scalar::Text(text) => Ok(Some(text)),
            Scalar::Signed(number) => Ok(Some(Cow::Owned(number.to_string()))),
            Scalar::Unsigned(number) => Ok(Some(Cow::Owned(number.to_string()))),
            // Few are: the click is read once more for what was written, as 12345.0.
            Scalar::Float(number) => {
                let written = written(self.click, name).map(Cow::Borrowed);
                Ok(Some(
                    written.unwrap_or_else(|| Cow::Owned(number.to_string())),
                ))
            }
            other => Err(wrong_type(name, "text", &other)),
        }
    }
}

fn is_blank(text: &str) -> bool {
    text.bytes().next().is_none_or(|first| first <= b' ') && text.trim().is_empty()
}

/// The number that a field of the click holds, as it was written; of equal names the last one.
fn written<'r>(click: &'r str, name: &str) -> Option<&'r str> {
    struct Field<'n>(&'n str);
    impl<'de> Visitor<'de> for Field<'_> {
        type Value = Option<&'de RawValue>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a JSON object")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut found = None;
            while let Some((key, value)) = map.next_entry::<Cow<'_, str>, &RawValue>()? {
                if key == self.0 {
                    found = Some(value);
                }
            }
            Ok(found)
        }
    }
    let mut reader = serde_json::Deserializer::from_str(click);
    let found = reader.deserialize_map(Field(name)).ok()?;
    found.map(RawValue::get)
}

/// A whole number; `2.0` is one, `2.5` and what i64 cannot hold are defects.
pub(crate) fn whole(name: &str, value: &Scalar<'_>) -> Result<Option<i64>, Defect> {
    match numeric(name, value)? {
        Scalar::Signed(number) => Ok(Some(number)),
        #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
        Scalar::Float(number) if number.fract() == 0.0 && number.abs() < EXACT => {
            Ok(Some(number as i64))
        }
        Scalar::Unsigned(_) | Scalar::Float(_) => Err(Defect::new(
            Reason::OutOfRange,
            format!("{name}: not a whole number of 64 bits"),
        )),
        _ => Ok(None),
    }
}

/// A number.
pub(crate) fn number(name: &str, value: &Scalar<'_>) -> Result<Option<f64>, Defect> {
    #[expect(
        clippy::cast_precision_loss,
        reason = "prices of 2^53 and more are refused"
    )]
    let exact = |number: i64| (number.unsigned_abs() <= 1 << 53).then_some(number as f64);
    let beyond = || {
        Defect::new(
            Reason::OutOfRange,
            format!("{name}: beyond what a price holds"),
        )
    };
    match numeric(name, value)? {
        Scalar::Float(number) if number.is_finite() => Ok(Some(number)),
        Scalar::Signed(number) => exact(number).map(Some).ok_or_else(beyond),
        Scalar::Unsigned(_) | Scalar::Float(_) => Err(beyond()),
        _ => Ok(None),
    }
}

/// A number, also one that is written as text, or null.
fn numeric(name: &str, value: &Scalar<'_>) -> Result<Scalar<'static>, Defect> {
    match value {
        Scalar::Null => Ok(Scalar::Null),
        Scalar::Signed(number) => Ok(Scalar::Signed(*number)),
        Scalar::Unsigned(number) => Ok(Scalar::Unsigned(*number)),
        Scalar::Float(number) => Ok(Scalar::Float(*number)),
        Scalar::Text(text) if text.trim().is_empty() => Ok(Scalar::Null),
        Scalar::Text(text) => digits(text.trim()).ok_or_else(|| {
            let shown: String = text.chars().take(40).collect();
            Defect::new(
                Reason::WrongType,
                format!("{name}: the text {shown:?} where a number is due"),
            )
        }),
        other => Err(wrong_type(name, "a number", other)),
    }
}

/// A number as people and programs write it: `19.99`, `-2`, `+5`, `.5`, `1e3`. Nothing that needs
/// a country's rules, as `1,234.56`.
fn digits(text: &str) -> Option<Scalar<'static>> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_number = unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.')
        && unsigned
            .bytes()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-'));
    if !is_number {
        return None;
    }
    if unsigned.bytes().all(|byte| byte.is_ascii_digit())
        && let Ok(number) = text.parse()
    {
        return Some(Scalar::Signed(number));
    }
    text.parse().ok().map(Scalar::Float)
}

pub(crate) fn wrong_type(name: &str, want: &str, found: &Scalar<'_>) -> Defect {
    Defect::new(
        Reason::WrongType,
        format!("{name}: {} where {want} is due", found.kind()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b65_numbers_written_as_text() {
        let check =
            |text: &str, price: Result<Option<f64>, Reason>, count: Result<Option<i64>, Reason>| {
                let value = Scalar::Text(text.into());
                let found = number("price", &value).map_err(|defect| defect.reason);
                assert_eq!(found, price, "{text:?}");
                let found = whole("quantity", &value).map_err(|defect| defect.reason);
                assert_eq!(found, count, "{text:?}");
            };
        let wrong = Reason::WrongType;
        let beyond = Reason::OutOfRange;
        check("19.99", Ok(Some(19.99)), Err(beyond));
        check("2", Ok(Some(2.0)), Ok(Some(2)));
        check(" -2.0 ", Ok(Some(-2.0)), Ok(Some(-2)));
        check("+5", Ok(Some(5.0)), Ok(Some(5)));
        check(".5", Ok(Some(0.5)), Err(beyond));
        check("08", Ok(Some(8.0)), Ok(Some(8)));
        check("1e3", Ok(Some(1_000.0)), Ok(Some(1_000)));
        check("", Ok(None), Ok(None));
        check(" \t", Ok(None), Ok(None));
        check(
            "9007199254740993",
            Err(beyond),
            Ok(Some(9_007_199_254_740_993)),
        );
        check("99999999999999999999", Ok(Some(1e20)), Err(beyond));
        check("1e999", Err(beyond), Err(beyond));
        for text in [
            "two",
            "NaN",
            "inf",
            "-infinity",
            "0x10",
            "1,5",
            "$5",
            "5 EUR",
            "1e",
            "--1",
            ".",
            "1.2.3",
            "٣",
        ] {
            check(text, Err(wrong), Err(wrong));
        }
    }

    #[test]
    fn b67_a_number_where_text_is_due_is_its_digits_as_written() {
        let click = r#"{"order_id":1.5,"a":{"order_id":2},"order_id":12345.0,"\u0078":1e2,"b":-0}"#;
        let texts = Texts { click };
        let check = |name: &str, number: f64, expect: &str| {
            let found = texts.text(name, Scalar::Float(number)).unwrap();
            assert_eq!(found.as_deref(), Some(expect));
        };
        check("order_id", 12345.0, "12345.0");
        check("x", 100.0, "1e2");
        check("b", 0.0, "-0");
        let blank = |text: &'static str| texts.text("a", Scalar::Text(text.into())).unwrap();
        assert_eq!(
            [blank(""), blank(" \t"), blank("\u{a0}")].map(|text| text.is_some()),
            [false, false, true]
        );
    }
}
