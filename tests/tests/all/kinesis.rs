//! AWS's own client for Python puts records to an edge that is killed in mid-run: each of them is
//! one row.

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
    place.settled().await.unwrap();
    let asked = "SELECT json_array(count(*), count(DISTINCT event_id), count(DISTINCT product_id),
        bool_or(id_generated), any_value(action), any_value(properties->>'$.id'),
        any_value(properties->>'$.stream'))::VARCHAR FROM clicks";
    let said = place.ask(asked).unwrap();
    let said: serde_json::Value = serde_json::from_str(said.as_str().unwrap()).unwrap();
    let all = 10 * CALLS;
    assert_eq!(said, json!([all, all, all, false, "view", "7", "clicks"]));
    assert_eq!(place.ask("SELECT count(*) FROM dead_letters").unwrap(), 0);
    assert!(up.process.end().unwrap());
}
