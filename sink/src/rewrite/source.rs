//! One side of a rewrite.

use super::choice::Choice;
use super::scope::Scope;
use crate::{Lake, Ledger};

/// What a rewrite reads of a lake, and what of it stays.
pub(crate) struct RewriteSource<'a> {
    pub(crate) lake: &'a Lake,
    pub(crate) ledger: &'a Ledger,
    pub(crate) scope: Scope,
    pub(crate) choice: Choice,
}
