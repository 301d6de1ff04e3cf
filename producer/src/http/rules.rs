//! Where the heads of requests meet the rules. Their bodies do where they are read. Without rules
//! each costs one branch.

use actix_web::dev::{Payload, ServiceRequest};
use actix_web::http::ConnectionType;
use actix_web::{HttpMessage, HttpResponse};
use futures::StreamExt;
use tokio::time::timeout;

use super::answer::refusal;
use super::state::EdgeState;
use crate::rules::request::RequestHead;

/// Judges a request by its head. Returns the answer if a rule refuses it.
pub(super) async fn refuse_head(
    state: &EdgeState,
    request: &mut ServiceRequest,
) -> Option<HttpResponse> {
    let firewall = state.monitor.firewall.as_ref()?;
    let client = state.client(request.request());
    match firewall.judge_head(&RequestHead::of(request.request(), client)) {
        Ok(judged) => {
            request.extensions_mut().insert(judged);
            None
        }
        Err(rejection) => {
            state.monitor.metrics.rejected(rejection.kind(), 1);
            let mut answer = refusal(&rejection);
            // What is not read would end the connection before the client reads the answer.
            if !is_read(state, request.take_payload()).await {
                answer.head_mut().set_connection_type(ConnectionType::Close);
            }
            Some(answer)
        }
    }
}

/// Reads a body and keeps nothing of it. Returns false if it is larger or slower than a body may be.
async fn is_read(state: &EdgeState, mut payload: Payload) -> bool {
    let reading = async {
        let mut left = state.max_body();
        while let Some(Ok(chunk)) = payload.next().await {
            match left.checked_sub(chunk.len()) {
                Some(rest) => left = rest,
                None => return false,
            }
        }
        true
    };
    timeout(state.config.body_timeout, reading)
        .await
        .unwrap_or(false)
}
