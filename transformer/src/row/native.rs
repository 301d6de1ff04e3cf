//! The native click: a JSON object whose fields have the columns' names. It is read once,
//! borrowed from the record; what has no column goes to `properties`.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::properties::Properties;

/// A scalar as the client sent it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) enum Scalar<'r> {
    #[default]
    Null,
    Text(Cow<'r, str>),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Bool(bool),
    /// An array or an object, where no column takes one.
    Nested,
}

impl Scalar<'_> {
    /// Returns true if this is null or a text without letters.
    pub(crate) fn is_blank(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Text(text) => text.trim().is_empty(),
            _ => false,
        }
    }

    /// As JSON; `None` if it is blank or was not read.
    pub(crate) fn json(&self) -> Option<String> {
        match self {
            Self::Text(text) if !self.is_blank() => serde_json::to_string(text).ok(),
            Self::Signed(number) => Some(number.to_string()),
            Self::Unsigned(number) => Some(number.to_string()),
            Self::Float(number) => Some(number.to_string()),
            Self::Bool(truth) => Some(truth.to_string()),
            Self::Null | Self::Text(_) | Self::Nested => None,
        }
    }

    /// What this is, for a defect's sentence.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Text(_) => "text",
            Self::Signed(_) | Self::Unsigned(_) | Self::Float(_) => "a number",
            Self::Bool(_) => "a boolean",
            Self::Nested => "an array or an object",
        }
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Scalar::Signed(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(i64::try_from(number).map_or(Scalar::Unsigned(number), Scalar::Signed))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Scalar::Float(number))
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Self::Value, E> {
        Ok(Scalar::Bool(truth))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Scalar::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Nested)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Nested)
    }
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

/// An object's key, borrowed where it holds no escape.
struct Key<'r>(Cow<'r, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = Key<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(KeyVisitor)
    }
}

macro_rules! native {
    ($($field:ident),* $(,)?) => {
        /// The fields of a native click that have a column; any other goes to `properties`.
        pub const FIELDS: &[&str] = &[$(stringify!($field)),*];

        /// A native click, field by field.
        #[derive(Debug, Default)]
        pub(crate) struct NativeClick<'r> {
            $(pub(crate) $field: Scalar<'r>,)*
            /// The items of a click that holds several, as they were written.
            pub(crate) items: Option<&'r RawValue>,
            pub(crate) properties: Properties<'r>,
        }

        impl<'r> NativeClick<'r> {
            /// The place of a column's field.
            pub(crate) fn field(&mut self, key: &str) -> Option<&mut Scalar<'r>> {
                match key {
                    $(stringify!($field) => Some(&mut self.$field),)*
                    _ => None,
                }
            }

            /// Lays another click over this one: what that one has is this one's.
            pub(crate) fn overlay(&mut self, other: Self) {
                $(if !other.$field.is_blank() {
                    self.$field = other.$field;
                })*
                self.properties.extend(other.properties);
            }
        }
    };
}

native! {
    id, occurred_at, action, product_id, product_name, category, quantity, price, currency,
    order_id, visitor_id, session_id, user_id, url, referrer, utm_source, utm_medium,
    utm_campaign, utm_term, utm_content, user_agent, country, region, city,
}

impl<'de> Deserialize<'de> for NativeClick<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ClickVisitor;
        impl<'de> Visitor<'de> for ClickVisitor {
            type Value = NativeClick<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut click = NativeClick::default();
                while let Some(Key(key)) = map.next_key()? {
                    if let Some(field) = click.field(&key) {
                        *field = map.next_value()?;
                    } else if key == "retry" {
                        // The column `retried` says it, from the envelope.
                        let retry: &RawValue = map.next_value()?;
                        if retry.get() != "true" {
                            click.properties.insert(key, retry);
                        }
                    } else if key == "items" {
                        click.items = Some(map.next_value()?);
                    } else if key == "properties" {
                        let nested: &RawValue = map.next_value()?;
                        click.properties.nest(nested).map_err(de::Error::custom)?;
                    } else {
                        click.properties.insert(key, map.next_value()?);
                    }
                }
                Ok(click)
            }
        }
        deserializer.deserialize_map(ClickVisitor)
    }
}

/// Returns true if the JSON holds a number that no 64-bit float holds, as `1e999`. serde_json has
/// no code for it, so this reads the error's text; the test pins it to the version in use.
pub(crate) fn is_out_of_range(error: &serde_json::Error) -> bool {
    error.is_syntax() && error.to_string().starts_with("number out of range")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invariant_5_a_number_out_of_range_is_told_from_other_errors() {
        let check = |click: &str, expect: bool| {
            let error = serde_json::from_str::<NativeClick<'_>>(click).unwrap_err();
            assert_eq!(is_out_of_range(&error), expect, "{click}: {error}");
        };
        check(r#"{"price":1e999}"#, true);
        check(r#"{"price":-1e999}"#, true);
        check(r#"{"properties":"out of range"}"#, false);
        check(r#"{"price":1"#, false);
        check("[]", false);
    }
}
