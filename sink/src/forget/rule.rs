//! Which records of a partition are left out, since somebody asked to be erased.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use topic::{Offset, Partition};

use super::keys::SubjectKey;
use super::records::RecordList;
use super::texts::any_text;
use crate::ledger::forget::{Forget, Subject, SubjectHash};
use crate::{Error, Lake, Ledger, Row};

/// All requests to be erased of a ledger, and what is needed to know their records.
#[derive(Debug, Clone, Default)]
pub struct Forgotten {
    key: Option<SubjectKey>,
    asked: Vec<(Forget, Option<Arc<RecordList>>)>,
}

impl Lake {
    /// The requests to be erased of this, the live lake's ledger. It costs nothing if there is
    /// none.
    ///
    /// # Errors
    /// [`Error::Damaged`] if the lake's keys or the list of a request are lost, else the store's.
    pub async fn forgotten(&self, ledger: &Ledger) -> Result<Forgotten, Error> {
        let mut forgotten = Forgotten::default();
        for asked in &ledger.forgets {
            let list = match &asked.forget.subject {
                Subject::Records(named) => Some(Arc::new(self.stored_records(named).await?)),
                Subject::Visitor(_) | Subject::User(_) => None,
            };
            forgotten.asked.push((asked.forget.clone(), list));
        }
        if !forgotten.asked.is_empty() {
            forgotten.key = self.keys().await?.map(|keys| keys.subjects());
            let named = |forget: &Forget| !matches!(forget.subject, Subject::Records(_));
            let needed = forgotten.asked.iter().any(|(forget, _)| named(forget));
            if forgotten.key.is_none() && needed {
                return Err(Error::Damaged {
                    path: "_ledger/keys.json".to_owned(),
                    detail: "it is not there, and without it nobody knows whom the ledger says \
                             to forget; put it back from a copy"
                        .to_owned(),
                });
            }
        }
        Ok(forgotten)
    }
}

impl Forgotten {
    /// Returns true if nobody asked to be erased.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.asked.is_empty()
    }

    /// Of one request that is not in the ledger yet.
    #[must_use]
    pub fn of(key: &SubjectKey, forget: Forget, list: Option<RecordList>) -> Self {
        Self {
            key: Some(key.clone()),
            asked: vec![(forget, list.map(Arc::new))],
        }
    }

    /// The partitions that some request reaches into.
    pub(super) fn partitions(&self) -> BTreeSet<Partition> {
        let asked = self.asked.iter();
        asked
            .flat_map(|(forget, _)| forget.until.keys().copied())
            .collect()
    }

    /// The same, of these requests alone.
    #[must_use]
    pub fn only(&self, of: impl Fn(&Forget) -> bool) -> Self {
        let asked = self.asked.iter().filter(|(forget, _)| of(forget));
        Self {
            key: self.key.clone(),
            asked: asked.cloned().collect(),
        }
    }

    /// What is left out of a partition from `from` on. `None` if nothing is.
    #[must_use]
    pub fn rule(&self, partition: Partition, from: Offset) -> Option<Arc<DropRule>> {
        let mut rule = DropRule {
            key: self.key.clone(),
            ..DropRule::default()
        };
        for (forget, list) in &self.asked {
            let until = forget.until.get(&partition).copied().unwrap_or_default();
            if until <= from {
                continue;
            }
            rule.until = rule.until.max(until);
            match &forget.subject {
                Subject::Visitor(hash) => raise(&mut rule.visitors, *hash, until),
                Subject::User(hash) => raise(&mut rule.users, *hash, until),
                Subject::Records(_) => {
                    let listed = list.iter().flat_map(|list| list.of(partition));
                    rule.records
                        .extend(listed.copied().filter(|at| *at < until));
                }
            }
        }
        rule.records.sort_unstable();
        rule.records.dedup();
        (rule.until > from).then(|| Arc::new(rule))
    }
}

fn raise(subjects: &mut HashMap<SubjectHash, Offset>, hash: SubjectHash, until: Offset) {
    let known = subjects.entry(hash).or_default();
    *known = until.max(*known);
}

/// What is left out of a partition.
#[derive(Debug, Clone, Default)]
pub struct DropRule {
    key: Option<SubjectKey>,
    /// Nothing is left out from here on.
    until: Offset,
    visitors: HashMap<SubjectHash, Offset>,
    users: HashMap<SubjectHash, Offset>,
    /// In order.
    records: Vec<Offset>,
}

impl DropRule {
    /// Nothing is left out from here on.
    #[must_use]
    pub const fn until(&self) -> Offset {
        self.until
    }

    /// Returns true if the row is left out.
    #[must_use]
    pub fn takes_row(&self, row: &Row<'_>) -> bool {
        let (visitor, user) = (row.visitor_id.as_deref(), row.user_id.as_deref());
        self.takes(Offset(row.offset), visitor, user)
    }

    /// Returns true if the row of this record, visitor and user is left out.
    #[must_use]
    pub fn takes(&self, offset: Offset, visitor: Option<&str>, user: Option<&str>) -> bool {
        offset < self.until
            && (self.lists(offset)
                || self
                    .until_of(visitor, user)
                    .is_some_and(|until| offset < until))
    }

    /// Up to where rows of this visitor and user are left out; `None` if none are.
    pub(super) fn until_of(&self, visitor: Option<&str>, user: Option<&str>) -> Option<Offset> {
        self.named(&self.visitors, visitor)
            .max(self.named(&self.users, user))
    }

    /// Returns true if the dead letter of a record is left out: its key, or a text in its value, is
    /// a subject. The lake keeps no keys.
    #[must_use]
    pub fn takes_letter(&self, offset: Offset, key: Option<&[u8]>, value: Option<&[u8]>) -> bool {
        if offset >= self.until {
            return false;
        }
        if self.lists(offset) {
            return true;
        }
        let (Some(keyed), false) = (&self.key, self.visitors.is_empty() && self.users.is_empty())
        else {
            return false;
        };
        let is_subject = |text: &[u8]| {
            let hash = keyed.hash(text);
            let until = self.visitors.get(&hash).max(self.users.get(&hash));
            until.is_some_and(|until| offset < *until)
        };
        key.is_some_and(is_subject)
            || value.is_some_and(|value| any_text(value, &|text| is_subject(text.as_bytes())))
    }

    /// Returns true if a request lists that record.
    pub(super) fn lists(&self, offset: Offset) -> bool {
        self.records.binary_search(&offset).is_ok()
    }

    fn named(&self, of: &HashMap<SubjectHash, Offset>, text: Option<&str>) -> Option<Offset> {
        let (Some(key), Some(text), false) = (&self.key, text, of.is_empty()) else {
            return None;
        };
        of.get(&key.hash(text)).copied()
    }
}
