//! The edge over HTTP: its routes, and the state that all requests share.

pub(crate) mod answer;
pub(crate) mod assets;
mod aws;
mod client;
mod clients;
mod credentials;
pub(crate) mod head;
mod intake;
pub(crate) mod observe;
mod openapi;
pub(crate) mod origin;
pub(crate) mod routes;
pub(crate) mod rules;
pub(crate) mod state;
