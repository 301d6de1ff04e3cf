//! What is captured of a request, from HTTP to the row.

use serde_json::json;
use tests::clickweir::Place;
use tests::ports;

const CAPTURE: &str = "[[capture]]
path = \"/v1/*\"
headers = [\"accept-language\"]
query = [\"utm_source\"]
fields = [\"address\", \"hints\"]
";
const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_captured_of_a_request_is_in_its_row_and_secrets_are_not() {
    let address = format!("127.0.0.1:{}", ports::free_port().unwrap());
    let place = Place::new().unwrap().with("PRODUCER__LISTEN", &address);
    std::fs::write(place.path().join("clickweir.toml"), CAPTURE).unwrap();
    let up = place.up(&[]).unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://{address}/v1/events?utm_source=mail");
    let click = r#"{"id":"a","url":"https://u:SECRET@shop.example/a?password=SECRET&b=1"}"#;
    let sent = client.post(url).body(click);
    let sent = sent
        .header("user-agent", CHROME)
        .header("accept-language", "de")
        .header("sec-ch-ua-platform", "\"Windows\"")
        .header("sec-ch-ua-platform-version", "\"15.0.0\"")
        .header(
            "sec-ch-ua-full-version-list",
            "\"Google Chrome\";v=\"124.0.6367.91\"",
        )
        .header("sec-ch-ua-model", "\"\"");
    assert_eq!(sent.send().await.unwrap().status(), 202);
    place.settled().await.unwrap();
    let asked = "SELECT json_array(url, os || ' ' || os_version, browser || ' ' || browser_version, properties->'$.redacted',
        properties->>'$.request.\"accept-language\"', properties->>'$.request.\"query.utm_source\"',
        properties->>'$.request.address', properties::VARCHAR LIKE '%SECRET%')::VARCHAR FROM clicks";
    let said = place.ask(asked).unwrap();
    let said: serde_json::Value = serde_json::from_str(said.as_str().unwrap()).unwrap();
    let url = "https://shop.example/a?b=1";
    let expect = json!([
        url,
        "Windows 11",
        "Chrome 124.0.6367.91",
        true,
        "de",
        "mail",
        "127.0.0.0",
        false
    ]);
    assert_eq!(said, expect);
    assert!(up.process.end().unwrap());
}
