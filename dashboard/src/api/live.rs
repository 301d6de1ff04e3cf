//! `GET /live`: clicks as they arrive, as server-sent events.

use std::time::Duration;

use actix_web::http::header;
use actix_web::web::{Bytes, Data};
use actix_web::{Error, HttpRequest, HttpResponse};
use futures::stream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::http::problem::Problem;
use crate::site::Site;

/// After so long without a click a comment is sent, so that no proxy takes the connection for
/// dead.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// Is cancelled when the server ends, which ends the streams.
#[derive(Clone)]
pub(crate) struct Shutdown(pub(crate) CancellationToken);

/// Each event's data is a JSON object: `clicks`, newest last, and `more`, the number of clicks
/// that came at the same time and are not listed.
pub(crate) async fn clicks(
    site: Data<Site>,
    shutdown: Data<Shutdown>,
    request: HttpRequest,
) -> HttpResponse {
    let peer = request.peer_addr().map(|peer| peer.ip());
    let Some(open) = site.streams.open(peer) else {
        let problem = Problem::busy("as many streams of clicks are open as may be");
        let mut answer = problem.response(request.path());
        // The connection is needed for others.
        answer
            .head_mut()
            .set_connection_type(actix_web::http::ConnectionType::Close);
        return answer;
    };
    let state = (site.catalog.arrivals(), shutdown.0.clone(), open);
    let events = stream::unfold(state, |(mut arrivals, shutdown, open)| async move {
        let event = tokio::select! {
            () = shutdown.cancelled() => return None,
            came = timeout(KEEPALIVE_INTERVAL, arrivals.next()) => match came {
                Ok(arrived) => {
                    let json = serde_json::to_string(&arrived?).expect("clicks are plain text");
                    format!("data: {json}\n\n")
                }
                Err(_) => ": no clicks\n\n".to_owned(),
            },
        };
        Some((
            Ok::<_, Error>(Bytes::from(event)),
            (arrivals, shutdown, open),
        ))
    });
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/event-stream"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .streaming(Box::pin(events))
}
