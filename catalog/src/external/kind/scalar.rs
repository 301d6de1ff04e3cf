//! Which scalar type holds the values of two.

/// Types of whole numbers with a sign, each of which holds those before it, and their digits.
const SIGNED: [(&str, u8); 5] = [
    ("TINYINT", 3),
    ("SMALLINT", 5),
    ("INTEGER", 10),
    ("BIGINT", 19),
    ("HUGEINT", 39),
];
/// Types of whole numbers without a sign. The one at the same place of [`SIGNED`] is as wide, and
/// the next one there holds it.
const UNSIGNED: [(&str, u8); 4] = [
    ("UTINYINT", 3),
    ("USMALLINT", 5),
    ("UINTEGER", 10),
    ("UBIGINT", 20),
];
/// The most digits of a decimal.
const MAX_DIGITS: u8 = 38;
/// How many digits of a decimal a double always holds.
const DOUBLE_DIGITS: u8 = 15;

/// Bytes that are UTF-8 are the same as text.
pub(super) const BYTES: &str = "BLOB";
pub(super) const TEXT: &str = "VARCHAR";
const DOUBLE: &str = "DOUBLE";
const TIMESTAMP: &str = "TIMESTAMP";
const NANOSECONDS: &str = "TIMESTAMP_NS";
const ZONED: &str = "TIMESTAMP WITH TIME ZONE";

/// A number's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Number {
    /// A place in [`SIGNED`].
    Signed(usize),
    /// A place in [`UNSIGNED`].
    Unsigned(usize),
    Decimal {
        digits: u8,
        scale: u8,
    },
    Float,
    Double,
}

impl Number {
    fn parse(name: &str) -> Option<Self> {
        let place = |of: &[(&str, u8)]| of.iter().position(|(known, _)| *known == name);
        if let Some(place) = place(&SIGNED) {
            return Some(Self::Signed(place));
        }
        if let Some(place) = place(&UNSIGNED) {
            return Some(Self::Unsigned(place));
        }
        match name {
            "FLOAT" => return Some(Self::Float),
            DOUBLE => return Some(Self::Double),
            _ => {}
        }
        let inner = name.strip_prefix("DECIMAL(")?.strip_suffix(')')?;
        let (digits, scale) = inner.split_once(',')?;
        Some(Self::Decimal {
            digits: digits.parse().ok()?,
            scale: scale.trim().parse().ok()?,
        })
    }

    fn name(self) -> String {
        match self {
            Self::Signed(place) => SIGNED[place].0.to_owned(),
            Self::Unsigned(place) => UNSIGNED[place].0.to_owned(),
            Self::Decimal { digits, scale } => format!("DECIMAL({digits},{scale})"),
            Self::Float => "FLOAT".to_owned(),
            Self::Double => DOUBLE.to_owned(),
        }
    }

    /// Digits before and after the point. `None` for floating numbers.
    fn digits(self) -> Option<(u8, u8)> {
        match self {
            Self::Signed(place) => Some((SIGNED[place].1, 0)),
            Self::Unsigned(place) => Some((UNSIGNED[place].1, 0)),
            Self::Decimal { digits, scale } => Some((digits.saturating_sub(scale), scale)),
            Self::Float | Self::Double => None,
        }
    }

    /// The number type that holds both; floating ones do so if the others' values are exact.
    fn with(self, other: Self) -> Option<Self> {
        use Number::{Double, Signed, Unsigned};
        Some(match (self, other) {
            (one, two) if one == two => one,
            (Signed(one), Signed(two)) => Signed(one.max(two)),
            (Unsigned(one), Unsigned(two)) => Unsigned(one.max(two)),
            (Signed(signed), Unsigned(place)) | (Unsigned(place), Signed(signed)) => {
                Signed(signed.max(place + 1))
            }
            (one, two) => {
                let Some(((before, scale), (b, s))) = one.digits().zip(two.digits()) else {
                    return Some(Double);
                };
                let (before, scale) = (before.max(b), scale.max(s));
                let digits = before + scale;
                (digits <= MAX_DIGITS).then_some(Self::Decimal { digits, scale })?
            }
        })
    }
}

/// The type that holds the values of both, and whether the values of both are exact in the next
/// wider class.
pub(super) fn wider(one: (&str, bool), two: (&str, bool)) -> Option<(String, bool)> {
    let exact = one.1 && two.1;
    if one.0 == two.0 {
        return Some((one.0.to_owned(), exact));
    }
    if let Some((a, b)) = Number::parse(one.0).zip(Number::parse(two.0)) {
        let wide = a.with(b)?;
        let floating = wide == Number::Double;
        let mut held = [(a, one.1), (b, two.1)].into_iter();
        let fits = held.all(|(number, exact)| number.digits().is_none() || exact);
        return (!floating || fits).then(|| (wide.name(), floating || exact));
    }
    // Writers without a word for text write it as bytes.
    let bytes = |(name, exact)| name == BYTES && exact;
    if (bytes(one) && two.0 == TEXT) || (one.0 == TEXT && bytes(two)) {
        return Some((TEXT.to_owned(), true));
    }
    moment(one, two).or_else(|| {
        let texts = [TEXT, "UUID", "JSON"];
        let both = texts.contains(&one.0) && texts.contains(&two.0);
        both.then(|| (TEXT.to_owned(), true))
    })
}

/// The wider of two types of moments. One without a zone is taken as UTC, and a date as its
/// midnight.
fn moment(one: (&str, bool), two: (&str, bool)) -> Option<(String, bool)> {
    let rank = |name: &str| match name {
        "DATE" => Some(0),
        "TIMESTAMP_S" | "TIMESTAMP_MS" | TIMESTAMP | NANOSECONDS => Some(1),
        ZONED => Some(2),
        _ => None,
    };
    let widest = rank(one.0)?.max(rank(two.0)?);
    let fits = |(name, exact): (&str, bool)| name != NANOSECONDS || exact;
    let name = if widest == 2 { ZONED } else { TIMESTAMP };
    (fits(one) && fits(two)).then(|| (name.to_owned(), true))
}

/// SQL that is true for a value that the next wider class does not hold as it is. `None` if it
/// holds all values of the type.
pub(super) fn inexact(name: &str, value: &str) -> Option<String> {
    const LIMIT: u64 = 1 << 53;
    if name == NANOSECONDS {
        return Some(format!("epoch_ns({value}) % 1000 <> 0"));
    }
    if name == BYTES {
        return Some(format!(
            "({value} IS NOT NULL AND TRY(decode({value})) IS NULL)"
        ));
    }
    match Number::parse(name)? {
        Number::Signed(0..=2) | Number::Unsigned(0..=2) | Number::Float | Number::Double => None,
        Number::Signed(_) => Some(format!("{value} NOT BETWEEN -{LIMIT} AND {LIMIT}")),
        Number::Unsigned(_) => Some(format!("{value} > {LIMIT}")),
        Number::Decimal { digits, .. } if digits <= DOUBLE_DIGITS => None,
        Number::Decimal { .. } => Some(format!(
            "{value} IS DISTINCT FROM TRY_CAST({value}::DOUBLE AS {name})"
        )),
    }
}
