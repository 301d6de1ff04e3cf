//! Who is answered, and with which headers: a page of somebody else can neither reach a
//! dashboard on this machine by a name of its own, nor make a browser send it a command, nor
//! load anything into our pages.

use std::net::IpAddr;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::uri::Authority;
use actix_web::http::{Method, StatusCode, Uri};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse, ResponseError, web};

use crate::reply::{PageProblem, Problem};

/// Whether the listener's address is this machine's own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Loopback(pub(crate) bool);

const HEADERS: [(HeaderName, &str); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

/// Lets a request in or refuses it, and sets the headers that every answer bears.
pub(crate) async fn guard(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let loopback = request
        .app_data::<web::Data<Loopback>>()
        .is_some_and(|data| data.0);
    let mut response = match foreign(request.method(), request.uri(), request.headers(), loopback) {
        Some(problem) => {
            let answer = told(request.path(), problem);
            request.into_response(answer)
        }
        None => next.call(request).await?.map_into_boxed_body(),
    };
    for (name, value) in HEADERS {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

/// A problem as the asker reads it: JSON for programs, a page for people.
pub(crate) fn told(path: &str, problem: Problem) -> HttpResponse {
    if path.starts_with("/api/") || path.starts_with("/command/") {
        problem.error_response()
    } else {
        PageProblem(problem).error_response()
    }
}

fn foreign(method: &Method, uri: &Uri, headers: &HeaderMap, loopback: bool) -> Option<Problem> {
    let host = uri
        .authority()
        .map(Authority::as_str)
        .or_else(|| headers.get(header::HOST)?.to_str().ok())
        .unwrap_or_default();
    if loopback && !names_this_machine(host) {
        return Some(Problem::new(
            StatusCode::FORBIDDEN,
            format!("this dashboard listens on this machine only, and {host:?} does not name it"),
            "ask for it at 127.0.0.1 or localhost, or set dashboard.listen to another address",
        ));
    }
    let safe = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    let origin = headers
        .get(header::ORIGIN)
        .and_then(|value| value.to_str().ok());
    match origin {
        Some(origin) if !safe && origin.split_once("://").map(|(_, from)| from) != Some(host) => {
            Some(Problem::new(
                StatusCode::FORBIDDEN,
                format!("a page at {origin} may not send this"),
                "send it from a program, or from the dashboard's own page",
            ))
        }
        _ => None,
    }
}

fn names_this_machine(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _port)| name),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_let_in() {
        let check =
            |host: &str, expect: bool| assert_eq!(names_this_machine(host), expect, "{host}");
        check("127.0.0.1:8081", true);
        check("localhost", true);
        check("LOCALHOST:80", true);
        check("[::1]:8081", true);
        check("127.0.0.1.evil.example:8081", false);
        check("evil.example", false);
        check("localhost.evil.example", false);
        check("192.168.1.4:8081", false);
        check("", false);
    }

    #[test]
    fn a_foreign_page_may_not_post() {
        let check = |method: Method, origin: Option<&str>, expect: bool| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static("localhost:8081"));
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, HeaderValue::from_str(origin).unwrap());
            }
            let refused =
                foreign(&method, &Uri::from_static("/api/crawl"), &headers, true).is_some();
            assert_eq!(refused, expect, "{method} {origin:?}");
        };
        check(Method::POST, None, false);
        check(Method::POST, Some("http://localhost:8081"), false);
        check(Method::POST, Some("http://evil.example"), true);
        check(Method::POST, Some("http://localhost:9999"), true);
        check(Method::POST, Some("null"), true);
        check(Method::GET, Some("http://evil.example"), false);
    }
}
