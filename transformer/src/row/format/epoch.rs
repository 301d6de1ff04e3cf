//! A moment as a number since 1970 that is not of milliseconds.

use serde_json::value::RawValue;

/// What the number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::row) enum EpochUnit {
    Seconds,
    Micros,
}

/// The moment as a native click has it: a text of milliseconds. A text that is no number stays as
/// it is, to be read as any other moment. `None` if there is no value.
pub(in crate::row) fn moment(written: &RawValue, unit: EpochUnit) -> Option<String> {
    let text = match serde_json::from_str::<String>(written.get()) {
        Ok(text) => text.trim().to_owned(),
        Err(_) if written.get() == "null" => return None,
        Err(_) => written.get().to_owned(),
    };
    if text.is_empty() {
        return None;
    }
    Some(millis(&text, unit).unwrap_or(text))
}

/// The decimal point moves by three places, so that no digit is lost.
fn millis(text: &str, unit: EpochUnit) -> Option<String> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(fraction) {
        return None;
    }
    Some(match unit {
        EpochUnit::Seconds => {
            let (millis, rest) = fraction.split_at(fraction.len().min(3));
            format!("{whole}{millis:0<3}.{rest}")
        }
        EpochUnit::Micros => {
            let padded = format!("{whole:0>4}");
            let (millis, rest) = padded.split_at(padded.len() - 3);
            format!("{millis}.{rest}{fraction}")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::moment::parse;

    #[test]
    fn a_number_of_any_unit_is_exact() {
        let check = |written: &str, unit: EpochUnit, expect: Option<i64>| {
            let written: &RawValue = serde_json::from_str(written).unwrap();
            let text = moment(written, unit);
            let micros = text
                .as_deref()
                .and_then(parse)
                .map(topic::Timestamp::micros);
            assert_eq!(micros, expect, "{written}: {text:?}");
        };
        let at = 1_795_383_123_043_217;
        check("1795383123043217", EpochUnit::Micros, Some(at));
        check("\"1795383123043217\"", EpochUnit::Micros, Some(at));
        check("7", EpochUnit::Micros, Some(7));
        check("1795383123.043217", EpochUnit::Seconds, Some(at));
        check(
            "1795383123.04",
            EpochUnit::Seconds,
            Some(1_795_383_123_040_000),
        );
        check(
            "\" 1795383123 \"",
            EpochUnit::Seconds,
            Some(1_795_383_123_000_000),
        );
        check(
            "\"2026-11-22 21:32:03\"",
            EpochUnit::Seconds,
            Some(1_795_383_123_000_000),
        );
        check("99999999999999999999999", EpochUnit::Micros, None);
        check("-1", EpochUnit::Seconds, Some(-1_000));
        check("\"yesterday\"", EpochUnit::Seconds, None);
        check("1e9", EpochUnit::Seconds, None);
        for nothing in ["null", "\"\"", "\" \""] {
            let written: &RawValue = serde_json::from_str(nothing).unwrap();
            assert_eq!(moment(written, EpochUnit::Micros), None);
        }
    }
}
