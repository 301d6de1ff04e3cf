//! The routes of other trackers' clients: their own paths, and the answers that they expect.

use actix_web::http::{Method, header};
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};

use super::answer::{header_lossy, header_text, wrong_method};
use super::routes::{preflight, refuse};
use super::state::EdgeState;
use crate::accept::edge::EdgeFacts;
use crate::accept::format::{Segment, WireFormat};

/// A kind of client.
struct Client {
    /// The name of its format in the envelope.
    name: &'static str,
    format: &'static dyn WireFormat,
    /// The answer to a body whose clicks were acknowledged.
    accepted: fn() -> HttpResponse,
}

/// Segment's and RudderStack's libraries, which read no more than the status.
const SEGMENT: Client = Client {
    name: "segment",
    format: &Segment,
    accepted: || HttpResponse::Ok().json(serde_json::json!({ "success": true })),
};
/// One path for each call, in full and as the browser's library shortens it, and those of batches.
const SEGMENT_PATHS: [&str; 15] = [
    "/v1/alias",
    "/v1/a",
    "/v1/batch",
    "/v1/b",
    "/v1/group",
    "/v1/g",
    "/v1/identify",
    "/v1/i",
    "/v1/import",
    "/v1/page",
    "/v1/p",
    "/v1/screen",
    "/v1/s",
    "/v1/track",
    "/v1/t",
];

/// Adds the routes.
pub(super) fn configure(app: &mut ServiceConfig) {
    for path in SEGMENT_PATHS {
        take_at(app, path, &SEGMENT);
    }
}

/// Returns true for a path to which a client sends clicks.
pub(super) fn is_clients_path(path: &str) -> bool {
    SEGMENT_PATHS.contains(&path)
}

fn take_at(app: &mut ServiceConfig, path: &str, client: &'static Client) {
    for path in [path.to_owned(), format!("{path}/")] {
        let take = move |state: Data<EdgeState>, request: HttpRequest, payload: Payload| async move {
            take(&state, &request, payload, client).await
        };
        app.service(
            web::resource(path)
                .route(web::post().to(take))
                .route(web::method(Method::OPTIONS).to(preflight))
                .default_service(web::to(|| async { wrong_method("POST, OPTIONS") })),
        );
    }
}

/// Takes a body of clicks in the client's own format.
async fn take(
    state: &EdgeState,
    request: &HttpRequest,
    payload: Payload,
    client: &Client,
) -> HttpResponse {
    let appended = async {
        let (body, _held) = state.read_body(request, payload, state.max_body()).await?;
        state.check_origin(request)?;
        let agent = header_lossy(request, header::USER_AGENT);
        let facts = EdgeFacts {
            content_encoding: header_text(request, header::CONTENT_ENCODING),
            ..state.facts(request, client.name, agent.as_deref())
        };
        state.append(client.format, &facts, body).await
    };
    match appended.await {
        Ok(_) => (client.accepted)(),
        Err(rejection) => refuse(state, &rejection),
    }
}
