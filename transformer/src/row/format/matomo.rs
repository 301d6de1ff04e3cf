//! Matomo's hits, whose fields have the names of its tracking API.

use super::epoch::EpochUnit;
use super::foreign::{Mapping, UNMAPPED};

/// Page views, events, goals, orders, baskets, searches, downloads and links.
pub(super) const MAPPING: Mapping = Mapping {
    fields: &[
        ("e_a", "action"),
        ("cid", "visitor_id"),
        ("_id", "visitor_id"),
        ("uid", "visitor_id"),
        ("uid", "user_id"),
        ("url", "url"),
        ("urlref", "referrer"),
        ("ua", "user_agent"),
        ("idorder", "order_id"),
        ("_pks", "product_id"),
        ("_pkn", "product_name"),
        ("_pkc", "category"),
        ("_pkp", "price"),
        ("country", "country"),
        ("region", "region"),
        ("city", "city"),
    ],
    moments: &[("cdt", EpochUnit::Seconds)],
    kinds: &[
        ("e_c", "event"),
        ("idorder", "buy"),
        ("items", "cart"),
        ("idgoal", "goal"),
        ("search", "search"),
        ("download", "download"),
        ("link", "link"),
        ("ping", "ping"),
        ("_pks", "view"),
        ("_pkn", "view"),
        ("url", "page"),
        ("action_name", "page"),
    ],
    items: "items",
    item_fields: &[
        ("sku", "product_id"),
        ("name", "product_name"),
        ("category", "category"),
        ("price", "price"),
        ("quantity", "quantity"),
    ],
    ..UNMAPPED
};
