//! AWS's own client for Python puts records to an edge that is killed in mid-run, and AWS's command
//! line puts some more: each of them is one row.

use std::path::Path;
use std::process::Command;

use serde_json::json;
use tests::clickweir::{Place, Process};
use tests::{ports, real};

/// How many times the client puts ten records, and after how many of them the edge is killed.
const CALLS: usize = 20;
const KILLED_AFTER: usize = 7;
/// How long the client may take, in seconds.
const LIMIT_SECONDS: &str = "120";
const KEYS: &str =
    "[[key]]\nname = \"stream\"\naws = [{ id = \"AKIDEXAMPLE\", secret = \"for-this-test\" }]\n";

#[tokio::test(flavor = "multi_thread")]
async fn input_18_signed_records_of_awss_own_client_are_rows_once() {
    let Some(root) = real::fetched("clients", "client libraries") else {
        return;
    };
    let address = format!("127.0.0.1:{}", ports::free_port().unwrap());
    let place = Place::new().unwrap().with("PRODUCER__LISTEN", &address);
    std::fs::write(place.path().join("keys.toml"), KEYS).unwrap();
    let place = place.with("PRODUCER__KEYS", "keys.toml");
    let place = place.with("PRODUCER__SHOP", "false");
    let mut up = place.up(&[]).unwrap();
    let mut command = Command::new("timeout");
    command
        .args([
            LIMIT_SECONDS,
            "vendor/clients/bin/python",
            "tests/clients/kinesis.py",
        ])
        .args([&format!("http://{address}"), "AKIDEXAMPLE", "for-this-test"])
        .arg(CALLS.to_string())
        .current_dir(&root);
    let mut client = Process::spawn(&mut command).unwrap();
    client.line_after(&format!("sent {KILLED_AFTER}")).unwrap();
    up.process.kill().unwrap();
    let up = place.up(&[]).unwrap();
    let refused = client.line_after("refused").unwrap();
    assert_eq!(refused, "InvalidSignatureException");
    client.done().unwrap();
    put_by_command_line(&root, &format!("http://{address}"));
    place.settled().await.unwrap();
    let asked = "SELECT json_array(count(*), count(DISTINCT event_id), count(DISTINCT product_id),
        bool_or(id_generated), any_value(action), any_value(properties->>'$.id'),
        any_value(properties->>'$.stream'))::VARCHAR FROM clicks WHERE action = 'view'";
    let said = place.ask(asked).unwrap();
    let said: serde_json::Value = serde_json::from_str(said.as_str().unwrap()).unwrap();
    let all = 10 * CALLS;
    assert_eq!(said, json!([all, all, all, false, "view", "7", "clicks"]));
    let asked = "SELECT json_array(count(*), count(DISTINCT event_id), list(product_id ORDER BY product_id),
        list(DISTINCT visitor_id), bool_or(id_generated))::VARCHAR FROM clicks WHERE action = 'cli'";
    let said = place.ask(asked).unwrap();
    let said: serde_json::Value = serde_json::from_str(said.as_str().unwrap()).unwrap();
    let products = ["batched-1", "batched-2", "delivered", "one"];
    assert_eq!(said, json!([4, 4, products, ["k"], false]));
    assert_eq!(place.ask("SELECT count(*) FROM dead_letters").unwrap(), 0);
    assert!(up.process.end().unwrap());
}

/// Puts a record, two at once, and one to Firehose, with nothing set but the endpoint and the key.
fn put_by_command_line(root: &Path, endpoint: &str) {
    let data =
        |product: &str| format!(r#"{{"action":"cli","visitor_id":"k","product_id":"{product}"}}"#);
    let record = |product: &str| json!({ "Data": data(product), "PartitionKey": "k" });
    let batch = json!([record("batched-1"), record("batched-2")]).to_string();
    let delivered = json!([{ "Data": data("delivered") }]).to_string();
    let one = data("one");
    let put = |arguments: &[&str], says: &str| {
        let mut command = Command::new("timeout");
        let command = command
            .args([LIMIT_SECONDS, "vendor/clients/bin/python", "-m", "awscli"])
            .args(["--endpoint-url", endpoint, "--region", "eu-central-1"])
            .args(arguments)
            .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "for-this-test")
            .current_dir(root);
        let put = command.output().unwrap();
        let said = String::from_utf8_lossy(&put.stdout);
        let error = String::from_utf8_lossy(&put.stderr);
        assert!(put.status.success() && said.contains(says), "{said}{error}");
    };
    let stream = ["--stream-name", "clicks"];
    let kinesis = |call: &str, more: &[&str], says: &str| {
        put(&[&["kinesis", call], &stream[..], more].concat(), says);
    };
    kinesis(
        "put-record",
        &["--partition-key", "k", "--data", &one],
        "SequenceNumber",
    );
    kinesis(
        "put-records",
        &["--records", &batch],
        "\"FailedRecordCount\": 0",
    );
    let firehose = [
        "firehose",
        "put-record-batch",
        "--delivery-stream-name",
        "clicks",
    ];
    put(
        &[&firehose[..], &["--records", &delivered]].concat(),
        "\"FailedPutCount\": 0",
    );
}
