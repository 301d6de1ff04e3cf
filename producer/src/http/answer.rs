//! Answers to requests that went wrong: JSON that says what happened and what to do.

use std::borrow::Cow;

use actix_web::http::{ConnectionType, StatusCode, header};
use actix_web::{
    FromRequest, Handler, HttpRequest, HttpResponse, Resource, Responder, Route, guard, web,
};

use crate::accept::rejection::{Rejection, error_body};

/// Makes a resource at a path, with a slash behind it or without one.
pub(crate) fn resource(path: &str) -> Resource {
    match path {
        "/" => web::resource(path),
        _ => web::resource(vec![path.to_owned(), format!("{path}/")]),
    }
}

/// Makes a resource that answers GET and HEAD only.
pub(crate) fn only_get<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let other = web::to(|| async { wrong_method("GET, HEAD") });
    resource(path).route(get(handler)).default_service(other)
}

/// Makes a route for GET and for HEAD, whose answer goes out without its body.
pub(crate) fn get<F, Args>(handler: F) -> Route
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let reads = guard::Any(guard::Get()).or(guard::Head());
    web::route().guard(reads).to(handler)
}

/// Answers 405 with the methods that are `allowed`.
pub(crate) fn wrong_method(allowed: &'static str) -> HttpResponse {
    let remedy = format!("use {allowed}");
    let body = error_body("this path does not take that method", &remedy, None);
    let mut answer = json(StatusCode::METHOD_NOT_ALLOWED, body);
    answer
        .headers_mut()
        .insert(header::ALLOW, header::HeaderValue::from_static(allowed));
    answer
}

/// Answers a request that was refused.
pub(crate) fn refusal(rejection: &Rejection) -> HttpResponse {
    let status = StatusCode::from_u16(rejection.status()).expect("the statuses are HTTP's");
    let mut answer = json(status, rejection.body());
    match rejection {
        Rejection::Unavailable(_) => {
            let second = header::HeaderValue::from_static("1");
            answer.headers_mut().insert(header::RETRY_AFTER, second);
        }
        // The rest of the body is still on its way and will not be read.
        Rejection::TooLarge { .. } | Rejection::Slow => {
            answer.head_mut().set_connection_type(ConnectionType::Close);
        }
        Rejection::Throttled { seconds, .. } | Rejection::SourceThrottled { seconds, .. } => {
            let wait = header::HeaderValue::from(*seconds);
            answer.headers_mut().insert(header::RETRY_AFTER, wait);
        }
        Rejection::NoKey => {
            let scheme = header::HeaderValue::from_static("Bearer");
            answer
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, scheme);
        }
        Rejection::Malformed { .. }
        | Rejection::Ruled(_)
        | Rejection::UnknownKey
        | Rejection::ForeignFormat(_)
        | Rejection::Incomplete
        | Rejection::ForeignOrigin(_)
        | Rejection::Unsupported(_) => {}
    }
    answer
}

/// Makes an answer of JSON text.
pub(crate) fn json(status: StatusCode, body: String) -> HttpResponse {
    HttpResponse::build(status)
        .content_type("application/json")
        .body(body)
}

/// Returns a request's header as text; `None` if it is absent or not ASCII.
pub(crate) fn header_text(request: &HttpRequest, name: header::HeaderName) -> Option<&str> {
    request
        .headers()
        .get(name)
        .and_then(|value| value.to_str().ok())
}

/// Returns a request's header as text; what is not UTF-8 in it is U+FFFD. `None` if it is absent.
pub(crate) fn header_lossy(
    request: &HttpRequest,
    name: header::HeaderName,
) -> Option<Cow<'_, str>> {
    let value = request.headers().get(name)?;
    Some(String::from_utf8_lossy(value.as_bytes()))
}
