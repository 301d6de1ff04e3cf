//! The example of `docs/mapping.md` in a whole process: what it makes of a client's event and of a log.

use std::fs;
use std::path::Path;
use std::time::Duration;

use reqwest::Client;
use serde_json::{Value, json};
use tests::clickweir::Place;
use tokio::time::{Instant, sleep};

const CHANGE_TIMEOUT: Duration = Duration::from_secs(30);
/// Two lines of an access log in the combined format.
const LOG: &str = "\
192.0.2.7 - - [22/Nov/2026:21:41:44 +0000] \"GET /product/tea-7?x=1 HTTP/1.1\" 200 1 \"-\" \"Mozilla/5.0\"
192.0.2.7 - - [22/Nov/2026:21:41:45 +0000] \"GET /about HTTP/1.1\" 200 1 \"-\" \"Mozilla/5.0\"
";

/// The HMAC of the telephone number by the key.
const PHONE: &str = "hmac:5dee956f8ae57375e5a914f9403dfdae";

/// The example of the page.
fn example() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let page = fs::read_to_string(root.join("docs/mapping.md")).unwrap();
    let (_, after) = page.split_once("```toml\n").unwrap();
    after.split_once("```").unwrap().0.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_of_the_page_maps_an_event_and_a_log_and_a_wrong_file_leaves_it() {
    let place = Place::new().unwrap();
    let file = place.path().join("mapping.toml");
    fs::write(&file, example()).unwrap();
    fs::write(place.path().join("access.log"), LOG).unwrap();
    let keyless = place
        .run(&["--set", "enrich.mapping=mapping.toml", "up"])
        .unwrap();
    let said = String::from_utf8_lossy(&keyless.stderr).into_owned();
    assert!(said.contains("enrich.hash_key is empty"), "{said}");
    let place = place
        .with("ENRICH__MAPPING", "mapping.toml")
        .with("ENRICH__HASH_KEY", "0123456789abcdef0123456789abcdef");
    let up = place.up(&[]).unwrap();
    let client = Client::builder().no_proxy().build().unwrap();
    let event = async |id: &str| {
        let event = json!({ "messageId": id, "event": "Tee gekauft", "properties": {
            "code": "sku-7", "cents": 255, "quantity": 2, "email": "a@b", "secret_1": 1, "colour": "red",
            "phone": "+49 30 1",
        }});
        let sent = client.post(format!("{}/v1/track", up.shop)).json(&event);
        let answer = sent.send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
    };
    event("a").await;
    place
        .must(&["import", "access.log", "--format", "combined"])
        .unwrap();
    let wrong = example().replace("divide = 100", "divide = 0");
    fs::write(&file, wrong).unwrap();
    let since = Instant::now();
    while up.metric("clickweir_enrichment_stale").await.unwrap() != 1.0 {
        assert!(since.elapsed() < CHANGE_TIMEOUT, "the file was never read");
        sleep(Duration::from_millis(100)).await;
    }
    event("b").await;
    assert!(up.process.end().unwrap());

    let rows = "SELECT to_json(list(json_array(action, product_id, price, quantity, currency, properties->>'$.colour', \
        properties->>'$.email', properties->>'$.secret_1', properties->>'$.phone') ORDER BY action, product_id, event_id))::VARCHAR FROM clicks";
    let rows = place.ask(rows).unwrap();
    let rows: Value = serde_json::from_str(rows.as_str().unwrap()).unwrap();
    let bought = json!(["buy", "7", 2.55, 2, "EUR", "red", null, null, PHONE]);
    let expect = json!([
        bought,
        bought,
        ["request", null, null, null, null, null, null, null, null],
        ["view", "tea-7", null, null, null, null, null, null, null],
    ]);
    assert_eq!(rows, expect);
    place.must(&["audit", "--deep"]).unwrap();

    let output = place.run(&["up"]).unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let expect = "mapping.toml: line 7: price: divide is a number other than 0";
    assert!(!output.status.success() && said.contains(expect), "{said}");
}
