//! Snowplow's events, whose fields have the short names of its tracker protocol.

use super::foreign::{Mapping, UNMAPPED};

/// Page views and pings, structured and self-describing events, and an order's lines, which are
/// events of their own.
pub(super) const MAPPING: Mapping = Mapping {
    fields: &[
        ("eid", "id"),
        ("ttm", "occurred_at"),
        ("dtm", "occurred_at"),
        ("se_ac", "action"),
        ("e", "action"),
        ("duid", "visitor_id"),
        ("tnuid", "visitor_id"),
        ("nuid", "visitor_id"),
        ("sid", "session_id"),
        ("uid", "user_id"),
        ("url", "url"),
        ("refr", "referrer"),
        ("ua", "user_agent"),
        ("tr_id", "order_id"),
        ("ti_id", "order_id"),
        ("tr_cu", "currency"),
        ("ti_cu", "currency"),
        ("ti_sk", "product_id"),
        ("ti_nm", "product_name"),
        ("ti_ca", "category"),
        ("ti_pr", "price"),
        ("ti_qu", "quantity"),
    ],
    // Each line of a transaction is an event of its own, and counts.
    words: (
        "e",
        &[
            ("pv", "page"),
            ("ti", "buy"),
            ("tr", "order"),
            ("pp", "ping"),
        ],
    ),
    ..UNMAPPED
};
