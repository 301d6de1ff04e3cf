//! What AWS's clients read: results record by record, and errors by AWS's own names.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, HttpResponseBuilder};
use serde_json::{Value, json};
use uuid::Uuid;

use super::signature::SignatureFault;
use crate::accept::format::record_id;
use crate::accept::rejection::Rejection;
use crate::http::state::AppendedBody;

const CONTENT_TYPE: &str = "application/x-amz-json-1.1";
/// The code of a record that was not taken, of those that the services have.
const RECORD_FAILED: &str = "InternalFailure";
/// Kinesis names the shard of each record. The topic's partitions are not told.
const SHARD: &str = "shardId-000000000000";

/// One of the two services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AwsService {
    Kinesis,
    Firehose,
}

/// A call that puts records.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Operation {
    pub(super) service: AwsService,
    /// True if it puts several records, and is answered for each.
    is_batch: bool,
}

impl Operation {
    /// The call of the header `X-Amz-Target`; `None` if it is none that puts records.
    pub(super) fn of(target: &str) -> Option<Self> {
        let (service, call) = target.split_once('.')?;
        let service = match service {
            "Kinesis_20131202" => AwsService::Kinesis,
            "Firehose_20150804" => AwsService::Firehose,
            _ => return None,
        };
        let is_batch = match (service, call) {
            (_, "PutRecord") => false,
            (AwsService::Kinesis, "PutRecords") | (AwsService::Firehose, "PutRecordBatch") => true,
            _ => return None,
        };
        Some(Self { service, is_batch })
    }
}

/// Why a call failed.
#[derive(Debug)]
pub(super) enum AwsFault {
    UnknownOperation,
    UnknownKey,
    Signature(SignatureFault),
    Rejected(Rejection),
}

impl AwsFault {
    /// The reason as the metrics label it; `None` if nothing was refused.
    pub(super) fn kind(&self) -> Option<&'static str> {
        match self {
            Self::UnknownOperation => None,
            Self::UnknownKey | Self::Signature(_) => Some(Rejection::UnknownKey.kind()),
            Self::Rejected(rejection) => Some(rejection.kind()),
        }
    }

    /// The status, AWS's name and the sentence. Those with 408 and 5xx are sent again by the clients.
    fn shown(&self, service: Option<AwsService>) -> (u16, &'static str, String) {
        match self {
            Self::UnknownOperation => (
                400,
                "UnknownOperationException",
                "this edge takes PutRecord and PutRecords of Kinesis, PutRecord and \
                 PutRecordBatch of Firehose"
                    .into(),
            ),
            Self::UnknownKey => (
                400,
                "UnrecognizedClientException",
                "the access key is not in the edge's file of keys: add it under aws, \
                 producer.keys names the file"
                    .into(),
            ),
            Self::Signature(SignatureFault::Missing) => (
                400,
                "MissingAuthenticationTokenException",
                "the request is not signed, and the edge needs a key".into(),
            ),
            Self::Signature(SignatureFault::Incomplete(why)) => {
                (400, "IncompleteSignatureException", (*why).into())
            }
            Self::Signature(SignatureFault::Invalid(why)) => {
                (400, "InvalidSignatureException", why.clone())
            }
            Self::Rejected(rejection) => {
                let name = match (rejection, service) {
                    // What AWS's clients send again.
                    (Rejection::Slow | Rejection::Incomplete, _) => {
                        return (408, "RequestTimeoutException", rejection.to_string());
                    }
                    (Rejection::Unavailable(_), _) => {
                        return (503, "ServiceUnavailableException", rejection.to_string());
                    }
                    // Clients send again what these two refuse, later and later.
                    (Rejection::SourceThrottled { .. }, Some(AwsService::Kinesis)) => {
                        "ProvisionedThroughputExceededException"
                    }
                    (Rejection::SourceThrottled { .. }, _) => {
                        return (503, "ServiceUnavailableException", rejection.to_string());
                    }
                    (Rejection::Malformed { .. }, _) => "SerializationException",
                    (_, Some(AwsService::Kinesis)) => "ValidationException",
                    _ => "InvalidArgumentException",
                };
                (400, name, rejection.to_string())
            }
        }
    }
}

/// The answer to a call whose records are durable, but for those that were rejected. One that the
/// owner does not want to keep is answered like those that are.
pub(super) fn put(
    operation: &Operation,
    invocation: Option<&str>,
    appended: &AppendedBody,
) -> HttpResponse {
    let rejected = &appended.rejected;
    let records = appended.clicks + appended.left_out + rejected.len();
    let id = |index: usize| match invocation {
        Some(invocation) => record_id(invocation, index),
        None => Uuid::from_u128(rand::random()),
    };
    let results = (0..records).map(|index| {
        let failed = rejected.iter().find(|failed| failed.index == index);
        match (failed, operation.service) {
            (Some(failed), _) => {
                json!({ "ErrorCode": RECORD_FAILED, "ErrorMessage": failed.reason })
            }
            (None, AwsService::Kinesis) => json!({
                "SequenceNumber": id(index).as_u128().to_string(),
                "ShardId": SHARD,
            }),
            (None, AwsService::Firehose) => json!({ "RecordId": id(index).to_string() }),
        }
    });
    let mut results: Vec<Value> = results.collect();
    let body = match (operation.is_batch, operation.service) {
        (false, _) => results.pop().expect("a call that was taken had a record"),
        (true, AwsService::Kinesis) => {
            json!({ "FailedRecordCount": rejected.len(), "Records": results })
        }
        (true, AwsService::Firehose) => {
            json!({ "FailedPutCount": rejected.len(), "Encrypted": false, "RequestResponses": results })
        }
    };
    answer(StatusCode::OK).body(body.to_string())
}

/// An answer as AWS's clients expect one, without its body.
fn answer(status: StatusCode) -> HttpResponseBuilder {
    let mut answer = HttpResponse::build(status);
    answer.content_type(CONTENT_TYPE).insert_header((
        "x-amzn-requestid",
        Uuid::from_u128(rand::random()).to_string(),
    ));
    answer
}

/// The answer to a call that failed as a whole.
pub(super) fn failed(service: Option<AwsService>, fault: &AwsFault) -> HttpResponse {
    let (status, name, message) = fault.shown(service);
    let body = json!({ "__type": name, "message": message });
    let status = StatusCode::from_u16(status).expect("the statuses are HTTP's");
    let mut answer = answer(status);
    answer.insert_header(("x-amzn-errortype", name));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        answer.insert_header((header::RETRY_AFTER, "1"));
    }
    answer.body(body.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_19_a_source_over_its_rate_gets_what_awss_clients_send_again() {
        let fault = AwsFault::Rejected(Rejection::SourceThrottled {
            source_name: "s".into(),
            seconds: 1,
        });
        let check = |service, expect: (u16, &str)| {
            let (status, name, why) = fault.shown(Some(service));
            assert_eq!((status, name), expect);
            assert!(
                why.contains("sent more requests than its key allows"),
                "{why}"
            );
        };
        let exceeded = (400, "ProvisionedThroughputExceededException");
        check(AwsService::Kinesis, exceeded);
        check(AwsService::Firehose, (503, "ServiceUnavailableException"));
        assert_eq!(fault.kind(), Some("rate"));
    }
}
