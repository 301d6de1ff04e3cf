//! An object's fields as they were written: found by path, or left out.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// An object's fields, in their order, with values as they were written.
pub(crate) struct ObjectFields<'b>(pub(crate) Vec<(Cow<'b, str>, &'b RawValue)>);

impl<'b> ObjectFields<'b> {
    /// Reads an object of JSON without reading its values.
    pub(crate) fn read(object: &'b str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(object)
    }

    /// The value at a path: the keys from here down, with a dot between them. Fails if the key
    /// occurs twice in the object, because then it is not known which one counts.
    pub(crate) fn find(&self, path: &str) -> Result<Option<&'b RawValue>, String> {
        let (key, rest) = match path.split_once('.') {
            Some((key, rest)) => (key, Some(rest)),
            None => (path, None),
        };
        let mut found = self.0.iter().filter(|(name, _)| name == key);
        let Some((_, value)) = found.next() else {
            return Ok(None);
        };
        if found.next().is_some() {
            return Err(format!("duplicate field `{key}`"));
        }
        match (rest, value.get().starts_with('{')) {
            (None, _) => Ok(Some(value)),
            (Some(rest), true) => match Self::read(value.get()) {
                Ok(fields) => fields.find(rest),
                Err(_) => Ok(None),
            },
            (Some(_), false) => Ok(None),
        }
    }

    /// The fields as an object.
    pub(crate) fn to_object(&self) -> Box<RawValue> {
        let written = self.0.iter().map(|(name, value)| {
            let name = serde_json::to_string(name).expect("text is JSON");
            format!("{name}:{}", value.get())
        });
        let object = format!("{{{}}}", written.collect::<Vec<_>>().join(","));
        RawValue::from_string(object).expect("the fields are JSON")
    }
}

impl<'de: 'b, 'b> Deserialize<'de> for ObjectFields<'b> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldVisitor;
        impl<'de> Visitor<'de> for FieldVisitor {
            type Value = Vec<(Cow<'de, str>, &'de RawValue)>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_map(FieldVisitor).map(Self)
    }
}

/// The object without the values at some paths; borrowed if it has none of them.
pub(crate) fn without<'b>(object: &'b RawValue, paths: &[&str]) -> Cow<'b, RawValue> {
    let text = object.get();
    let may_have = |path: &&str| text.contains(path.rsplit('.').next().unwrap_or(path));
    if !text.contains('\\') && !paths.iter().any(may_have) {
        return Cow::Borrowed(object);
    }
    match stripped(text, paths) {
        Some(object) => Cow::Owned(object),
        None => Cow::Borrowed(object),
    }
}

/// The object without the values at some paths; `None` if it has none of them.
fn stripped(object: &str, paths: &[&str]) -> Option<Box<RawValue>> {
    let fields = ObjectFields::read(object).ok()?;
    let mut kept = Vec::with_capacity(fields.0.len());
    let mut is_changed = false;
    for (name, value) in fields.0 {
        if paths.iter().any(|path| *path == name) {
            is_changed = true;
            continue;
        }
        let below: Vec<&str> = paths
            .iter()
            .filter_map(|path| path.strip_prefix(&*name)?.strip_prefix('.'))
            .collect();
        let inner = match below.is_empty() {
            true => None,
            false => stripped(value.get(), &below),
        };
        is_changed |= inner.is_some();
        kept.push((name, inner.map_or(Cow::Borrowed(value), Cow::Owned)));
    }
    let kept = kept.iter().map(|(name, value)| (name.clone(), &**value));
    is_changed.then(|| ObjectFields(kept.collect()).to_object())
}

/// A field as text: the content of a string, the digits of a number, anything else as it
/// was written. `None` if it is null or blank.
pub(crate) fn as_text(raw: &RawValue) -> Option<Cow<'_, str>> {
    let written = raw.get();
    let Some(quoted) = written
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
    else {
        return (written != "null").then_some(Cow::Borrowed(written));
    };
    let text = match quoted.contains('\\') {
        true => Cow::Owned(serde_json::from_str(written).ok()?),
        false => Cow::Borrowed(quoted),
    };
    (!text.trim().is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_by_its_path_and_only_once() {
        let fields = ObjectFields::read(r#"{"a":{"b":{"c":1}},"d":[2],"e":1,"\u0065":2}"#).unwrap();
        let check = |path: &str, expect: Result<Option<&str>, &str>| {
            let found = fields.find(path);
            let found = found.as_ref().map(|value| value.map(RawValue::get));
            assert_eq!(found.map_err(String::as_str), expect, "{path}");
        };
        check("a.b.c", Ok(Some("1")));
        check("a.b", Ok(Some(r#"{"c":1}"#)));
        check("d", Ok(Some("[2]")));
        check("d.0", Ok(None));
        check("a.x", Ok(None));
        check("x", Ok(None));
        check("e", Err("duplicate field `e`"));
    }

    #[test]
    fn what_is_not_for_the_topic_is_left_out() {
        let check = |object: &str, expect: &str| {
            let object: &RawValue = serde_json::from_str(object).unwrap();
            let found = without(object, &["key", "properties.token"]);
            assert_eq!(found.get(), expect);
        };
        check(r#"{ "a" : 1.50 }"#, r#"{ "a" : 1.50 }"#);
        check(
            r#"{"token":1,"properties":{"key":2}}"#,
            r#"{"token":1,"properties":{"key":2}}"#,
        );
        check(
            r#"{"a": 1.50,"key":"k","properties":{"token":"t","b":[ 1 ]}}"#,
            r#"{"a":1.50,"properties":{"b":[ 1 ]}}"#,
        );
        check(r#"{"\u006bey":"k","ü":1}"#, r#"{"ü":1}"#);
        check(
            r#"{"properties":"token","key":null}"#,
            r#"{"properties":"token"}"#,
        );
    }
}
