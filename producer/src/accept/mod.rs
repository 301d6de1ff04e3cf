//! The way of a click: from the bytes of a body to records of the topic.
//!
//! [`edge`] leads it. A body is inflated (`body`), made Unicode (`text`), split into clicks
//! (`split`, after a pass by [`scan`]) and searched for its ids ([`identity`]). A query
//! string becomes a body first ([`pixel`]). Nothing here knows HTTP, except that a
//! [`rejection`] names its status.

pub(crate) mod body;
pub(crate) mod edge;
mod fault;
pub(crate) mod fields;
pub(crate) mod format;
pub(crate) mod identity;
pub(crate) mod pixel;
pub(crate) mod rejection;
pub(crate) mod scan;
pub(crate) mod split;
pub(crate) mod strings;
mod text;
