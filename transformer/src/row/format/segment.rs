//! Segment's events, which RudderStack's are too.

use super::foreign::Mapping;

/// The calls `track`, `page`, `screen`, `identify`, `group` and `alias`.
pub(super) const MAPPING: Mapping = Mapping {
    fields: &[
        ("messageId", "id"),
        ("timestamp", "occurred_at"),
        ("originalTimestamp", "occurred_at"),
        ("event", "action"),
        ("type", "action"),
        ("anonymousId", "visitor_id"),
        ("userId", "user_id"),
        ("context.page.url", "url"),
        ("properties.url", "url"),
        ("context.page.referrer", "referrer"),
        ("context.userAgent", "user_agent"),
    ],
    properties: "properties",
    items: "properties.products",
    item_fields: &[
        ("product_id", "product_id"),
        ("sku", "product_id"),
        ("name", "product_name"),
        ("category", "category"),
        ("quantity", "quantity"),
        ("price", "price"),
        ("currency", "currency"),
    ],
};
