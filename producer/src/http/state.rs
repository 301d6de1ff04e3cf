//! The edge's HTTP: what is asked of it, what it answers, and how much it holds.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{Method, StatusCode, header};
use actix_web::middleware::Next;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use serde::Serialize;
use tokio::time::{Instant, timeout};
use tokio_util::task::TaskTracker;

use crate::accept::pixel;
use crate::accept::rejection::sentence;
use crate::http::metrics::Metrics;
use crate::{Config, Edge, EdgeFacts, Refused, Rejection, address};

/// What every worker's requests share.
pub(crate) struct Door {
    pub(crate) edge: Edge,
    pub(crate) config: Config,
    pub(crate) metrics: Metrics,
    /// Set once the edge is told to stop: readiness is over, connections close.
    pub(crate) draining: AtomicBool,
    /// The requests in flight.
    pub(crate) flight: TaskTracker,
    held: AtomicUsize,
}

#[derive(Serialize)]
struct Answer<'a> {
    accepted: usize,
    rejected: &'a [Refused],
}

impl Door {
    pub(crate) fn new(config: Config, edge: Edge) -> Self {
        Self {
            edge,
            config,
            metrics: Metrics::default(),
            draining: AtomicBool::new(false),
            flight: TaskTracker::new(),
            held: AtomicUsize::new(0),
        }
    }

    /// Takes a body and waits until the topic has it.
    pub(crate) async fn take(
        &self,
        facts: &EdgeFacts<'_>,
        body: Bytes,
    ) -> Result<(usize, Vec<Refused>), Rejection> {
        let accepted = self.edge.accept(facts, body)?;
        let since = Instant::now();
        accepted.delivery.await?;
        self.metrics.append(since.elapsed());
        self.metrics.accepted(accepted.accepted);
        self.metrics.rejected("item", accepted.rejected.len());
        Ok((accepted.accepted, accepted.rejected))
    }

    /// The whole body, within the limits of size, time and memory.
    async fn collect<'d>(
        &'d self,
        request: &HttpRequest,
        mut payload: web::Payload,
    ) -> Result<(Bytes, Hold<'d>), Rejection> {
        let limit = usize::try_from(self.config.max_body.as_u64()).unwrap_or(usize::MAX);
        let too_large = || Rejection::TooLarge {
            what: "the body",
            limit: format!("{limit} bytes"),
        };
        let length = text_of(request, header::CONTENT_LENGTH).and_then(|text| text.parse().ok());
        if length.is_some_and(|length: u64| length > self.config.max_body.as_u64()) {
            return Err(too_large());
        }
        let mut hold = Hold {
            door: self,
            bytes: 0,
        };
        let mut body = BytesMut::new();
        let reading = async {
            while let Some(chunk) = payload.next().await {
                let chunk = chunk.map_err(|error| {
                    Rejection::malformed(format!("the body cannot be read: {error}"))
                })?;
                if body.len() + chunk.len() > limit {
                    return Err(too_large());
                }
                hold.grow(chunk.len())?;
                body.extend_from_slice(&chunk);
            }
            Ok(())
        };
        timeout(self.config.body_timeout, reading)
            .await
            .map_err(|_| Rejection::Slow)??;
        self.metrics.bytes(body.len());
        Ok((body.freeze(), hold))
    }

    /// What the request says of its client.
    pub(crate) fn facts<'r>(&self, request: &'r HttpRequest, format: &'r str) -> EdgeFacts<'r> {
        let forwarded = request.headers().get_all("x-forwarded-for");
        let forwarded: Vec<_> = forwarded.filter_map(|value| value.to_str().ok()).collect();
        let ip = request.peer_addr().map(|peer| {
            address::client(
                peer.ip(),
                forwarded.into_iter(),
                &self.config.trusted_proxies,
            )
        });
        EdgeFacts {
            format,
            source: "http",
            ip,
            user_agent: text_of(request, header::USER_AGENT),
            content_encoding: None,
        }
    }

    /// What `Access-Control-Allow-Origin` says to a page of `origin`; none for a
    /// stranger's.
    fn welcome<'o>(&self, origin: &'o str) -> Option<&'o str> {
        let listed = |wanted: &str| self.config.origins.iter().any(|listed| listed == wanted);
        if listed("*") {
            Some("*")
        } else {
            listed(origin).then_some(origin)
        }
    }

    fn refuse(&self, rejection: &Rejection) -> HttpResponse {
        self.metrics.rejected(rejection.kind(), 1);
        refusal(rejection)
    }
}

/// Bytes of a body that the edge holds; given back when dropped.
struct Hold<'d> {
    door: &'d Door,
    bytes: usize,
}

