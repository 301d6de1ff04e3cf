//! Events of Google Analytics 4, from its Measurement Protocol and from its tag.

use super::epoch::EpochUnit;
use super::foreign::{Mapping, UNMAPPED};

/// Events of a server; the body names the visitor once for all of them.
pub(super) const MEASUREMENT_PROTOCOL: Mapping = Mapping {
    fields: &[
        ("name", "action"),
        ("client_id", "visitor_id"),
        ("app_instance_id", "visitor_id"),
        ("user_id", "user_id"),
        ("params.session_id", "session_id"),
        ("params.ga_session_id", "session_id"),
        ("params.page_location", "url"),
        ("params.page_referrer", "referrer"),
        ("params.transaction_id", "order_id"),
        ("params.currency", "currency"),
        ("user_agent", "user_agent"),
        ("user_location.city", "city"),
        ("user_location.region_id", "region"),
        ("user_location.country_id", "country"),
    ],
    moments: &[("timestamp_micros", EpochUnit::Micros)],
    properties: "params",
    items: "params.items",
    item_fields: &[
        ("item_id", "product_id"),
        ("item_name", "product_name"),
        ("item_category", "category"),
        ("quantity", "quantity"),
        ("price", "price"),
        ("currency", "currency"),
    ],
    ..UNMAPPED
};

/// Hits of a page, whose fields have the tag's short names.
pub(super) const TAG: Mapping = Mapping {
    fields: &[
        ("en", "action"),
        ("cid", "visitor_id"),
        ("uid", "user_id"),
        ("sid", "session_id"),
        ("dl", "url"),
        ("dr", "referrer"),
        ("params.transaction_id", "order_id"),
        ("cu", "currency"),
        ("params.currency", "currency"),
    ],
    properties: "params",
    items: "params.items",
    item_fields: &[
        ("id", "product_id"),
        ("nm", "product_name"),
        ("ca", "category"),
        ("qt", "quantity"),
        ("pr", "price"),
        ("currency", "currency"),
    ],
    ..UNMAPPED
};
