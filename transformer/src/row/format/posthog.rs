//! PostHog's events.

use super::foreign::{Mapping, UNMAPPED};

/// Events of any name; those of PostHog itself begin with a dollar.
pub(super) const MAPPING: Mapping = Mapping {
    fields: &[
        ("uuid", "id"),
        ("timestamp", "occurred_at"),
        ("event", "action"),
        ("distinct_id", "visitor_id"),
        ("properties.distinct_id", "visitor_id"),
        ("$distinct_id", "visitor_id"),
        ("properties.$session_id", "session_id"),
        ("properties.$user_id", "user_id"),
        ("properties.$current_url", "url"),
        ("properties.$referrer", "referrer"),
        ("properties.$raw_user_agent", "user_agent"),
        ("properties.utm_source", "utm_source"),
        ("properties.utm_medium", "utm_medium"),
        ("properties.utm_campaign", "utm_campaign"),
        ("properties.utm_term", "utm_term"),
        ("properties.utm_content", "utm_content"),
        ("properties.order_id", "order_id"),
        ("properties.product_id", "product_id"),
        ("properties.quantity", "quantity"),
        ("properties.price", "price"),
        ("properties.currency", "currency"),
    ],
    properties: "properties",
    ..UNMAPPED
};
