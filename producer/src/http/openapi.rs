//! What the edge's own routes take and answer, as an OpenAPI document.
//!
//! A test compares the document with the routes: their paths, methods and answers.

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::Data;
use serde_json::{Map, Value, json};

use super::state::EdgeState;
use crate::config::Config;

/// A status and what it means.
type Answer = (u16, &'static str);

/// What a method does at a path.
struct ApiOperation {
    path: &'static str,
    /// In lower case.
    method: &'static str,
    summary: &'static str,
    /// The content type of 200.
    content: Option<&'static str>,
    answers: &'static [Answer],
}

/// Why any route may refuse a request before it looks at it.
const BEFORE: [Answer; 3] = [
    (400, "the URL holds a NUL"),
    (403, "a rule refuses the request"),
    (
        429,
        "a rule's rate is used up; Retry-After says for how long",
    ),
];
const NO_KEY: Answer = (401, "the edge takes clicks with a key only");
const REFUSED: Answer = (403, "the page, the key or the rules do not allow it");
const OVER_RATE: Answer = (
    429,
    "the address or the key's source sent too many; Retry-After is set",
);
const UNAVAILABLE: Answer = (
    503,
    "the edge or its topic is full or away; Retry-After is set",
);
const LEFT_OUT: Answer = (204, "by the owner's will no click of it is kept");

const OPERATIONS: [ApiOperation; 9] = [
    ApiOperation {
        path: "/v1/events",
        method: "post",
        summary: "Takes one click, an array of clicks, or one click per line",
        content: None,
        answers: &[
            (
                202,
                "the clicks are durable, but for those that are listed as rejected",
            ),
            LEFT_OUT,
            (400, "the body is empty, is no JSON, or holds no click"),
            NO_KEY,
            REFUSED,
            (408, "the body did not arrive in time"),
            (413, "the body is too large, or has too many clicks"),
            (415, "the body has an encoding that the edge does not know"),
            OVER_RATE,
            UNAVAILABLE,
        ],
    },
    ApiOperation {
        path: "/v1/events",
        method: "options",
        summary: "Says whether a page of another origin may send",
        content: None,
        answers: &[(204, "it may"), REFUSED],
    },
    ApiOperation {
        path: "/pixel.gif",
        method: "get",
        summary: "Takes one click from the query",
        content: Some("image/gif"),
        answers: &[
            (200, "the click is durable"),
            LEFT_OUT,
            (400, "the query is no click"),
            NO_KEY,
            REFUSED,
            (413, "the click is too large"),
            OVER_RATE,
            UNAVAILABLE,
        ],
    },
    reads(
        "/clickweir.js",
        "The tracker for pages",
        "text/javascript",
        &[(200, "the script")],
    ),
    reads(
        "/healthz",
        "Says that the edge lives",
        "text/plain",
        &[(200, "it lives")],
    ),
    reads(
        "/readyz",
        "Says whether the edge takes clicks",
        "text/plain",
        &[
            (200, "it does"),
            (503, "it stops, or its topic does not answer"),
        ],
    ),
    reads(
        "/metrics",
        "The metrics of the process, for Prometheus",
        "text/plain",
        &[(200, "the metrics"), (403, "they are not for this address")],
    ),
    reads(
        "/rules",
        "What the rules did",
        "application/json",
        &[
            (200, "the rules and the newest hits"),
            (403, "this is not for this address"),
            (404, "the edge has no rules"),
        ],
    ),
    reads(
        "/openapi.json",
        "This document",
        "application/json",
        &[(200, "the document")],
    ),
];

/// A route that only gives something.
const fn reads(
    path: &'static str,
    summary: &'static str,
    content: &'static str,
    answers: &'static [Answer],
) -> ApiOperation {
    ApiOperation {
        path,
        method: "get",
        summary,
        content: Some(content),
        answers,
    }
}

impl ApiOperation {
    fn document(&self, config: &Config) -> Value {
        let mut answers = Map::new();
        for (status, meaning) in BEFORE.iter().chain(self.answers) {
            let mut answer = json!({ "description": meaning });
            let content = match status {
                200 => self.content.map(|kind| (kind, json!({}))),
                202 => Some(("application/json", reference("Accepted"))),
                400.. => Some(("application/json", reference("Refusal"))),
                _ => None,
            };
            if let Some((kind, schema)) = content {
                answer["content"] = json!({ kind: { "schema": schema } });
            }
            answers.insert(status.to_string(), answer);
        }
        let mut operation = json!({ "summary": self.summary, "responses": answers });
        match (self.path, self.method) {
            ("/v1/events", "post") => {
                let clicks = json!({
                    "type": "array",
                    "items": reference("Click"),
                    "minItems": 1,
                    "maxItems": config.max_clicks,
                });
                let schema = json!({ "oneOf": [reference("Click"), clicks] });
                operation["requestBody"] = json!({
                    "required": true,
                    "content": { "application/json": { "schema": schema } },
                });
                operation["security"] = security(config);
            }
            ("/pixel.gif", _) => {
                let fields = ["id", "action", "visitor_id", "url"];
                let parameter = |name: &str| {
                    let schema = json!({ "type": "string" });
                    json!({ "name": name, "in": "query", "required": false, "schema": schema })
                };
                operation["parameters"] = fields.map(parameter).to_vec().into();
                operation["security"] = security(config);
            }
            _ => {}
        }
        operation
    }
}

/// The ways of sending a key; none is needed if the edge is open.
fn security(config: &Config) -> Value {
    match config.keys.trim() {
        "" => json!([]),
        _ => json!([{ "bearer": [] }, { "header": [] }, { "query": [] }]),
    }
}

fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

/// Answers the document.
pub(super) async fn openapi(state: Data<EdgeState>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .json(document(&state.config))
}

fn document(config: &Config) -> Value {
    let mut paths = Map::new();
    for operation in &OPERATIONS {
        let known = paths.entry(operation.path).or_insert_with(|| json!({}));
        known[operation.method] = operation.document(config);
        if operation.method == "get" {
            let mut head = operation.document(config);
            head["summary"] =
                format!("{}; without a body and without effect", operation.summary).into();
            known["head"] = head;
        }
    }
    let text = json!({ "type": "string" });
    let click = json!({
        "type": "object",
        "description": "One thing that a visitor did. Fields that are not listed are kept.",
        "properties": {
            "id": { "description": "of the client's own; a click that is sent again keeps it" },
            "visitor_id": { "description": "whose it is" },
            "items": { "description": "the lines of an order: an object for each" },
        },
        "additionalProperties": true,
    });
    let rejected = json!({
        "type": "object",
        "required": ["index", "reason"],
        "properties": { "index": { "type": "integer", "minimum": 0 }, "reason": text },
    });
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Clickweir's edge",
            "version": env!("CARGO_PKG_VERSION"),
            "description": format!("Bodies have at most {} bytes.", config.max_body.as_u64()),
            "license": { "name": env!("CARGO_PKG_LICENSE"), "identifier": env!("CARGO_PKG_LICENSE") },
        },
        "paths": paths,
        "components": {
            "schemas": {
                "Click": click,
                "Accepted": {
                    "type": "object",
                    "required": ["accepted", "rejected"],
                    "properties": {
                        "accepted": { "type": "integer", "minimum": 0 },
                        "rejected": { "type": "array", "items": rejected },
                        "left_out": { "type": "integer", "minimum": 1 },
                    },
                },
                "Refusal": {
                    "type": "object",
                    "required": ["error", "remedy"],
                    "properties": {
                        "error": text,
                        "remedy": text,
                        "position": { "type": "integer", "minimum": 0 },
                    },
                },
            },
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer" },
                "header": { "type": "apiKey", "in": "header", "name": "X-Api-Key" },
                "query": { "type": "apiKey", "in": "query", "name": "key" },
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accept::rejection::Rejection;
    use crate::testing;

    #[test]
    fn the_document_has_the_routes_of_the_code_and_no_other() {
        let code = include_str!("routes.rs");
        let mut routes: Vec<_> = code
            .split("only_get(\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .chain(["/v1/events", "/clickweir.js"])
            .collect();
        routes.sort_unstable();
        let document = document(&testing::config());
        let paths = document["paths"].as_object().unwrap();
        let mut listed: Vec<_> = paths.keys().map(String::as_str).collect();
        listed.sort_unstable();
        assert_eq!(listed, routes);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn every_path_of_the_document_takes_its_methods_and_answers_as_it_says() {
        let (base, _topic) = testing::serve(testing::config());
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let served = client
            .get(format!("{base}/openapi.json"))
            .send()
            .await
            .unwrap();
        let served: Value = served.json().await.unwrap();
        for (path, operations) in served["paths"].as_object().unwrap() {
            for method in ["GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE", "PATCH"] {
                let request = client.request(method.parse().unwrap(), format!("{base}{path}"));
                let answer = request.body("{}").send().await.unwrap();
                let status = answer.status().as_u16();
                let listed = &operations[method.to_ascii_lowercase()];
                if listed.is_null() {
                    assert_eq!(status, 405, "{method} {path}");
                    let allowed = answer.headers()["allow"].to_str().unwrap();
                    for method in allowed.split(", ") {
                        let method = method.to_ascii_lowercase();
                        assert!(!operations[&method].is_null(), "{method} {path}");
                    }
                } else {
                    let known = &listed["responses"][status.to_string()];
                    assert!(known.is_object(), "{method} {path} answers {status}");
                }
            }
        }
    }

    #[test]
    fn every_refusal_of_a_click_is_listed() {
        let document = document(&testing::config());
        let answers = &document["paths"]["/v1/events"]["post"]["responses"];
        let text = String::new;
        for rejection in [
            Rejection::malformed("x"),
            Rejection::TooLarge {
                what: "x",
                limit: text(),
            },
            Rejection::Unsupported(text()),
            Rejection::Incomplete,
            Rejection::Slow,
            Rejection::ForeignOrigin(text()),
            Rejection::Ruled(text()),
            Rejection::Throttled {
                rule: text(),
                seconds: 1,
            },
            Rejection::SourceThrottled {
                source_name: text(),
                seconds: 1,
            },
            Rejection::NoKey,
            Rejection::UnknownKey,
            Rejection::ForeignFormat("x"),
            Rejection::Unavailable(text()),
        ] {
            let status = rejection.status().to_string();
            assert!(answers[&status].is_object(), "{status}");
        }
    }
}
