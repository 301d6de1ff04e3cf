//! How answers leave: pages, redirects, CSV files and JSON. None of them is ever cached.

use actix_web::HttpResponse;
use actix_web::body::MessageBody;
use actix_web::http::{StatusCode, header};
use askama::Template;
use serde::Serialize;

/// A page.
pub(crate) fn html(status: StatusCode, page: &impl Template) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(render(page))
}

/// A template's text.
pub(crate) fn render(template: &impl Template) -> String {
    let text = template.render();
    text.expect("a template over text and numbers renders")
}

/// Sends the client on to another path.
pub(crate) fn redirect(path: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((header::LOCATION, path))
        .finish()
}

/// A table as a CSV download.
pub(crate) fn csv(name: &str, text: impl MessageBody + 'static) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/csv; charset=utf-8"))
        .insert_header((
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}.csv\""),
        ))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(text)
}

/// A value as JSON.
pub(crate) fn json(value: &impl Serialize) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(value)
}
