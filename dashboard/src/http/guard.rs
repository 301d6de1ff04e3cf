//! Which requests are answered, and with which headers. A foreign page can neither reach a
//! dashboard on this machine by a host name of its own, nor make a browser send it anything but a
//! link to a page that a person follows, nor load anything into our pages.

use std::net::SocketAddr;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::uri::Authority;
use actix_web::http::{Method, StatusCode, Uri};
use actix_web::middleware::Next;
use actix_web::{Error, web};

use crate::http::host::names_this_machine;
use crate::http::problem::Problem;
use crate::http::token::Token;
use crate::site::Site;

/// How long a token must be, in characters, so that it cannot be guessed.
const MIN_TOKEN_CHARS: usize = 16;

/// Which requests are let in.
#[derive(Debug, Clone)]
pub(crate) enum AccessRule {
    /// Requests whose `Host` names this machine.
    Machine,
    /// Requests with the token.
    Holder(Token),
}

impl AccessRule {
    /// The rule for a listener's address and the configured token.
    ///
    /// # Errors
    /// The reason, if others than this machine could ask without a good token.
    pub(crate) fn new(address: SocketAddr, token: &str) -> Result<Self, String> {
        match token.chars().count() {
            0 if address.ip().is_loopback() => Ok(Self::Machine),
            0 => Err(format!(
                "anyone who can reach {address} could read every click: set dashboard.token to a secret, or dashboard.listen to a loopback address"
            )),
            MIN_TOKEN_CHARS.. => Ok(Self::Holder(Token::new(token))),
            few => Err(format!(
                "dashboard.token has {few} characters: use {MIN_TOKEN_CHARS} or more, for example the output of `openssl rand -hex 16`"
            )),
        }
    }

    /// Why a request is not answered; `None` if it is.
    fn refusal(&self, path: &str, host: &str, authorization: Option<&[u8]>) -> Option<Problem> {
        match self {
            Self::Machine if names_this_machine(host) => None,
            Self::Machine => Some(Problem::new(
                StatusCode::FORBIDDEN,
                format!(
                    "this dashboard answers requests to this machine only, and {host:?} is not its name"
                ),
                "open it at 127.0.0.1 or localhost, or set dashboard.listen to another address",
            )),
            // Health is no secret, and commands have a token of their own.
            Self::Holder(_) if matches!(path, "/healthz" | "/readyz") => None,
            Self::Holder(_) if path.starts_with("/command/") => None,
            Self::Holder(token) if token.admits(authorization) => None,
            Self::Holder(_) => Some(Problem::new(
                StatusCode::UNAUTHORIZED,
                "this dashboard needs its token",
                "send the value of dashboard.token: as the password that the browser asks for, with any name, or as `Authorization: Bearer …`",
            )),
        }
    }
}

