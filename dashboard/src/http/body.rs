//! Bodies, which are read within limits of size, time and memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::http::{StatusCode, header};
use actix_web::web::{Bytes, BytesMut, Data, Payload};
use actix_web::{FromRequest, HttpRequest, dev};
use futures::StreamExt;
use futures::future::LocalBoxFuture;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::http::problem::Problem;

/// The largest body of a query or a command, which is a list of ids.
const MAX_BODY_BYTES: usize = 8 << 20;
/// How many bytes of bodies are in memory at once, over all connections.
const MAX_HELD_BYTES: usize = 32 << 20;
/// How long a client may take to send a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// A body of JSON. It counts among the bytes that are held until it is dropped.
#[derive(Debug)]
pub(crate) struct JsonBody<T> {
    pub(crate) value: T,
    _held: HeldBody,
}

impl<T: DeserializeOwned> JsonBody<T> {
    /// Reads a body that was not looked at yet.
    ///
    /// # Errors
    /// 400, 408, 413 and 503, each with what to do.
    pub(crate) async fn read(
        budget: &BodyBudget,
        request: &HttpRequest,
        payload: Payload,
    ) -> Result<Self, Problem> {
        let (bytes, held) = budget.read(request, payload).await?;
        let value = serde_json::from_slice(&bytes).map_err(|error| {
            Problem::invalid(
                format!("the body is not the JSON that is due: {error}"),
                "send one JSON value, such as {\"sql\": \"FROM clicks LIMIT 5\"}",
            )
        })?;
        Ok(Self { value, _held: held })
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for JsonBody<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let request = request.clone();
        let payload = Payload::from_request(&request, payload).into_inner();
        Box::pin(async move {
            let budget = request.app_data::<Data<BodyBudget>>();
            let budget = budget.expect("the server has a budget").clone();
            let payload = payload.map_err(|error| unreadable(&error))?;
            Self::read(&budget, &request, payload).await
        })
    }
}

/// How many bytes of bodies are in memory now. A clone counts the same ones.
#[derive(Debug, Clone, Default)]
pub(crate) struct BodyBudget {
    held: Arc<AtomicUsize>,
}

impl BodyBudget {
    /// How many bytes of bodies are in memory.
    #[cfg(test)]
    pub(crate) fn held_bytes(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// Reads a whole body.
    async fn read(
        &self,
        request: &HttpRequest,
        mut payload: Payload,
    ) -> Result<(Bytes, HeldBody), Problem> {
        let length = request.headers().get(header::CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if length.is_some_and(|length| length > MAX_BODY_BYTES) {
            return Err(too_large());
        }
        let mut held = HeldBody {
            budget: self.clone(),
            bytes: 0,
        };
        let mut body = BytesMut::new();
        let reading = async {
            while let Some(chunk) = payload.next().await {
                let chunk = chunk.map_err(|error| unreadable(&error))?;
                if body.len() + chunk.len() > MAX_BODY_BYTES {
                    return Err(too_large());
                }
                held.grow(chunk.len())?;
                body.extend_from_slice(&chunk);
            }
            Ok(())
        };
        let read = timeout(BODY_TIMEOUT, reading).await;
        read.map_err(|_| too_slow())??;
        Ok((body.freeze(), held))
    }
}

/// Bytes of a body that are in memory. Dropping it gives them back.
#[derive(Debug)]
struct HeldBody {
    budget: BodyBudget,
    bytes: usize,
}

impl HeldBody {
    fn grow(&mut self, bytes: usize) -> Result<(), Problem> {
        self.bytes += bytes;
        let held = self.budget.held.fetch_add(bytes, Ordering::Relaxed) + bytes;
        match held > MAX_HELD_BYTES {
            true => Err(Problem::busy(
                "the dashboard holds as many bytes of bodies as it may",
            )),
            false => Ok(()),
        }
    }
}

impl Drop for HeldBody {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

fn too_large() -> Problem {
    let error = format!("the body is over {MAX_BODY_BYTES} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, error, "send a smaller one")
}

fn too_slow() -> Problem {
    let error = format!("the body did not come within {} s", BODY_TIMEOUT.as_secs());
    Problem::new(StatusCode::REQUEST_TIMEOUT, error, "send it faster")
}

fn unreadable(error: &dyn std::fmt::Display) -> Problem {
    Problem::invalid(
        format!("the body cannot be read: {error}"),
        "send it whole, with its length",
    )
}

#[cfg(test)]
mod tests {
    use actix_web::error::PayloadError;
    use actix_web::test::TestRequest;
    use futures::stream;
    use tokio::time::Instant;

    use super::*;

    /// A body that begins with `chunks` and never ends.
    async fn endless(chunks: Vec<Bytes>) -> Payload {
        let chunks = chunks.into_iter().map(Ok::<_, PayloadError>);
        let stream = stream::iter(chunks).chain(stream::pending()).boxed_local();
        let request = TestRequest::default().to_http_request();
        let read = Payload::from_request(&request, &mut dev::Payload::from(stream));
        read.await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn attack_6_a_body_that_does_not_come_is_not_waited_for() {
        let (budget, begun) = (BodyBudget::default(), Instant::now());
        let request = TestRequest::default().to_http_request();
        let payload = endless(vec![Bytes::from_static(b"[")]).await;
        let refused = JsonBody::<()>::read(&budget, &request, payload).await;
        let refused = refused.unwrap_err();
        assert_eq!(refused.status, StatusCode::REQUEST_TIMEOUT);
        assert_eq!(begun.elapsed(), BODY_TIMEOUT);
        assert_eq!(budget.held_bytes(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn attack_6_a_body_without_a_length_is_limited_too() {
        let budget = BodyBudget::default();
        let request = TestRequest::default().to_http_request();
        let chunk = Bytes::from(vec![b' '; MAX_BODY_BYTES / 2 + 1]);
        let payload = endless(vec![chunk; 2]).await;
        let refused = JsonBody::<()>::read(&budget, &request, payload).await;
        let refused = refused.unwrap_err();
        assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(budget.held_bytes(), 0);
    }
}
