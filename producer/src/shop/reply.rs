//! The answers of the shop: a page, or the way to one.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use super::page::{Frame, MissingPage};
use super::session::ShopVisitor;

/// Answers a page.
pub(super) fn answer(
    status: StatusCode,
    visitor: &ShopVisitor,
    page: &impl Template,
) -> HttpResponse {
    let html = page.render().expect("the templates write text into memory");
    let mut answer = HttpResponse::build(status);
    for cookie in visitor.cookies() {
        answer.append_header((header::SET_COOKIE, cookie));
    }
    answer
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::REFERRER_POLICY, "strict-origin-when-cross-origin"))
        .insert_header((
            header::CONTENT_SECURITY_POLICY,
            "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
        ))
        .body(html)
}

/// Answers 303: the browser gets the page that follows, and a reload does not send the
/// form again.
pub(super) fn redirect(visitor: &ShopVisitor, to: &'static str) -> HttpResponse {
    let mut answer = HttpResponse::SeeOther();
    for cookie in visitor.cookies() {
        answer.append_header((header::SET_COOKIE, cookie));
    }
    answer.insert_header((header::LOCATION, to)).finish()
}

/// Answers 404: the shop does not have this, or not so many.
pub(super) fn missing(request: &HttpRequest, visitor: &ShopVisitor) -> HttpResponse {
    let frame = Frame::new(request, visitor, Vec::new());
    answer(StatusCode::NOT_FOUND, visitor, &MissingPage { frame })
}
