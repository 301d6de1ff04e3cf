//! The parameters in which clients send their keys.

/// The parameters of a query that hold a key: ours, and those of other trackers.
pub(crate) const KEY_PARAMETERS: [&str; 7] = [
    "key",
    "writeKey",
    "api_key",
    "apiKey",
    "token",
    "api_secret",
    "token_auth",
];
