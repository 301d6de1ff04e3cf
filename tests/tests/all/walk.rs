//! The pictures of the pages: the demo's shop and dashboard in a real browser, as `docs/walk.md`
//! shows them.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use tests::browser::{self, Scripts};
use tests::clickweir::Place;
use tests::clients::post;
use tests::real;
use tokio::time::{Instant, sleep};

/// A window's width and height, in CSS pixels.
type Size = (u32, u32);
const WIDE: Size = (1280, 900);
const PHONE: Size = (360, 900);

#[tokio::test]
async fn the_walk_shows_the_pages_of_the_demo_in_a_browser() {
    let place = Place::new().unwrap().with_demo().unwrap();
    let mut up = place
        .up(&["--config", "compose/demo/demo.toml", "--visitors", "200"])
        .unwrap();
    up.process.line_after("serving").unwrap();
    // The page "Pipeline" shows a dead letter.
    let odd = r#"{"id":"odd","visitor_id":"you","action":"view","price":"dear"}"#;
    assert_eq!(post(&up.shop, odd).await.0, 202);
    place.settled().await.unwrap();
    let Some(browser) = browser::start(Scripts::On).await else {
        return;
    };
    let dashboard = || up.dashboard.clone();
    let page = |path| format!("{}/{path}", up.dashboard);
    let pages = [
        ("shop", up.shop.clone(), "h1", WIDE, "light"),
        ("dashboard", dashboard(), "canvas", WIDE, "light"),
        ("funnel", page("funnel"), "svg", WIDE, "light"),
        ("pipeline", page("pipeline"), "table", WIDE, "light"),
        ("datasets", page("datasets"), "pre", WIDE, "light"),
        ("dashboard-dark", dashboard(), "canvas", WIDE, "dark"),
        ("dashboard-phone", dashboard(), "canvas", PHONE, "light"),
    ];
    for (name, url, drawn, (width, height), scheme) in pages {
        browser.widen(width, height).await.unwrap();
        browser.prefer(scheme).await.unwrap();
        browser.open(&url).await.unwrap();
        let there = format!("return document.querySelector({drawn:?}) !== null");
        browser
            .until(&there, |there| *there == json!(true))
            .await
            .unwrap();
        let picture = settled(&browser).await;
        assert!(
            picture.starts_with(b"\x89PNG") && picture.len() > 10_000,
            "{name}"
        );
        // On demand they become the pictures of the pages.
        if let Some(folder) = real::env("CLICKWEIR_PICTURES") {
            fs::write(Path::new(&folder).join(format!("{name}.png")), &picture).unwrap();
        }
    }
    assert_eq!(browser.complaints().await.unwrap(), Vec::<String>::new());
    assert!(up.process.end().unwrap());
}

/// A picture after two equal ones: the scripts have finished drawing.
async fn settled(browser: &browser::Browser) -> Vec<u8> {
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut before = browser.picture().await.unwrap();
    loop {
        sleep(Duration::from_millis(250)).await;
        let now = browser.picture().await.unwrap();
        if now == before || Instant::now() > deadline {
            return now;
        }
        before = now;
    }
}
