//! Backups: copies of a lake at one state of its ledger, and lakes that are made of them.
//!
//! A backup's place holds what objects of the lake contain, each under the hash of its content, so
//! that a second backup copies only what is new. A backup is a list that says which path of the
//! lake has which content, and a numbered object that names the list, which is created last.

pub(crate) mod config;
mod content;
mod inventory;
pub(crate) mod manifest;
pub(crate) mod prune;
pub(crate) mod restore;
mod restoring;
mod reviving;
pub(crate) mod run;
pub(crate) mod store;
pub(crate) mod take;
mod transfer;
mod view;

#[cfg(test)]
mod tests;
