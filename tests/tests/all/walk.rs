//! README's walk from a click to a chart: every command is run as it is written there, and a real
//! browser opens the pages that it shows.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::json;
use tests::browser::{self, Scripts};
use tests::clickweir::{Place, binary};
use tests::real;
use tokio::time::{Instant, sleep};

/// A window's width and height, in CSS pixels.
type Size = (u32, u32);
const WIDE: Size = (1280, 900);
const PHONE: Size = (360, 900);

/// The lines of the walk's shell blocks.
fn commands() -> Vec<String> {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md")).unwrap();
    let walk = page
        .split("\n## ")
        .find(|part| part.starts_with("From a click to a chart"));
    let blocks = walk.unwrap().split("```sh\n").skip(1);
    let lines = blocks.flat_map(|block| block.split("```").next().unwrap().lines());
    lines.map(str::to_owned).collect()
}

#[tokio::test]
async fn the_walk_from_a_click_to_a_chart_is_as_the_readme_tells_it() {
    let place = Place::new().unwrap().with_demo().unwrap();
    let mut up = place
        .up(&["--config", "compose/demo/demo.toml", "--visitors", "200"])
        .unwrap();
    up.process.line_after("serving").unwrap();
    let commands = commands();
    assert!(commands.len() > 6, "{commands:?}");
    let mut said = String::new();
    for typed in &commands {
        if typed.contains("FROM dead_letters") {
            place.settled().await.unwrap();
        }
        let line = typed
            .replace("target/debug/clickweir", &binary().display().to_string())
            .replace("http://127.0.0.1:8080", &up.shop);
        let mut shell = Command::new("sh");
        shell
            .args(["-c", &line])
            .current_dir(place.path())
            .stdin(Stdio::null());
        let output = shell.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && !text.is_empty(),
            "{typed}: {text} {error}"
        );
        said.push_str(&text);
    }
    for expect in [
        "202 Accepted",
        "partition 0: offsets 0..",
        "year=20",
        "wrong_type",
        "registered",
    ] {
        assert!(said.contains(expect), "{expect:?} is not in {said}");
    }
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
        // On request these become the README's pictures.
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
