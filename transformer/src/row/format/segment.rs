//! Segment's events, which RudderStack's are too.

use super::foreign::{Mapping, UNMAPPED};

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
        ("context.sessionId", "session_id"),
        ("context.page.url", "url"),
        ("properties.url", "url"),
        ("context.page.referrer", "referrer"),
        ("properties.referrer", "referrer"),
        ("context.userAgent", "user_agent"),
        ("context.campaign.source", "utm_source"),
        ("context.campaign.medium", "utm_medium"),
        ("context.campaign.name", "utm_campaign"),
        ("context.campaign.term", "utm_term"),
        ("context.campaign.content", "utm_content"),
        ("properties.order_id", "order_id"),
        ("properties.product_id", "product_id"),
        ("properties.sku", "product_id"),
        ("properties.quantity", "quantity"),
        ("properties.price", "price"),
        ("properties.currency", "currency"),
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
    ..UNMAPPED
};
