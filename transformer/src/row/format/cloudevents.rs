//! `CloudEvents`, whose data may have the fields of a native click.

use super::foreign::{Mapping, UNMAPPED};

/// Events of any type.
pub(super) const MAPPING: Mapping = Mapping {
    fields: &[
        ("time", "occurred_at"),
        ("type", "action"),
        ("data.product_id", "product_id"),
        ("data.product_name", "product_name"),
        ("data.category", "category"),
        ("data.quantity", "quantity"),
        ("data.price", "price"),
        ("data.currency", "currency"),
        ("data.order_id", "order_id"),
        ("data.visitor_id", "visitor_id"),
        ("data.session_id", "session_id"),
        ("data.user_id", "user_id"),
        ("data.url", "url"),
        ("data.referrer", "referrer"),
        ("data.utm_source", "utm_source"),
        ("data.utm_medium", "utm_medium"),
        ("data.utm_campaign", "utm_campaign"),
        ("data.utm_term", "utm_term"),
        ("data.utm_content", "utm_content"),
        ("data.user_agent", "user_agent"),
        ("data.country", "country"),
        ("data.region", "region"),
        ("data.city", "city"),
    ],
    properties: "data",
    items: "data.items",
    item_fields: &[
        ("product_id", "product_id"),
        ("product_name", "product_name"),
        ("category", "category"),
        ("quantity", "quantity"),
        ("price", "price"),
        ("currency", "currency"),
    ],
    ..UNMAPPED
};
