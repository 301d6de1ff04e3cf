//! Asks a file what the values of its columns are: whether there are any, and whether a wider type
//! would hold them as they are.

use crate::external::kind::{Kind, scalar};
use crate::sql::{Ident, Literal};

/// Conditions over a row, of which each asks one question; a file says whether a row answers yes.
#[derive(Debug, Default)]
pub(in crate::external) struct Probes {
    conditions: Vec<String>,
}

impl Probes {
    /// Adds the questions about a column, and about all that is nested in it.
    pub(in crate::external) fn ask(&mut self, column: &str, kind: &Kind) {
        self.walk(kind, &Ident(column).to_string(), &|condition| condition, 0);
    }

    /// SQL of the answers, one boolean each.
    pub(in crate::external) fn select(&self) -> impl Iterator<Item = String> {
        let conditions = self.conditions.iter();
        conditions.map(|condition| format!("coalesce(bool_or({condition}), false)"))
    }

    /// The type with what the answers say of its values. They come in the order of the questions.
    pub(in crate::external) fn told(kind: &Kind, answers: &mut impl Iterator<Item = bool>) -> Kind {
        let any = answers.next().unwrap_or(true);
        let told = match kind {
            Kind::Scalar { name, .. } => Kind::Scalar {
                name: name.clone(),
                exact: scalar::inexact(name, "").is_none() || !answers.next().unwrap_or(true),
            },
            Kind::Struct(fields) => {
                let fields = fields.iter();
                let fields = fields.map(|(name, kind)| (name.clone(), Self::told(kind, answers)));
                Kind::Struct(fields.collect())
            }
            Kind::List(item) => Kind::List(Box::new(Self::told(item, answers))),
            Kind::Map(key, value) => {
                let key = Self::told(key, answers);
                Kind::Map(Box::new(key), Box::new(Self::told(value, answers)))
            }
            Kind::Empty(kind) => return Self::told(kind, answers),
        };
        match any {
            true => told,
            false => Kind::Empty(Box::new(told)),
        }
    }

    /// `within` turns a condition over a nested value into one over the row.
    fn walk(&mut self, kind: &Kind, value: &str, within: &dyn Fn(String) -> String, level: usize) {
        self.conditions.push(within(format!("{value} IS NOT NULL")));
        match kind {
            Kind::Scalar { name, .. } => {
                let inexact = scalar::inexact(name, value);
                self.conditions.extend(inexact.map(within));
            }
            Kind::Struct(fields) => {
                for (name, kind) in fields {
                    let field = format!("struct_extract({value}, {})", Literal(name));
                    self.walk(kind, &field, within, level);
                }
            }
            Kind::List(item) => self.items(item, value, within, level),
            Kind::Map(key, item) => {
                self.items(key, &format!("map_keys({value})"), within, level);
                self.items(item, &format!("map_values({value})"), within, level);
            }
            Kind::Empty(kind) => self.walk(kind, value, within, level),
        }
    }

    fn items(&mut self, kind: &Kind, list: &str, within: &dyn Fn(String) -> String, level: usize) {
        let item = format!("item_{level}");
        let any = |condition: String| {
            within(format!(
                "len(list_filter({list}, lambda {item}: {condition})) > 0"
            ))
        };
        self.walk(kind, &item, &any, level + 1);
    }
}
