//! The routes of other trackers' clients: their own paths, and the answers that they expect.

use std::borrow::Cow;

use actix_web::http::{Method, header};
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, guard};

use super::answer::{header_lossy, header_text, wrong_method};
use super::client::{
    ANONYMOUS, Client, TakenBody, cloudevents, documents, google, matomo, posthog, segment,
    snowplow,
};
use super::credentials::kept_query;
use super::intake::{preflight, refuse};
use super::state::EdgeState;

const CLIENTS: [&Client; 9] = [
    &segment::SEGMENT,
    &segment::PIXEL,
    &snowplow::EVENTS,
    &snowplow::EVENT,
    &posthog::POSTHOG,
    &google::MEASUREMENT_PROTOCOL,
    &google::TAG,
    &matomo::MATOMO,
    &cloudevents::CLOUDEVENTS,
];

/// Adds the routes.
pub(super) fn configure(app: &mut ServiceConfig) {
    for client in CLIENTS {
        for path in client.paths {
            take_at(app, path, client);
        }
    }
    documents::configure(app);
}

/// The name of the client that sends clicks to a path; `None` if none does.
pub(super) fn client_of(path: &str) -> Option<&'static str> {
    let is_clients = |client: &&&Client| client.paths.contains(&path);
    CLIENTS.iter().find(is_clients).map(|client| client.name)
}

/// Returns true for a path on which a client asks for its settings.
pub(super) fn is_documents_path(path: &str) -> bool {
    documents::is_documents_path(path)
}

fn take_at(app: &mut ServiceConfig, path: &str, client: &'static Client) {
    for path in [path.to_owned(), format!("{path}/")] {
        let take = move |state: Data<EdgeState>, request: HttpRequest, payload: Payload| async move {
            take(&state, &request, payload, client).await
        };
        let methods = guard::fn_guard(|context| client.methods.0.contains(&context.head().method));
        app.service(
            web::resource(path)
                .route(web::route().guard(methods).to(take))
                .route(web::method(Method::OPTIONS).to(preflight))
                .default_service(web::to(|| async { wrong_method(client.methods.1) })),
        );
    }
}

/// Takes a body of clicks in the client's own format. HEAD asks about the answer and is no click.
async fn take(
    state: &EdgeState,
    request: &HttpRequest,
    payload: Payload,
    client: &Client,
) -> HttpResponse {
    let appended = async {
        let (body, _held) = state.read_body(request, payload, state.max_body()).await?;
        state.check_origin(request)?;
        if request.method() == Method::HEAD {
            return Ok(TakenBody::default());
        }
        let in_body = || {
            let format = (client.format)(request, request.query_string());
            let encoding = header_text(request, header::CONTENT_ENCODING);
            state.edge.key_in(&*format, encoding, body.clone())
        };
        let key = state.authorize(request, client.name, in_body)?;
        let agent = header_lossy(request, header::USER_AGENT);
        let mut facts = state.facts(request, client.name, agent.as_deref(), key.as_deref());
        if request.headers().contains_key(ANONYMOUS) {
            facts.ip = None;
        }
        let query = kept_query(request, key.as_deref());
        let cleaned = state.edge.cleaner().clean(&query);
        facts.redacted |= matches!(cleaned, Cow::Owned(_));
        let format = (client.format)(request, &cleaned);
        let appended = state.append(&*format, &facts, body.clone()).await?;
        Ok(TakenBody { appended, body })
    };
    match appended.await {
        Ok(taken) => (client.answer)(request, &taken),
        Err(rejection) => refuse(state, &rejection),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::FORMATS;

    #[test]
    fn a_key_may_be_for_each_client() {
        for client in CLIENTS {
            assert!(FORMATS.contains(&client.name), "{}", client.name);
        }
    }
}
