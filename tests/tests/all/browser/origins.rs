//! Pages of other origins: what a browser lets them send, and what it lets them read.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use serde_json::json;
use tests::browser::{self, Scripts};
use tests::clickweir::Place;

use super::until_lake_says;

/// A free port for a page, and its origin.
fn bind() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    (listener, origin)
}

/// Answers every request with the same page.
fn answer(listener: TcpListener, page: String) {
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.read(&mut [0; 4096]);
            let length = page.len();
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {length}\r\n\
                 connection: close\r\n\r\n{page}"
            );
        }
    });
}

/// Sends a click in each way that a browser has, under the way's name.
fn sender(edge: &str) -> String {
    format!(
        r#"<!doctype html><meta charset=utf-8><title>sender</title><script>
const u = '{edge}/v1/events', j = v => JSON.stringify({{id: v, visitor_id: v, action: 'view'}});
const said = {{}};
const send = (v, more) => fetch(u, {{method: 'POST', body: j(v), ...more}})
  .then(async answer => {{ said[v] = answer.status + ' ' + (await answer.text()); }},
        error => {{ said[v] = String(error); }});
const typed = {{'Content-Type': 'application/json'}};
navigator.sendBeacon(u, new Blob([j('beacon-json')], {{type: 'application/json'}}));
navigator.sendBeacon(u, j('beacon-text'));
send('text', {{keepalive: true}});
send('json', {{headers: typed, keepalive: true}});
send('credentials', {{headers: typed, credentials: 'include'}});
send('header', {{headers: {{...typed, 'X-Requested-With': 'x'}}}});
new Image().src = '{edge}/pixel.gif?id=image&visitor_id=image&action=view';
</script>"#
    )
}

#[tokio::test]
async fn b51_all_that_a_listed_page_sends_arrives_and_another_reads_why_not() {
    let Some(browser) = browser::start(Scripts::On).await else {
        return;
    };
    let (shop, shop_origin) = bind();
    let (other, other_origin) = bind();
    let place = Place::new()
        .unwrap()
        .with("PRODUCER__ORIGINS", &format!("[\"{shop_origin}\"]"));
    let up = place.up(&[]).unwrap();
    answer(shop, sender(&up.shop));
    answer(other, sender(&up.shop));

    browser.open(&shop_origin).await.unwrap();
    let arrived = "SELECT string_agg(visitor_id, ' ' ORDER BY visitor_id) FROM clicks_live";
    let all = json!("beacon-json beacon-text credentials header image json text");
    until_lake_says(&place, arrived, &all).await;
    let said = browser
        .until("return said", |said| {
            said.as_object().is_some_and(|said| said.len() == 4)
        })
        .await
        .unwrap();
    for (way, said) in said.as_object().unwrap() {
        assert!(said.as_str().unwrap().starts_with("202 "), "{way}: {said}");
    }

    browser.open(&other_origin).await.unwrap();
    let said = browser
        .until("return said", |said| {
            said.as_object().is_some_and(|said| said.len() == 4)
        })
        .await
        .unwrap();
    let text = said["text"].as_str().unwrap();
    assert!(
        text.starts_with("403 ") && text.contains("producer.origins"),
        "{said}"
    );
    for way in ["json", "credentials", "header"] {
        assert!(said[way].as_str().unwrap().contains("TypeError"), "{said}");
    }
    // The image names no origin: a browser without scripts says no more.
    let arrived = "SELECT count(*) FROM clicks_live WHERE visitor_id <> 'image'";
    until_lake_says(&place, arrived, &json!(6)).await;
    assert!(up.process.end().unwrap());
}
