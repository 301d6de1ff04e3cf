//! The wire of Kinesis and Firehose: what AWS's own clients send if this edge is their endpoint.
//!
//! Records are put; nothing is read by this wire. `signature.rs` checks who sends.

mod answer;
mod signature;

use std::sync::Arc;

use actix_web::guard::GuardContext;
use actix_web::http::header::{self, HeaderMap};
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};

use super::answer::{header_lossy, header_text};
use super::state::EdgeState;
use crate::accept::format::Kinesis;
use crate::accept::rejection::Rejection;
use crate::keys::SourceKey;
use answer::{AwsFault, Operation, failed, put};
use signature::{Authorization, SignatureFault};

/// The name of the format in the envelope.
const FORMAT: &str = "kinesis";
const TARGET: &str = "x-amz-target";
/// A client's id of a call, the same on every attempt.
const INVOCATION_ID: &str = "amz-sdk-invocation-id";

/// Adds the route. It shares its path with the shop's first page, which browsers ask for.
pub(super) fn configure(app: &mut ServiceConfig) {
    let is_aws = |context: &GuardContext<'_>| is_aws(context.head().headers());
    app.service(
        web::resource("/")
            .guard(actix_web::guard::fn_guard(is_aws))
            .to(take),
    );
}

/// Returns true for the requests that only AWS's clients send.
pub(super) fn is_aws(headers: &HeaderMap) -> bool {
    headers.contains_key(TARGET)
}

async fn take(state: Data<EdgeState>, request: HttpRequest, payload: Payload) -> HttpResponse {
    let target = header_lossy(&request, header::HeaderName::from_static(TARGET));
    let operation = Operation::of(&target.unwrap_or_default());
    let answered = async {
        let operation = operation.as_ref().ok_or(AwsFault::UnknownOperation)?;
        let (body, _held) = state.read_body(&request, payload, state.max_body()).await?;
        let key = authorize(&state, &request, &body)?;
        let agent = header_lossy(&request, header::USER_AGENT);
        let invocation = header_text(&request, header::HeaderName::from_static(INVOCATION_ID));
        let facts = state.facts(&request, FORMAT, agent.as_deref(), key.as_deref());
        let format = Kinesis { invocation };
        let appended = state.append(&format, &facts, body).await?;
        Ok(put(operation, invocation, &appended))
    };
    answered.await.unwrap_or_else(|fault: AwsFault| {
        let service = operation.map(|operation| operation.service);
        if let Some(kind) = fault.kind() {
            state.monitor.metrics.rejected(kind, 1);
        }
        failed(service, &fault)
    })
}

/// Returns the source whose key signed the request; `None` if the edge is open.
fn authorize(
    state: &EdgeState,
    request: &HttpRequest,
    body: &[u8],
) -> Result<Option<Arc<SourceKey>>, AwsFault> {
    let Some(keys) = &state.monitor.keys else {
        return Ok(None);
    };
    let ring = keys.ring();
    let signed = Authorization::of(request.headers())?;
    let (key, secret) = ring.find_aws(signed.key_id).ok_or(AwsFault::UnknownKey)?;
    signed.verify(request, body, secret, state.edge.clock().now())?;
    if !key.is_for(FORMAT) {
        return Err(AwsFault::UnknownKey);
    }
    key.take()?;
    Ok(Some(key))
}

impl From<Rejection> for AwsFault {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl From<SignatureFault> for AwsFault {
    fn from(fault: SignatureFault) -> Self {
        Self::Signature(fault)
    }
}
