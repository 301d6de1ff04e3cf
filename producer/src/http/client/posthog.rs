//! PostHog's libraries, which read the status.

use actix_web::HttpResponse;

use super::{Client, GET_AND_POST};
use crate::accept::format::PostHogEvents;

/// Events in a body, or one in the query.
pub(in crate::http) const POSTHOG: Client = Client {
    name: "posthog",
    paths: &["/batch", "/e", "/i/v0/e", "/capture"],
    methods: GET_AND_POST,
    format: |_, query| Box::new(PostHogEvents { query }),
    answer: |_, _| HttpResponse::Ok().json(serde_json::json!({ "status": "Ok" })),
};