impl Hold<'_> {
    fn grow(&mut self, bytes: usize) -> Result<(), Rejection> {
        self.bytes += bytes;
        let held = self.door.held.fetch_add(bytes, Ordering::Relaxed) + bytes;
        match held as u64 > self.door.config.max_held.as_u64() {
            true => Err(Rejection::Unavailable(
                "the edge holds as many bodies as it may".into(),
            )),
            false => Ok(()),
        }
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.door.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// The edge's own routes.
pub(crate) fn routes(app: &mut ServiceConfig) {
    app.service(
        web::resource("/v1/events")
            .route(web::post().to(events))
            .route(web::method(Method::OPTIONS).to(preflight))
            .default_service(web::to(|| async { wrong_method("POST, OPTIONS") })),
    );
    app.service(only_get("/pixel.gif", web::get().to(look)));
    app.service(only_get(
        "/healthz",
        web::get().to(|| async { HttpResponse::Ok().body("ok\n") }),
    ));
    app.service(only_get("/readyz", web::get().to(ready)));
    app.service(only_get("/metrics", web::get().to(figures)));
    app.default_service(web::to(|| async {
        let body = sentence(
            "nothing is served at this path",
            "send clicks to /v1/events",
            None,
        );
        json(StatusCode::NOT_FOUND, body)
    }));
}

/// A resource that can only be got.
pub(crate) fn only_get(path: &str, route: actix_web::Route) -> actix_web::Resource {
    let other = web::to(|| async { wrong_method("GET") });
    web::resource(path).route(route).default_service(other)
}

pub(crate) fn wrong_method(allowed: &'static str) -> HttpResponse {
    let remedy = format!("use {allowed}");
    let body = sentence("this path does not take that method", &remedy, None);
    let mut answer = json(StatusCode::METHOD_NOT_ALLOWED, body);
    answer
        .headers_mut()
        .insert(header::ALLOW, header::HeaderValue::from_static(allowed));
    answer
}

async fn events(door: Data<Door>, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    let taken = async {
        let (body, _hold) = door.collect(&request, payload).await?;
        let content_encoding = text_of(&request, header::CONTENT_ENCODING);
        let facts = EdgeFacts {
            content_encoding,
            ..door.facts(&request, "native")
        };
        door.take(&facts, body).await
    };
    match taken.await {
        Ok((accepted, rejected)) => HttpResponse::Accepted().json(Answer {
            accepted,
            rejected: &rejected,
        }),
        Err(rejection) => door.refuse(&rejection),
    }
}

async fn look(door: Data<Door>, request: HttpRequest) -> HttpResponse {
    let taken = async {
        let body = Bytes::from(pixel::click(request.query_string())?);
        door.take(&door.facts(&request, "pixel"), body).await
    };
    match taken.await {
        Ok(_) => HttpResponse::Ok()
            .content_type("image/gif")
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .body(pixel::GIF),
        Err(rejection) => door.refuse(&rejection),
    }
}

async fn preflight(door: Data<Door>, request: HttpRequest) -> HttpResponse {
    let Some(origin) = text_of(&request, header::ORIGIN) else {
        return HttpResponse::NoContent()
            .insert_header((header::ALLOW, "POST, OPTIONS"))
            .finish();
    };
    if door.welcome(origin).is_none() {
        let remedy = "add the page's origin to producer.origins";
        return json(
            StatusCode::FORBIDDEN,
            sentence("this origin is not listed", remedy, None),
        );
    }
    HttpResponse::NoContent()
        .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, "POST, OPTIONS"))
        .insert_header((
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "authorization, content-encoding, content-type, x-retry-count",
        ))
        .insert_header((header::ACCESS_CONTROL_MAX_AGE, "86400"))
        .finish()
}

async fn ready(door: Data<Door>) -> HttpResponse {
    if door.draining.load(Ordering::Relaxed) {
        return refusal(&Rejection::Unavailable("the edge is stopping".into()));
    }
    match door.edge.writer().ready() {
        Ok(()) => HttpResponse::Ok().body("ready\n"),
        Err(error) => refusal(&Rejection::Unavailable(error.to_string())),
    }
}

async fn figures(door: Data<Door>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4")
        .body(door.metrics.text())
}

/// Around every request: it is counted, a NUL in its URL ends it, pages of listed
/// origins may read the answer, and a stopping edge closes the connection.
pub(crate) async fn watch<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let door = request
        .app_data::<Data<Door>>()
        .expect("every worker has the door")
        .clone();
    let _flight = door.flight.token();
    let origin = request.headers().get(header::ORIGIN).cloned();
    let uri = request
        .uri()
        .path_and_query()
        .map_or("", |uri| uri.as_str());
    let mut response = if uri.contains("%00") {
        let body = sentence("the URL holds a NUL", "take %00 out of the URL", None);
        request.into_response(json(StatusCode::BAD_REQUEST, body))
    } else {
        next.call(request).await?.map_into_boxed_body()
    };
    door.metrics.request(response.status().as_u16());
    if let Some(welcome) = origin.as_ref().and_then(|o| door.welcome(o.to_str().ok()?)) {
        let welcome = header::HeaderValue::from_str(welcome).expect("it came as a header");
        response
            .headers_mut()
            .insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, welcome);
        response
            .headers_mut()
            .append(header::VARY, header::HeaderValue::from_static("Origin"));
    }
    if door.draining.load(Ordering::Relaxed) {
        response
            .response_mut()
            .head_mut()
            .set_connection_type(actix_web::http::ConnectionType::Close);
    }
    Ok(response)
}

fn refusal(rejection: &Rejection) -> HttpResponse {
    let status = StatusCode::from_u16(rejection.status()).expect("the statuses are HTTP's");
    let mut answer = json(status, rejection.body());
    match rejection {
        Rejection::Unavailable(_) => {
            let second = header::HeaderValue::from_static("1");
            answer.headers_mut().insert(header::RETRY_AFTER, second);
        }
        // The rest of the body is on its way and nobody will read it.
        Rejection::TooLarge { .. } | Rejection::Slow => {
            answer
                .head_mut()
                .set_connection_type(actix_web::http::ConnectionType::Close);
        }
        Rejection::Malformed { .. } | Rejection::Unsupported(_) => {}
    }
    answer
}

fn json(status: StatusCode, body: String) -> HttpResponse {
    HttpResponse::build(status)
        .content_type("application/json")
        .body(body)
}

pub(crate) fn text_of(request: &HttpRequest, name: header::HeaderName) -> Option<&str> {
    request
        .headers()
        .get(name)
        .and_then(|value| value.to_str().ok())
}
