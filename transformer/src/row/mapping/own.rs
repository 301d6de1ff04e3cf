//! The mappings of a file: the first that is for a click's format and source holds.

use topic::Envelope;

use super::rule::{FieldRule, FieldSources, RuledValue};
use crate::row::field_key::FieldKey;
use crate::row::format;
use crate::row::native::NativeClick;
use crate::row::properties::entries;

/// The mappings of a file.
#[derive(Debug)]
pub struct MappingFile {
    pub(super) mappings: Vec<OwnMapping>,
    pub(super) version: String,
}

/// The mapping of a format's and a source's clicks.
#[derive(Debug)]
pub(super) struct OwnMapping {
    /// `None` means every one.
    pub(super) format: Option<String>,
    pub(super) source: Option<NamePattern>,
    pub(super) fields: Vec<FieldRule>,
    /// Which properties stay; `None` means all that are not dropped.
    pub(super) keep: Option<Vec<NamePattern>>,
    pub(super) drop: Vec<NamePattern>,
    /// Which are kept as hashes alone.
    pub(super) hash: Vec<NamePattern>,
}

/// A name, or the beginning of names with a star behind it.
#[derive(Debug)]
pub(super) struct NamePattern(pub(super) String);

impl NamePattern {
    fn fits(&self, name: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(begin) => name.starts_with(begin),
            None => name == self.0,
        }
    }
}

impl MappingFile {
    /// Digits of the file's SHA-256.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Returns true if some properties are kept as hashes.
    #[must_use]
    pub fn hashes(&self) -> bool {
        self.mappings.iter().any(|mapping| !mapping.hash.is_empty())
    }

    /// Lays the mapping of a click over what its format made of it. Returns true if there is one.
    ///
    /// # Errors
    /// If the click is no JSON, which its format's reader has found before.
    pub(crate) fn apply<'r>(
        &self,
        envelope: &Envelope<'r>,
        click: &mut NativeClick<'r>,
        key: Option<&FieldKey>,
    ) -> Result<bool, serde_json::Error> {
        let mut all = self.mappings.iter();
        match all.find(|mapping| mapping.is_for(envelope)) {
            Some(mapping) => mapping.apply(envelope, click, key).map(|()| true),
            None => Ok(false),
        }
    }
}

impl OwnMapping {
    fn is_for(&self, envelope: &Envelope<'_>) -> bool {
        let is_format = self.format.as_ref().is_none_or(|of| *of == envelope.format);
        let source = self.source.as_ref();
        is_format && source.is_none_or(|source| source.fits(&envelope.source))
    }

    fn apply<'r>(
        &self,
        envelope: &Envelope<'r>,
        click: &mut NativeClick<'r>,
        key: Option<&FieldKey>,
    ) -> Result<(), serde_json::Error> {
        let own = entries(envelope.click)?;
        let item = envelope
            .item
            .and_then(|item| format::item(&envelope.format, &own, item))
            .map(|item| entries(item.get()))
            .transpose()?;
        let shared = envelope.shared.map(entries).transpose()?;
        let fields = FieldSources { own, item, shared };
        for rule in &self.fields {
            let place = click
                .field(rule.field)
                .expect("a rule names a native field");
            let Some(RuledValue { value, taken }) = rule.value(&fields) else {
                if place.is_blank() {
                    *place = rule.default().unwrap_or_default();
                }
                continue;
            };
            let replaced = std::mem::replace(place, value);
            let now = place.json();
            if let Some(taken) = taken {
                click.properties.remove_value(taken);
            }
            // What the format found is not lost.
            if let Some(json) = replaced.json()
                && now.is_none_or(|now| now.trim_matches('"') != json.trim_matches('"'))
            {
                click.properties.insert_json(rule.field, json);
            }
        }
        let stays = |name: &str| {
            let is_kept = self.keep.as_ref().is_none_or(|keep| any(keep, name));
            is_kept && !any(&self.drop, name)
        };
        click.properties.keep(stays);
        let hashed = |name: &str| any(&self.hash, name);
        match key {
            Some(key) => click.properties.replace(hashed, |value| key.hash(value)),
            // What should be a hash is not kept without one.
            None => click.properties.keep(|name| !hashed(name)),
        }
        Ok(())
    }
}

fn any(patterns: &[NamePattern], name: &str) -> bool {
    patterns.iter().any(|pattern| pattern.fits(name))
}
