//! Takes secrets out of the addresses in a text.

use std::borrow::Cow;
use std::ops::Range;

use super::layers;
use super::names::{QueryName, SecretNames};
use super::suspicion::is_suspect;

/// How often a text is looked at: once for each of its layers and once more, and again for what is an
/// address only without another, as in `//a@//b@host`.
const MAX_PASSES: usize = 16;

/// Finds ranges that have to go in a text.
type Finding = fn(&[u8], &SecretNames, &mut Vec<Range<usize>>);

/// Takes user info, and the parameters of queries that have secret names, out of every address in a
/// text.
#[derive(Debug)]
pub(crate) struct AddressCleaner {
    names: SecretNames,
}

impl AddressCleaner {
    pub(crate) fn of(names: &[QueryName]) -> Self {
        Self {
            names: SecretNames::of(names),
        }
    }

    /// A text without its secrets; borrowed if it has none.
    pub(crate) fn clean<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.cleaned(text, layers::find)
    }

    /// Well-formed JSON without the secrets of its strings, well-formed too; borrowed if it has none.
    pub(crate) fn clean_json<'t>(&self, json: &'t str) -> Cow<'t, str> {
        self.cleaned(json, layers::find_in_json)
    }

    fn cleaned<'t>(&self, text: &'t str, find: Finding) -> Cow<'t, str> {
        let mut kept = Cow::Borrowed(text);
        if !is_suspect(text.as_bytes(), &self.names) {
            return kept;
        }
        for _ in 0..MAX_PASSES {
            let mut found = Vec::new();
            find(kept.as_bytes(), &self.names, &mut found);
            if found.is_empty() {
                break;
            }
            kept = Cow::Owned(without(&kept, found));
        }
        kept
    }
}

/// The text without the ranges, which may be in any order and overlap.
fn without(text: &str, mut ranges: Vec<Range<usize>>) -> String {
    ranges.sort_unstable_by_key(|range| range.start);
    let (mut kept, mut at) = (String::with_capacity(text.len()), 0);
    for range in ranges {
        // Each end is beside a character of ASCII, or of an escape.
        kept.push_str(text.get(at..range.start).unwrap_or_default());
        at = at.max(range.end);
    }
    kept.push_str(&text[at..]);
    kept
}

#[cfg(test)]
mod tests;
