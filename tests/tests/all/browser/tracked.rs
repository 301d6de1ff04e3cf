//! The tracker against the real edge: from a page of another origin to the lake.

use serde_json::json;
use tests::browser::{self, Scripts};
use tests::clickweir::Place;
use tests::ports::free_port;

use super::stand::Stand;
use super::until_lake_says;

#[tokio::test]
async fn a_strict_page_loses_no_click_while_the_edge_or_the_network_is_away() {
    let Some(browser) = browser::start(Scripts::On).await else {
        return;
    };
    let (site, elsewhere) = (Stand::open(), Stand::open());
    elsewhere.show("<!doctype html><title>elsewhere</title>", "");
    let listen = format!("127.0.0.1:{}", free_port().unwrap());
    let place = Place::new().unwrap();
    let place = place.with("PRODUCER__LISTEN", &listen);
    let place = place.with("PRODUCER__ORIGINS", &format!("[\"{}\"]", site.origin));
    let mut up = place.up(&[]).unwrap();
    let page = format!(
        "<!doctype html><title>strict</title><script src={}/clickweir.js defer></script>\
         <button data-clickweir=press>press</button><a href={}>out</a>",
        up.shop, elsewhere.origin
    );
    // What docs/tracker.md says that a page needs, and nothing else.
    let policy = format!(
        "default-src 'none'; script-src {0}; connect-src {0}",
        up.shop
    );
    let head = format!("content-security-policy: {policy}\r\n");
    site.show(&page, &head);
    let waiting = "return JSON.parse(localStorage['clickweir.waiting'] || '[]').length";
    let counted = "SELECT string_agg(action || '=' || n, ' ' ORDER BY action)
        FROM (SELECT action, count(*) AS n FROM clicks_live GROUP BY action)";

    browser.open(&site.origin).await.unwrap();
    browser.click("button").await.unwrap();
    browser.follow("a").await.unwrap();
    let all = json!("outbound_click=1 page_view=1 press=1");
    until_lake_says(&place, counted, &all).await;
    browser.open(&site.origin).await.unwrap();
    browser.until(waiting, |left| *left == 0).await.unwrap();
    assert_eq!(browser.complaints().await.unwrap(), [""; 0]);

    let network = async |is_offline: bool| {
        let limits = json!({ "offline": is_offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1 });
        let set = browser.cdp("Network.emulateNetworkConditions", limits);
        set.await.unwrap();
    };
    browser.cdp("Network.enable", json!({})).await.unwrap();
    network(true).await;
    browser.click("button").await.unwrap();
    browser.until(waiting, |left| *left == 1).await.unwrap();
    network(false).await;
    browser.until(waiting, |left| *left == 0).await.unwrap();

    // The edge is killed while the page is open, and the page is left before it comes back.
    up.process.kill().unwrap();
    browser.click("button").await.unwrap();
    browser.follow("a").await.unwrap();
    let up = place.up(&[]).unwrap();
    browser.open(&site.origin).await.unwrap();
    browser.until(waiting, |left| *left == 0).await.unwrap();
    let all = json!("outbound_click=2 page_view=3 press=3");
    until_lake_says(&place, counted, &all).await;
    let verdict = place.settled().await.unwrap();
    assert_eq!(
        (&verdict["rows"], &verdict["dead_letters"], &verdict["lost"]),
        (&json!(8), &json!(0), &json!(0))
    );
    let facts = "SELECT concat_ws(' ', count(DISTINCT visitor_id), count(DISTINCT session_id),
        count(*) FILTER (retried AND action = 'press')) FROM clicks";
    until_lake_says(&place, facts, &json!("1 1 2")).await;
    assert!(up.process.end().unwrap());
}
