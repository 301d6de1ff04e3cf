//! The wire of Kinesis and Firehose, on an edge that is open and on one with keys.

use serde_json::{Value, json};
use topic::Envelope;

use super::*;

async fn call(edge: &ServedEdge, target: &str, body: &Value) -> (u16, String, Value) {
    let request = edge.client.post(&edge.base);
    let request = request
        .header("x-amz-target", target)
        .header("content-type", "application/x-amz-json-1.1")
        .header(
            "amz-sdk-invocation-id",
            "f3c1b1f0-0000-4000-8000-000000000001",
        )
        .body(body.to_string());
    let response = request.send().await.unwrap();
    assert_eq!(
        header(&response, "content-type"),
        "application/x-amz-json-1.1"
    );
    assert!(!header(&response, "x-amzn-requestid").is_empty());
    let name = header(&response, "x-amzn-errortype").to_owned();
    let status = response.status().as_u16();
    (status, name, response.json().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_put_and_an_attempt_again_has_the_same_ids() {
    let edge = ServedEdge::start(|_| ());
    let records = json!({ "StreamName": "s", "Records": [
        { "Data": "e30=", "PartitionKey": "k" }, { "Data": "YQ==", "PartitionKey": "k" },
    ]});
    let (status, _, first) = call(&edge, "Kinesis_20131202.PutRecords", &records).await;
    assert_eq!((status, &first["FailedRecordCount"]), (200, &json!(0)));
    assert_eq!(first["Records"].as_array().unwrap().len(), 2);
    assert!(first["Records"][1]["SequenceNumber"].is_string());
    let (_, _, again) = call(&edge, "Kinesis_20131202.PutRecords", &records).await;
    assert_eq!(first["Records"], again["Records"]);
    let one = json!({ "StreamName": "s", "Data": "e30=", "PartitionKey": "k" });
    let (status, _, answer) = call(&edge, "Kinesis_20131202.PutRecord", &one).await;
    assert_eq!(
        (status, &answer["ShardId"]),
        (200, &json!("shardId-000000000000"))
    );
    let one = json!({ "DeliveryStreamName": "s", "Record": { "Data": "e30=" } });
    let (status, _, answer) = call(&edge, "Firehose_20150804.PutRecord", &one).await;
    assert!(status == 200 && answer["RecordId"].is_string(), "{answer}");
    let batch = json!({ "DeliveryStreamName": "s", "Records": [{ "Data": "e30=" }] });
    let (status, _, answer) = call(&edge, "Firehose_20150804.PutRecordBatch", &batch).await;
    assert_eq!((status, &answer["FailedPutCount"]), (200, &json!(0)));
    assert!(answer["RequestResponses"][0]["RecordId"].is_string());
    let envelopes = edge.topic.envelopes();
    let ids: Vec<_> = envelopes
        .iter()
        .map(|value| Envelope::decode(value.as_bytes()).unwrap().id.into_owned())
        .collect();
    assert_eq!(ids.len(), 7);
    assert_eq!(ids[..2], ids[2..4]);
    assert_ne!(ids[0], ids[1]);
    assert!(envelopes[1].ends_with(r#""click":{"partition_key":"k","data":"a"}}"#));
    edge.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_not_taken_costs_itself_and_calls_fail_by_awss_names() {
    let edge = ServedEdge::start(|config| config.max_click = bytesize::ByteSize::kib(1));
    let large = "YWFh".repeat(1_000);
    let records = json!({ "StreamName": "s", "Records": [
        { "Data": "e30=", "PartitionKey": "k" }, { "Data": large, "PartitionKey": "k" },
    ]});
    let (status, _, answer) = call(&edge, "Kinesis_20131202.PutRecords", &records).await;
    assert_eq!((status, &answer["FailedRecordCount"]), (200, &json!(1)));
    assert!(answer["Records"][0]["SequenceNumber"].is_string());
    assert_eq!(answer["Records"][1]["ErrorCode"], "InternalFailure");
    let text = answer["Records"][1]["ErrorMessage"].as_str().unwrap();
    assert!(text.contains("1024 bytes"), "{text}");
    let check = async |target: &str, body: Value, expect: (u16, &str)| {
        let (status, name, answer) = call(&edge, target, &body).await;
        assert_eq!((status, &*name), expect, "{answer}");
        assert_eq!(answer["__type"], expect.1);
        assert!(
            answer["message"]
                .as_str()
                .is_some_and(|text| text.len() > 10)
        );
    };
    let put = "Kinesis_20131202.PutRecord";
    check(
        "Kinesis_20131202.GetRecords",
        json!({}),
        (400, "UnknownOperationException"),
    )
    .await;
    check("x", json!({}), (400, "UnknownOperationException")).await;
    check(put, json!([]), (400, "SerializationException")).await;
    check(put, json!({ "Data": "?" }), (400, "SerializationException")).await;
    check(put, json!({ "Data": large }), (400, "ValidationException")).await;
    edge.topic.fail(Some(AppendError::Full));
    check(
        put,
        json!({ "Data": "e30=" }),
        (503, "ServiceUnavailableException"),
    )
    .await;
    edge.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn input_18_an_edge_with_keys_takes_signed_records_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.toml");
    let text = "[[key]]\nname = \"stream\"\naws = [{ id = \"AKID\", secret = \"s\" }]";
    std::fs::write(&path, text).unwrap();
    let edge = ServedEdge::start(|config| config.keys = path.to_string_lossy().into_owned());
    let put = "Kinesis_20131202.PutRecord";
    let (status, name, _) = call(&edge, put, &json!({ "Data": "e30=" })).await;
    assert_eq!(
        (status, &*name),
        (400, "MissingAuthenticationTokenException")
    );
    for (id, expect) in [
        ("AKID", "IncompleteSignatureException"),
        ("X", "UnrecognizedClientException"),
    ] {
        let signed = format!(
            "AWS4-HMAC-SHA256 Credential={id}/20261122/r/kinesis/aws4_request, SignedHeaders=host, Signature=00"
        );
        let request = edge.client.post(&edge.base).header("x-amz-target", put);
        let response = request
            .header("authorization", signed)
            .body("{}")
            .send()
            .await
            .unwrap();
        assert_eq!(header(&response, "x-amzn-errortype"), expect);
    }
    assert!(edge.topic.drafts().is_empty());
    edge.stop().await.unwrap();
}
