//! `GET /live`: clicks as they come, pushed as server-sent events.

use std::time::Duration;

use actix_web::http::header;
use actix_web::web::{Bytes, Data};
use actix_web::{Error, HttpResponse};
use futures::stream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::site::Site;

/// After so long without a click a comment is sent, so that nobody between takes the
/// connection for dead.
const SILENCE: Duration = Duration::from_secs(15);

/// Tells the streams that the server ends.
#[derive(Clone)]
pub(crate) struct Ending(pub(crate) CancellationToken);

/// Each event's data is a JSON object: `clicks`, newest last, and how many `more` came with
/// them that are not shown.
pub(crate) async fn clicks(site: Data<Site>, ending: Data<Ending>) -> HttpResponse {
    let state = (site.catalog.arrivals(), ending.0.clone());
    let events = stream::unfold(state, |(mut arrivals, ending)| async move {
        let event = tokio::select! {
            () = ending.cancelled() => return None,
            came = timeout(SILENCE, arrivals.next()) => match came {
                Ok(arrived) => {
                    let json = serde_json::to_string(&arrived?).expect("clicks are plain text");
                    format!("data: {json}\n\n")
                }
                Err(_) => ": nothing came\n\n".to_owned(),
            },
        };
        Some((Ok::<_, Error>(Bytes::from(event)), (arrivals, ending)))
    });
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/event-stream"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .streaming(Box::pin(events))
}
