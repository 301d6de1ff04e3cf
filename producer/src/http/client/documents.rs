//! What the clients ask for when they start: settings, flags, decisions. Each gets the smallest
//! document that its library takes, which turns off what it would ask other hosts for.

use actix_web::http::{Method, header};
use actix_web::web::{self, Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::{GET, GET_AND_POST, POST};
use crate::http::answer::{get, header_text, resource, wrong_method};
use crate::http::intake::preflight;
use crate::http::state::EdgeState;

/// A path and what it answers.
type FixedDocument = (&'static str, fn() -> Value);

/// Answered alike by GET and POST, whatever the query and the body ask.
const FIXED: [FixedDocument; 7] = [
    ("/sourceConfig", rudderstack),
    ("/decide", posthog_flags),
    ("/flags", posthog_flags),
    ("/array/{token}/config", posthog_config),
    (
        "/api/feature_flag/local_evaluation",
        || json!({ "flags": [], "group_type_mapping": {}, "cohorts": {} }),
    ),
    ("/api/surveys", || json!({ "surveys": [] })),
    (
        "/api/early_access_features",
        || json!({ "earlyAccessFeatures": [] }),
    ),
];
/// Figures that libraries send about themselves, and events that are to be checked only. They are
/// answered and not kept.
const UNKEPT: [FixedDocument; 2] = [
    ("/v1/m", || json!({ "success": true })),
    ("/debug/mp/collect", || json!({ "validationMessages": [] })),
];

/// Adds the routes.
pub(in crate::http) fn configure(app: &mut ServiceConfig) {
    for (path, document) in FIXED {
        let answer = move || async move { shown(&document()) };
        app.service(
            resource(path)
                .route(get(answer))
                .route(web::post().to(answer))
                .route(web::method(Method::OPTIONS).to(preflight))
                .default_service(web::to(|| async { wrong_method(GET_AND_POST.1) })),
        );
    }
    for (path, document) in UNKEPT {
        app.service(
            resource(path)
                .route(web::post().to(move || async move { shown(&document()) }))
                .route(web::method(Method::OPTIONS).to(preflight))
                .default_service(web::to(|| async { wrong_method(POST.1) })),
        );
    }
    app.service(
        resource("/v1/projects/{key}/settings")
            .route(get(segment))
            .route(web::method(Method::OPTIONS).to(preflight))
            .default_service(web::to(|| async { wrong_method(GET.1) })),
    );
    app.service(
        web::resource("/array/{token:[A-Za-z0-9_-]+}/config.js")
            .route(get(posthog_script))
            .default_service(web::to(|| async { wrong_method(GET.1) })),
    );
}

/// Returns true for a path of a document that a page of another origin may ask for.
pub(in crate::http) fn is_documents_path(path: &str) -> bool {
    let is_fixed = |known: &str| known == path;
    FIXED.iter().any(|(known, _)| is_fixed(known))
        || UNKEPT.iter().any(|(known, _)| is_fixed(known))
        || path.starts_with("/array/")
        || path.starts_with("/v1/projects/") && path.ends_with("/settings")
}

fn shown(document: &Value) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "private, max-age=300"))
        .json(document)
}

/// Analytics.js: it sends to the host that it asked, to no other destination, and no figures about
/// itself.
async fn segment(state: Data<EdgeState>, request: HttpRequest) -> HttpResponse {
    let host = header_text(&request, header::HOST).unwrap_or_default();
    shown(&json!({
        "integrations": {
            "Segment.io": { "apiHost": format!("{host}/v1"), "protocol": protocol(&state, &request) },
        },
        "plan": { "track": { "__default": { "enabled": true, "integrations": {} } } },
        "metrics": { "sampleRate": 0 },
    }))
}

/// By which protocol a request reached this edge, perhaps through a proxy. A page that came by
/// https can ask for nothing by http. Only the one who asks reads the answer, so its own word
/// is enough.
fn protocol(state: &EdgeState, request: &HttpRequest) -> &'static str {
    let origin = header_text(request, header::ORIGIN).unwrap_or_default();
    let forwarded = header_text(request, header::X_FORWARDED_PROTO).unwrap_or_default();
    let is_secure =
        state.config.has_tls() || origin.starts_with("https://") || forwarded.starts_with("https");
    match is_secure {
        true => "https",
        false => "http",
    }
}

fn rudderstack() -> Value {
    json!({
        "source": {
            "id": "clickweir",
            "name": "clickweir",
            "workspaceId": "clickweir",
            "enabled": true,
            "config": {
                "statsCollection": {
                    "errors": { "enabled": false },
                    "metrics": { "enabled": false },
                },
            },
            "connections": [],
            "destinations": [],
            "dataplanes": {},
        },
        "updatedAt": "2000-01-01T00:00:00.000Z",
    })
}

/// Without any flag. The libraries of both kinds of answer find theirs.
fn posthog_flags() -> Value {
    let Value::Object(mut document) = posthog_config() else {
        return Value::Null;
    };
    document.insert("flags".into(), json!({}));
    document.insert("featureFlags".into(), json!({}));
    document.insert("featureFlagPayloads".into(), json!({}));
    document.insert("errorsWhileComputingFlags".into(), json!(false));
    Value::Object(document)
}

fn posthog_config() -> Value {
    json!({
        "supportedCompression": ["gzip", "gzip-js"],
        "hasFeatureFlags": false,
        "sessionRecording": false,
        "surveys": false,
        "heatmaps": false,
        "captureDeadClicks": false,
        "capturePerformance": false,
        "autocaptureExceptions": false,
        "analytics": { "endpoint": "/i/v0/e/" },
        "elementsChainAsString": true,
        "defaultIdentifiedOnly": true,
        "isAuthenticated": false,
        "toolbarParams": {},
        "siteApps": [],
    })
}

/// The same as a script for a page.
async fn posthog_script(token: Path<String>) -> HttpResponse {
    let config = posthog_config();
    let script = format!(
        "(function(){{var all=window._POSTHOG_REMOTE_CONFIG=window._POSTHOG_REMOTE_CONFIG||{{}};\
         all[\"{token}\"]={{config:{config},siteApps:[]}}}})();\n"
    );
    HttpResponse::Ok()
        .content_type(crate::http::assets::JAVASCRIPT)
        .insert_header((header::CACHE_CONTROL, "private, max-age=300"))
        .insert_header((header::CROSS_ORIGIN_RESOURCE_POLICY, "cross-origin"))
        .body(script)
}
