//! The edge over HTTP: the routes, and the state that all requests share.

pub(crate) mod metrics;
pub(crate) mod state;
