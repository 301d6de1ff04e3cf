//! Numbers, amounts and times as people read them.

use std::borrow::Cow;
use std::time::Duration;

use catalog::{Step, Timestamp};

/// `12,345`.
pub(crate) fn count(number: u64) -> String {
    grouped(&number.to_string())
}

/// `−12,345`.
pub(crate) fn signed(number: i64) -> String {
    with_sign(number < 0, &count(number.unsigned_abs()))
}

/// `12,345.60`, without a currency: clicks may have several.
pub(crate) fn money(amount: f64) -> String {
    let text = cents(amount.abs());
    let (units, rest) = text.split_once('.').unwrap_or((&text, "00"));
    with_sign(
        amount < 0.0 && text != "0.00",
        &format!("{}.{rest}", grouped(units)),
    )
}

/// `12345.60`, for programs.
pub(crate) fn cents(amount: f64) -> String {
    // Adding zero turns -0.0 into 0.0.
    format!("{:.2}", (amount * 100.0).round() / 100.0 + 0.0)
}

/// `2026-11-22 21:00:03`, in UTC.
pub(crate) fn time(at: Timestamp) -> String {
    at.datetime().format("%Y-%m-%d %H:%M:%S").to_string()
}

/// `21:00:03`, in UTC.
pub(crate) fn clock(at: Timestamp) -> String {
    at.datetime().format("%H:%M:%S").to_string()
}

/// The start of a step, as precise as the step.
pub(crate) fn step_start(at: Timestamp, step: Step) -> String {
    let form = match step {
        Step::Minute | Step::Hour => "%Y-%m-%d %H:%M",
        Step::Day | Step::Week => "%Y-%m-%d",
        Step::Month => "%Y-%m",
    };
    at.datetime().format(form).to_string()
}

/// `850 ms`, `12 s`, `3 min`, `5 h`, `9 days`: one unit is enough to judge it.
pub(crate) fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 => format!("{} ms", time.as_millis()),
        1..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// `30 days`, `24 hours` or `90 minutes`, in the largest unit that needs no fraction; a single
/// one without its number.
pub(crate) fn period(time: Duration) -> String {
    let (number, unit) = match time.as_secs() {
        seconds if seconds > 86_400 && seconds % 86_400 == 0 => (seconds / 86_400, "day"),
        seconds if seconds % 3_600 == 0 => (seconds / 3_600, "hour"),
        seconds if seconds % 60 == 0 => (seconds / 60, "minute"),
        seconds => (seconds, "second"),
    };
    match number {
        1 => unit.to_owned(),
        number => format!("{} {unit}s", count(number)),
    }
}

/// `1.5 MiB`.
#[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
pub(crate) fn size(bytes: u64) -> String {
    let mut scaled = bytes as f64;
    for unit in ["bytes", "KiB", "MiB", "GiB"] {
        if scaled < 1024.0 {
            return if unit == "bytes" {
                format!("{bytes} bytes")
            } else {
                format!("{scaled:.1} {unit}")
            };
        }
        scaled /= 1024.0;
    }
    format!("{scaled:.1} TiB")
}

/// `12.5 %`; `None` if the whole is nothing.
#[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
pub(crate) fn percent(part: u64, whole: u64) -> Option<String> {
    (whole > 0).then(|| format!("{:.1} %", part as f64 * 100.0 / whole as f64))
}

/// A change, `+12.5 %` or `×64`; `None` if there was nothing before.
pub(crate) fn change(now: f64, before: f64) -> Option<String> {
    if before == 0.0 {
        return None;
    }
    let percent = (now - before) / before.abs() * 100.0;
    let text = format!("{:.1} %", percent.abs());
    Some(match percent {
        percent if percent >= 1_000.0 => format!("×{:.0}", now / before),
        _ if text == "0.0 %" => "±0 %".to_owned(),
        percent if percent < 0.0 => format!("−{text}"),
        _ => format!("+{text}"),
    })
}

/// The text, or as many letters of it and an ellipsis.
pub(crate) fn cut(text: &str, letters: usize) -> Cow<'_, str> {
    match text.char_indices().nth(letters) {
        None => text.into(),
        Some((end, _)) => format!("{}…", &text[..end]).into(),
    }
}

/// A message of a program as a sentence: with a capital, and with a full stop unless it ends
/// in a mark of its own.
pub(crate) fn sentence(message: &str) -> String {
    let mut text = capitalized(message.trim_end());
    let last = text.chars().last();
    if last.is_some_and(|last| last.is_alphanumeric() || "'\"`)]}…".contains(last)) {
        text.push('.');
    }
    text
}

/// The same text with a capital.
pub(crate) fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}

fn with_sign(negative: bool, text: &str) -> String {
    if negative {
        format!("−{text}")
    } else {
        text.to_owned()
    }
}

fn grouped(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_legible() {
        let check = |text: String, expect: &str| assert_eq!(text, expect);
        check(count(0), "0");
        check(count(999), "999");
        check(count(541_909), "541,909");
        check(signed(-1_000), "−1,000");
        check(money(9_747_747.934), "9,747,747.93");
        check(money(-0.001), "0.00");
        check(cents(-0.001), "0.00");
        check(money(-12.5), "−12.50");
        check(size(512), "512 bytes");
        check(size(1_572_864), "1.5 MiB");
        check(duration(Duration::from_millis(850)), "850 ms");
        check(duration(Duration::from_secs(200)), "3 min");
        check(duration(Duration::from_secs(9 * 86_400)), "9 days");
    }

    #[test]
    fn attack_7_a_text_of_any_length_is_cut_between_letters() {
        assert_eq!(cut("teapot", 6), "teapot");
        assert_eq!(cut("teapots", 6), "teapot…");
        assert_eq!(cut("äöü", 2), "äö…");
        assert_eq!(cut("", 2), "");
    }

    #[test]
    fn a_period_has_the_largest_unit_without_a_fraction() {
        let check = |minutes: u64, expect: &str| {
            assert_eq!(period(Duration::from_secs(minutes * 60)), expect);
        };
        check(60, "hour");
        check(90, "90 minutes");
        check(24 * 60, "24 hours");
        check(36 * 60, "36 hours");
        check(30 * 24 * 60, "30 days");
    }

    #[test]
    fn a_message_becomes_a_sentence() {
        let check = |message: &str, expect: &str| assert_eq!(sentence(message), expect);
        check("unknown range 'year'", "Unknown range 'year'.");
        check("did you mean 'action'?", "Did you mean 'action'?");
        check("LINE 1: SELEC\n        ^", "LINE 1: SELEC\n        ^");
        check("", "");
    }

    #[test]
    fn a_change_from_nothing_is_not_a_percentage() {
        let check = |now: f64, before: f64, expect: Option<&str>| {
            assert_eq!(change(now, before).as_deref(), expect);
        };
        check(3.0, 0.0, None);
        check(112.5, 100.0, Some("+12.5 %"));
        check(50.0, 100.0, Some("−50.0 %"));
        check(100.0, 100.0, Some("±0 %"));
        check(5.0, -10.0, Some("+150.0 %"));
        check(6_400.0, 100.0, Some("×64"));
    }
}