/// How near a request's page is, which browsers say.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// For what a browser asks: `navigate` if a person follows a link.
const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
/// What a browser makes of the answer: `document` if it shows it in a window.
const FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// The headers of every answer.
const ANSWER_HEADERS: [(HeaderName, &str); 5] = [
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

/// Lets a request in or refuses it, and sets the headers of every answer.
pub(crate) async fn guard(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let mut response = match refusal(&request) {
        Some(problem) => {
            let asks_for_token = problem.status == StatusCode::UNAUTHORIZED;
            let mut answer = problem.response(request.path());
            if asks_for_token {
                let basic =
                    HeaderValue::from_static("Basic realm=\"Clickweir\", charset=\"UTF-8\"");
                answer.headers_mut().insert(header::WWW_AUTHENTICATE, basic);
            }
            request.into_response(answer)
        }
        None => next.call(request).await?.map_into_boxed_body(),
    };
    if let Some(site) = response.request().app_data::<web::Data<Site>>() {
        let route = response.request().match_pattern();
        site.metrics.request(route, response.status().as_u16());
    }
    for (name, value) in ANSWER_HEADERS {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

fn refusal(request: &ServiceRequest) -> Option<Problem> {
    let access = request.app_data::<web::Data<AccessRule>>()?;
    let headers = request.headers();
    let host = host(request.uri(), headers);
    let authorization = headers
        .get(header::AUTHORIZATION)
        .map(HeaderValue::as_bytes);
    access
        .refusal(request.path(), host, authorization)
        .or_else(|| sent_by_a_page(request.method(), request.path(), host, headers))
}

/// The host, as the client names it.
fn host<'r>(uri: &'r Uri, headers: &'r HeaderMap) -> &'r str {
    uri.authority()
        .map(Authority::as_str)
        .or_else(|| headers.get(header::HOST)?.to_str().ok())
        .unwrap_or_default()
}

/// Refuses what a browser sends for a foreign page. What it may do is follow a link to one of our
/// pages.
fn sent_by_a_page(method: &Method, path: &str, host: &str, headers: &HeaderMap) -> Option<Problem> {
    let text = |name: &HeaderName| headers.get(name)?.to_str().ok();
    let origin = text(&header::ORIGIN);
    let is_foreign = |origin: &str| origin.split_once("://").map(|(_, from)| from) != Some(host);
    // A browser says it of every request, also where it sends no origin, as for an image.
    let from_elsewhere = matches!(text(&FETCH_SITE), Some("cross-site" | "same-site"));
    if !from_elsewhere && !origin.is_some_and(is_foreign) {
        return None;
    }
    let follows = *method == Method::GET
        && origin.is_none()
        && is_page(path)
        && matches!(text(&FETCH_MODE), None | Some("navigate"))
        && matches!(text(&FETCH_DEST), None | Some("document"));
    if follows {
        return None;
    }
    let from = match origin {
        Some(origin) => format!("a page at {origin}"),
        None => "a page of another site".to_owned(),
    };
    Some(Problem::new(
        StatusCode::FORBIDDEN,
        format!("{from} may not ask this"),
        "ask it from a program, or from the dashboard's own page",
    ))
}

/// Returns true if a browser that came from elsewhere is to run nothing for the page that it asks
/// for.
pub(crate) fn is_from_elsewhere(headers: &HeaderMap) -> bool {
    let site = headers.get(&FETCH_SITE).map(HeaderValue::as_bytes);
    matches!(site, Some(b"cross-site" | b"same-site"))
}

/// Returns true for the address of a page, which a link may lead to.
fn is_page(path: &str) -> bool {
    matches!(
        path,
        "/" | "/counting" | "/datasets" | "/funnel" | "/pipeline" | "/sql"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attack_1_a_foreign_page_may_send_nothing_and_a_link_may_lead_to_a_page() {
        let check = |request: &str, sent: &[(&'static str, &str)], expect: bool| {
            let (method, path) = request.split_once(' ').unwrap();
            let mut headers = HeaderMap::new();
            for (name, value) in sent {
                let value = HeaderValue::from_str(value).unwrap();
                headers.insert(HeaderName::from_static(name), value);
            }
            let method = method.parse().unwrap();
            let refused = sent_by_a_page(&method, path, "localhost:8081", &headers).is_some();
            assert_eq!(refused, expect, "{request} {sent:?}");
        };
        let (evil, own) = (
            ("origin", "http://evil.example"),
            ("origin", "http://localhost:8081"),
        );
        let cross = ("sec-fetch-site", "cross-site");
        let (mode, dest) = (
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
        );
        check("POST /api/crawl", &[], false);
        check("POST /api/crawl", &[own], false);
        check("POST /api/crawl", &[evil], true);
        check(
            "POST /api/crawl",
            &[("origin", "http://localhost:9999")],
            true,
        );
        check("POST /api/crawl", &[("origin", "null")], true);
        check("POST /datasets/a/refresh", &[cross, mode, dest], true);
        for path in [
            "/api/query",
            "/api/totals",
            "/api",
            "/live",
            "/metrics",
            "/healthz",
            "/panels",
            "/pipeline/panels",
            "/assets/style.css",
            "/command/query",
            "/nothing",
        ] {
            let get = format!("GET {path}");
            check(&get, &[], false);
            check(&get, &[("sec-fetch-site", "same-origin")], false);
            check(&get, &[("sec-fetch-site", "none"), mode, dest], false);
            check(&get, &[evil], true);
            check(&get, &[cross], true);
            check(&get, &[cross, mode, dest], true);
            check(&get, &[("sec-fetch-site", "same-site")], true);
        }
        for path in [
            "/",
            "/sql",
            "/funnel",
            "/pipeline",
            "/datasets",
            "/counting",
        ] {
            let get = format!("GET {path}");
            check(&get, &[cross, mode, dest], false);
            check(&get, &[cross], false);
            check(
                &get,
                &[
                    cross,
                    ("sec-fetch-mode", "no-cors"),
                    ("sec-fetch-dest", "image"),
                ],
                true,
            );
            check(&get, &[cross, mode, ("sec-fetch-dest", "iframe")], true);
            check(&get, &[evil, cross], true);
        }
    }

    #[test]
    fn other_machines_need_a_token() {
        let check = |address: &str, token: &str, expect: Result<&str, &str>| {
            let access = AccessRule::new(address.parse().unwrap(), token);
            match (access, expect) {
                (Ok(AccessRule::Machine), Ok("machine"))
                | (Ok(AccessRule::Holder(_)), Ok("holder")) => {}
                (Err(why), Err(says)) => assert!(why.contains(says), "{why}"),
                (access, expect) => panic!("{address} {token}: {access:?}, not {expect:?}"),
            }
        };
        let long = "0123456789abcdef";
        check("127.0.0.1:8081", "", Ok("machine"));
        check("[::1]:8081", "", Ok("machine"));
        check("127.0.0.1:8081", long, Ok("holder"));
        check("0.0.0.0:8081", long, Ok("holder"));
        check("0.0.0.0:8081", "", Err("set dashboard.token"));
        check("[::]:8081", "", Err("set dashboard.token"));
        check("192.168.1.4:8081", "", Err("set dashboard.token"));
        check("0.0.0.0:8081", "guess me", Err("has 8 characters"));
    }
}
