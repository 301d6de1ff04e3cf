//! The funnel, the stream of clicks and the keys, as a person uses them.

use serde_json::{Value, json};
use tests::browser::{self, Browser, Scripts};
use tests::clickweir::Place;
use tests::demo;

use super::click;

/// Presses a key, as a person does.
async fn press(browser: &Browser, key: &str) {
    let down = json!({ "type": "keyDown", "key": key, "text": key });
    browser.cdp("Input.dispatchKeyEvent", down).await.unwrap();
    let up = json!({ "type": "keyUp", "key": key });
    browser.cdp("Input.dispatchKeyEvent", up).await.unwrap();
}

#[tokio::test]
async fn the_funnel_shows_what_sql_says_and_leads_on() {
    let Some(browser) = browser::start(Scripts::On).await else {
        return;
    };
    let demo = demo::shared().await;
    let sql = "WITH first AS (SELECT visitor_id, occurred_at AS viewed, \"offset\" AS at_offset
            FROM clicks WHERE action = 'view')
        SELECT concat_ws(' ', count(DISTINCT visitor_id), (SELECT count(DISTINCT c.visitor_id)
            FROM clicks c JOIN first f ON c.visitor_id = f.visitor_id AND c.action = 'buy'
            AND (c.occurred_at, c.\"offset\") > (f.viewed, f.at_offset) AND c.occurred_at <= f.viewed + INTERVAL 1 HOUR)) FROM first";
    // Of two clicks at one moment the first to arrive is the earlier; a visitor's clicks share a
    // partition.
    let expect = demo.place.ask(sql).unwrap();
    browser
        .open(&format!("{}/funnel?range=all", demo.dashboard))
        .await
        .unwrap();
    browser.click("#within option[value='1h']").await.unwrap();
    browser.follow("form.funnel button").await.unwrap();
    let counts = "return [...document.querySelectorAll('.steep .label > :last-child')].map((one) => one.textContent).join(' ')";
    browser
        .until(counts, |shown| *shown == expect)
        .await
        .unwrap();
    let url = browser.url().await.unwrap();
    assert!(
        url.contains("within=1h") && url.contains("range=all"),
        "{url}"
    );
    // An answer with a time column is drawn as a chart too.
    let sql = "SELECT%20date_trunc('hour',occurred_at)%20AS%20hour,count(*)%20AS%20n%20FROM%20clicks%20GROUP%20BY%20ALL";
    browser
        .open(&format!("{}/sql?sql={sql}", demo.dashboard))
        .await
        .unwrap();
    let drawn = "return document.querySelectorAll('#sql-chart canvas').length";
    browser.until(drawn, |count| *count == 1).await.unwrap();
    assert_eq!(browser.complaints().await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn programs_get_what_the_pages_show() {
    let demo = demo::shared().await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let get = async |path: &str| {
        let answer = client.get(format!("{}{path}", demo.dashboard)).send().await;
        let answer = answer.unwrap().error_for_status().unwrap();
        answer.bytes().await.unwrap()
    };
    let broken = get("/api/breakdown?by=country&metric=revenue&range=7d").await;
    let broken: Value = serde_json::from_slice(&broken).unwrap();
    let first = &broken["slices"][0];
    let sql = format!(
        "SELECT sum(price * quantity) FROM clicks WHERE action = 'buy' AND country = '{}'",
        first["value"].as_str().unwrap()
    );
    let revenue = demo.place.ask(&sql).unwrap().as_f64().unwrap();
    assert!(
        (first["revenue"].as_f64().unwrap() - revenue).abs() < 0.005,
        "{broken}"
    );
    let file = get("/api/query?format=parquet&sql=FROM+clicks+LIMIT+5").await;
    assert!(file.starts_with(b"PAR1") && file.ends_with(b"PAR1"));
}

#[tokio::test]
async fn clicks_come_by_themselves_and_keys_lead_everywhere() {
    let Some(browser) = browser::start(Scripts::On).await else {
        return;
    };
    let place = Place::new().unwrap();
    let up = place.up(&[]).unwrap();
    browser.open(&up.dashboard).await.unwrap();
    browser.click("#live summary").await.unwrap();
    let note = "return document.getElementById('live-note').textContent";
    browser
        .until(note, |said| *said == "Waiting for the next click.")
        .await
        .unwrap();
    let hostile = "<img src=x onerror=alert(1)>";
    let sent = json!({ "action": "view", "product_name": hostile, "visitor_id": "v" });
    click(&up.shop, &sent).await;
    let newest = "return document.querySelector('#live-list li span')?.textContent";
    browser
        .until(newest, |shown| *shown == hostile)
        .await
        .unwrap();
    let online = "return document.querySelector('[data-panel=online] strong')?.textContent";
    browser
        .until(online, |shown| *shown == "1 visitor")
        .await
        .unwrap();
    assert_eq!(browser.dialog().await.unwrap(), None);

    let open = "return document.getElementById('keys').open";
    press(&browser, "?").await;
    browser.until(open, |open| *open == true).await.unwrap();
    press(&browser, "?").await;
    browser.until(open, |open| *open == false).await.unwrap();
    let path = "return location.pathname + location.search";
    for (key, expect) in [
        ("5", "/?range=all"),
        ("f", "/funnel?range=all"),
        ("p", "/pipeline"),
        ("d", "/"),
        ("/", "/sql"),
    ] {
        press(&browser, key).await;
        browser.until(path, |now| *now == expect).await.unwrap();
        let ready = "return document.readyState";
        browser
            .until(ready, |now| *now == "complete")
            .await
            .unwrap();
    }
    // After `/` the focus is in the text field, where keys are letters.
    let focus = "return document.activeElement.id";
    browser.until(focus, |id| *id == "sql").await.unwrap();
    press(&browser, "d").await;
    let typed = "return document.getElementById('sql').value.includes('d') && location.pathname";
    browser.until(typed, |path| *path == "/sql").await.unwrap();
    assert_eq!(browser.complaints().await.unwrap(), [""; 0]);
    assert!(up.process.end().unwrap());
}
