//! The way of a click: from the bytes of a body to drafts in the topic.
//!
//! [`edge`] leads it. A body is inflated and checked to be UTF-8 ([`body`]), split into
//! clicks ([`split`], over [`scan`]) and asked for its ids ([`identity`]); a query string
//! becomes a body first ([`pixel`]). Nothing here knows HTTP but [`rejection`], which
//! names the status of each refusal.

mod body;
pub(crate) mod edge;
pub(crate) mod identity;
pub(crate) mod pixel;
pub(crate) mod rejection;
pub(crate) mod scan;
pub(crate) mod split;
