//! What requests and answers share: who is let in, parameters, formats and errors.

pub(crate) mod assets;
pub(crate) mod body;
pub(crate) mod format;
pub(crate) mod guard;
pub(crate) mod host;
pub(crate) mod nav;
pub(crate) mod params;
pub(crate) mod problem;
pub(crate) mod reply;
pub(crate) mod streams;
pub(crate) mod token;
