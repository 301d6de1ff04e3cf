//! Types of columns in foreign files: what a file declares, what its values are, and which type
//! holds the values of two files.

pub(super) mod probe;
mod scalar;
mod text;

#[cfg(test)]
mod tests;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::sql::{Ident, joined};

/// A type, and what is known of a column's values.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Kind {
    Scalar {
        /// In DuckDB's words.
        name: String,
        /// True if every value is the same in the next wider class of types: a whole number or a
        /// decimal in a double, nanoseconds in microseconds.
        exact: bool,
    },
    Struct(Vec<(String, Kind)>),
    List(Box<Kind>),
    Map(Box<Kind>, Box<Kind>),
    /// Every value is NULL. The declared type says nothing then: writers that infer types choose
    /// one at random.
    Empty(Box<Kind>),
}

impl Kind {
    pub(super) fn scalar(name: &str) -> Self {
        Self::Scalar {
            name: name.to_owned(),
            exact: true,
        }
    }

    /// The type that holds every value of both. `None` if they contradict each other.
    pub(super) fn with(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Self::Empty(one), Self::Empty(two)) => {
                let both = one.with(two).unwrap_or_else(|| (**one).clone());
                Some(Self::Empty(Box::new(both)))
            }
            (Self::Empty(_), known) | (known, Self::Empty(_)) => Some(known.clone()),
            (Self::Scalar { name, exact }, Self::Scalar { name: n, exact: e }) => {
                let (name, exact) = scalar::wider((name, *exact), (n, *e))?;
                Some(Self::Scalar { name, exact })
            }
            (Self::Struct(one), Self::Struct(two)) => fields(one, two).map(Self::Struct),
            (Self::List(one), Self::List(two)) => Some(Self::List(Box::new(one.beside(two)?))),
            (Self::Map(key, value), Self::Map(k, v)) => Some(Self::Map(
                Box::new(key.beside(k)?),
                Box::new(value.beside(v)?),
            )),
            _ => None,
        }
    }

    /// The same for what is nested in a column. A cast does not read bytes there as text.
    fn beside(&self, other: &Self) -> Option<Self> {
        let is = |kind: &Self, of: &str| matches!(kind, Self::Scalar { name, .. } if name == of);
        let mixed = |one, two| is(one, scalar::BYTES) && is(two, scalar::TEXT);
        match mixed(self, other) || mixed(other, self) {
            true => None,
            false => self.with(other),
        }
    }

    /// The declared type, without what is known of the values.
    pub(super) fn declared(&self) -> Self {
        match self {
            Self::Scalar { name, .. } => Self::scalar(name),
            Self::Struct(fields) => {
                let fields = fields.iter();
                let fields = fields.map(|(name, kind)| (name.clone(), kind.declared()));
                Self::Struct(fields.collect())
            }
            Self::List(item) => Self::List(Box::new(item.declared())),
            Self::Map(key, value) => {
                Self::Map(Box::new(key.declared()), Box::new(value.declared()))
            }
            Self::Empty(kind) => kind.declared(),
        }
    }
}

/// The fields of both, each once, compared without case as SQL does.
fn fields(one: &[(String, Kind)], two: &[(String, Kind)]) -> Option<Vec<(String, Kind)>> {
    let mut both = one.to_vec();
    for (name, kind) in two {
        match both
            .iter_mut()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
        {
            Some((_, known)) => *known = known.beside(kind)?,
            None => both.push((name.clone(), kind.clone())),
        }
    }
    Some(both)
}

/// The type in DuckDB's words.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scalar { name, .. } => f.write_str(name),
            Self::Struct(fields) => {
                let fields = fields.iter();
                let fields = fields.map(|(name, kind)| format!("{} {kind}", Ident(name)));
                write!(f, "STRUCT({})", joined(fields, ", "))
            }
            Self::List(item) => write!(f, "{item}[]"),
            Self::Map(key, value) => write!(f, "MAP({key}, {value})"),
            Self::Empty(kind) => kind.fmt(f),
        }
    }
}
