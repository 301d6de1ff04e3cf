//! Strings that were collected to break pages are plain text on all of ours.

use serde_json::{Value, json};
use tests::browser::{self, Scripts};
use tests::clickweir::{self, Place};

use super::until_lake_says;

/// How many rows the SQL page shows at most.
const MAX_SHOWN_ROWS: usize = 500;

/// How many letters of a value a page shows before an ellipsis.
const MAX_SHOWN_CHARS: usize = 2_000;

/// The text as a browser reads it out of a page: cut, with one kind of line break, without NUL.
fn read_back(text: &str) -> String {
    let mut shown: String = text.chars().take(MAX_SHOWN_CHARS).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    let lines = shown.replace("\r\n", "\n").replace('\r', "\n");
    lines.replace('\0', "\u{fffd}")
}

#[tokio::test]
async fn input_11_and_29_hostile_strings_are_text_on_every_page() {
    let Some(data) = clickweir::data() else {
        return;
    };
    let Some(browser) = browser::start(Scripts::On).await else {
        return;
    };
    let naughty = std::fs::read(data.join("badinput/blns.json")).unwrap();
    let mut strings: Vec<String> = serde_json::from_slice(&naughty).unwrap();
    let payloads = std::fs::read(data.join("badinput/xss/xss-payload-list.txt")).unwrap();
    let payloads = String::from_utf8_lossy(&payloads);
    strings.extend(payloads.lines().map(str::to_owned));
    // A blank text is no value.
    strings.retain(|text| !text.trim().is_empty());
    assert!(strings.len() > 3_000);

    let place = Place::new().unwrap();
    let up = place.up(&[]).unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for (chunk, strings) in strings.chunks(1_000).enumerate() {
        let click = |(at, text): (usize, &String)| {
            json!({ "id": format!("{chunk}-{at}"), "action": "view", "visitor_id": "v",
                "product_id": text, "product_name": text, "category": text, "country": text,
                "utm_campaign": text, "properties_number": chunk * 1_000 + at })
        };
        let clicks: Vec<Value> = strings.iter().enumerate().map(click).collect();
        let events = format!("{}/v1/events", up.shop);
        let answer = client.post(events).json(&clicks).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 202);
    }
    let all = json!(strings.len());
    until_lake_says(&place, "SELECT count(product_name) FROM clicks", &all).await;

    let harmless = async |page: &str| {
        assert_eq!(browser.dialog().await.unwrap(), None, "{page} ran one");
        let made = "document.querySelectorAll('details').forEach((one) => one.open = true);
            return document.querySelectorAll('main :is(img, iframe, object, embed, video, [onerror], [onload]), main script:not([type=\"application/json\"])').length";
        let made = browser.run(made).await.unwrap();
        assert_eq!(made, json!(0), "{page} made elements of one");
        assert_eq!(browser.complaints().await.unwrap(), [""; 0], "{page}");
    };
    for page in [
        "/?range=all",
        "/?range=all&metric=visitors",
        "/funnel?range=all",
    ] {
        browser
            .open(&format!("{}{page}", up.dashboard))
            .await
            .unwrap();
        harmless(page).await;
    }
    for begin in (0..strings.len()).step_by(MAX_SHOWN_ROWS) {
        let sql = format!(
            "SELECT product_name FROM clicks
             ORDER BY CAST(properties->>'properties_number' AS INT) LIMIT {MAX_SHOWN_ROWS} OFFSET {begin}"
        );
        let address = format!("{}/sql", up.dashboard);
        let page = reqwest::Url::parse_with_params(&address, [("sql", sql)]).unwrap();
        browser.open(page.as_str()).await.unwrap();
        let cells =
            "return [...document.querySelectorAll('.result tbody td')].map((td) => td.textContent)";
        let cells = browser.run(cells).await.unwrap();
        let end = strings.len().min(begin + MAX_SHOWN_ROWS);
        let expect: Vec<String> = strings[begin..end]
            .iter()
            .map(|text| read_back(text))
            .collect();
        let cells: Vec<String> = serde_json::from_value(cells).unwrap();
        assert_eq!(cells.len(), expect.len(), "rows from {begin}");
        for (cell, expect) in cells.iter().zip(&expect) {
            assert_eq!(cell, expect);
        }
        harmless(page.as_str()).await;
    }
    assert!(up.process.end().unwrap());
}
