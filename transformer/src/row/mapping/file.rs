//! A file of mappings: TOML with one `[[mapping]]` for each format or source.

use std::collections::BTreeMap;
use std::ops::Range;

use regex::{Regex, RegexBuilder};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::own::{MappingFile, NamePattern, OwnMapping};
use super::rule::{FieldRule, FieldTest, is_fitting};
use crate::row::format::{EpochUnit, is_known};
use crate::row::native::{FIELDS, Scalar};

/// The most memory that a regular expression may take.
const MAX_REGEX_BYTES: usize = 1 << 20;
/// How many mappings a file may have, and how many paths or tests a field.
const MAX_RULES: usize = 200;

/// Fields that no mapping may change: duplicates are recognised by the id before any mapping, and erasures
/// find people by the others, also in what a replay makes by another mapping.
const UNMAPPED: [&str; 3] = ["id", "visitor_id", "user_id"];

/// Why a file is not used. The message names the file and the line.
#[derive(Debug, thiserror::Error)]
#[error("{name}{line}: {why}")]
pub struct MappingError {
    name: String,
    /// As ": line 7", or empty where no line is to blame.
    line: String,
    why: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MappingFileFields {
    #[serde(default)]
    mapping: Vec<toml::Spanned<MappingFields>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MappingFields {
    format: Option<String>,
    source: Option<String>,
    #[serde(default)]
    fields: BTreeMap<String, toml::Spanned<FieldRuleFields>>,
    #[serde(default)]
    properties: PropertyFields,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct PropertyFields {
    keep: Option<Vec<String>>,
    #[serde(default)]
    drop: Vec<String>,
    #[serde(default)]
    hash: Vec<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FieldRuleFields {
    from: Option<OneOrMany>,
    #[serde(rename = "match")]
    pattern: Option<String>,
    #[serde(default)]
    words: BTreeMap<String, String>,
    divide: Option<f64>,
    unit: Option<UnitWord>,
    constant: Option<String>,
    #[serde(default)]
    when: Vec<TestFields>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TestFields {
    path: String,
    #[serde(rename = "match")]
    pattern: String,
    then: String,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum UnitWord {
    Seconds,
    Microseconds,
}

impl MappingFile {
    /// Reads a file's text; `name` is for messages.
    ///
    /// # Errors
    /// A sentence with the line, and what is expected there.
    pub fn parse(text: &str, name: &str) -> Result<Self, MappingError> {
        let blamed = |why: String, span: Option<Range<usize>>| MappingError {
            name: name.to_owned(),
            line: span.map_or_else(String::new, |span| {
                format!(": line {}", line_of(text, &span))
            }),
            why,
        };
        let file: MappingFileFields = toml::from_str(text)
            .map_err(|error| blamed(error.message().to_owned(), error.span()))?;
        let mut mappings = Vec::new();
        for fields in file.mapping {
            let span = fields.span();
            let read = fields.into_inner().read(&blamed);
            mappings.push(read.map_err(|error| match error {
                MappingFault::Rule(error) => error,
                MappingFault::Mapping(why) => blamed(why, Some(span)),
            })?);
        }
        if mappings.len() > MAX_RULES {
            let why = format!(
                "it has {} mappings, and may have {MAX_RULES}",
                mappings.len()
            );
            return Err(blamed(why, None));
        }
        let digest = format!("{:x}", Sha256::digest(text));
        Ok(Self {
            mappings,
            version: digest[..8].to_owned(),
        })
    }
}

/// What of a mapping cannot be read.
enum MappingFault {
    Mapping(String),
    Rule(MappingError),
}

impl MappingFields {
    fn read(
        self,
        blamed: &impl Fn(String, Option<Range<usize>>) -> MappingError,
    ) -> Result<OwnMapping, MappingFault> {
        if let Some(format) = self.format.as_deref().filter(|format| !is_known(format)) {
            return Err(MappingFault::Mapping(format!(
                "no click has the format {format:?}"
            )));
        }
        let mut fields = Vec::new();
        for (name, rule) in self.fields {
            let span = rule.span();
            let rule = rule.into_inner().read(&name);
            fields.push(rule.map_err(|why| MappingFault::Rule(blamed(why, Some(span))))?);
        }
        let names = |names: Vec<String>| names.into_iter().map(NamePattern).collect();
        Ok(OwnMapping {
            format: self.format,
            source: self.source.map(NamePattern),
            fields,
            keep: self.properties.keep.map(names),
            drop: names(self.properties.drop),
            hash: names(self.properties.hash),
        })
    }
}

impl FieldRuleFields {
    fn read(self, name: &str) -> Result<FieldRule, String> {
        let mut fields = FIELDS.iter().filter(|field| !UNMAPPED.contains(field));
        let field = fields.find(|field| **field == name).ok_or_else(|| {
            format!(
                "{name} is no field: write one of {}",
                fields_that_may().join(", ")
            )
        })?;
        let from = match self.from {
            None => Vec::new(),
            Some(OneOrMany::One(path)) => vec![path],
            Some(OneOrMany::Many(paths)) => paths,
        };
        if from.is_empty() && self.constant.is_none() && self.when.is_empty() {
            return Err(format!(
                "{name} comes from nowhere: give it from, constant or when"
            ));
        }
        if self.divide.is_some_and(|by| !by.is_normal()) {
            return Err(format!("{name}: divide is a number other than 0"));
        }
        if self.divide.is_some() && !["price", "quantity"].contains(&name) {
            return Err(format!("{name} is no number that could be divided"));
        }
        if self.unit.is_some() && name != "occurred_at" {
            return Err(format!("{name} is no moment: unit is for occurred_at"));
        }
        if from.len().max(self.when.len()) > MAX_RULES {
            return Err(format!("{name} has more than {MAX_RULES} paths or tests"));
        }
        let then = self.when.iter().map(|test| &test.then);
        let ours = then.chain(self.words.values()).chain(&self.constant);
        for text in ours {
            if !is_fitting(name, &Scalar::Text(text.into())) {
                return Err(format!("{name} cannot be {text:?}"));
            }
        }
        let tests = self.when.into_iter().map(|test| {
            Ok(FieldTest {
                pattern: expression(&test.pattern)?,
                path: test.path,
                then: test.then,
            })
        });
        Ok(FieldRule {
            field,
            when: tests.collect::<Result<_, String>>()?,
            from,
            pattern: self.pattern.as_deref().map(expression).transpose()?,
            words: self.words,
            divide: self.divide,
            unit: self.unit.map(|unit| match unit {
                UnitWord::Seconds => EpochUnit::Seconds,
                UnitWord::Microseconds => EpochUnit::Micros,
            }),
            constant: self.constant,
        })
    }
}

fn fields_that_may() -> Vec<&'static str> {
    let fields = FIELDS.iter().copied();
    fields.filter(|field| !UNMAPPED.contains(field)).collect()
}

fn expression(pattern: &str) -> Result<Regex, String> {
    let built = RegexBuilder::new(pattern)
        .size_limit(MAX_REGEX_BYTES)
        .build();
    built.map_err(|error| format!("match {pattern:?} is no regular expression: {error}"))
}

/// The line of a place in a text, from 1.
fn line_of(text: &str, span: &Range<usize>) -> usize {
    let before = text.as_bytes().iter().take(span.start);
    before.filter(|byte| **byte == b'\n').count() + 1
}
