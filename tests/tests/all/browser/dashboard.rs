//! The dashboard: what it shows is what SQL says.

use std::time::Duration;

use serde_json::{Value, json};
use tests::browser::{self, Browser, Scripts};
use tests::clickweir::{Place, Up};
use tokio::time::{Instant, sleep};

use super::click;

/// The figures under Totals, by their labels.
const TOTALS: &str = "return Object.fromEntries(
    [...document.querySelectorAll('.totals > div')].map((one) =>
        [one.querySelector('dt').textContent, one.querySelector('dd').textContent]))";

/// The same from SQL, written as the page writes them.
fn totals(place: &Place, condition: &str) -> Value {
    let sql = format!(
        "SELECT concat_ws('|', format('{{:,}}', count(*)),
            format('{{:,}}', count(DISTINCT visitor_id)),
            format('{{:,}}', count(*) FILTER (action = 'buy')),
            format('{{:,}}', count(DISTINCT order_id)),
            format('{{:,.2f}}',
                coalesce(sum(price * quantity) FILTER (action = 'buy'), 0)::DOUBLE))
        FROM clicks WHERE {condition}"
    );
    let answer = place.ask(&sql).unwrap();
    let numbers = answer.as_str().unwrap().split('|').map(Value::from);
    let labels = ["Clicks", "Visitors", "Buys", "Orders", "Revenue"].map(String::from);
    labels.into_iter().zip(numbers).collect()
}

async fn demo(place: &Place) -> Up {
    let mut up = place.up(&["--visitors", "40"]).unwrap();
    up.process.line_after("serving").unwrap();
    up
}

/// Waits until the page shows these figures: a click on a form answers before its page does.
async fn shows(browser: &Browser, figures: Value) {
    let same = browser.until(TOTALS, |shown| *shown == figures).await;
    same.unwrap_or_else(|error| panic!("{figures}: {error}"));
}

/// Chooses an option as a person does, from the form above the panels.
async fn choose(browser: &Browser, name: &str, value: &str) {
    browser
        .click(&format!("#{name} option[value='{value}']"))
        .await
        .unwrap();
}

#[tokio::test]
async fn the_dashboard_shows_what_sql_says_and_its_filters_are_addresses() {
    let Some(browser) = browser::start(Scripts::On).await else {
        return;
    };
    let place = Place::new().unwrap();
    let up = demo(&place).await;
    browser
        .open(&format!("{}/?range=all", up.dashboard))
        .await
        .unwrap();
    shows(&browser, totals(&place, "true")).await;

    choose(&browser, "action", "buy").await;
    browser.follow(".filters button").await.unwrap();
    shows(&browser, totals(&place, "action = 'buy'")).await;
    let url = browser.url().await.unwrap();
    assert!(
        url.contains("range=all") && url.contains("action=buy"),
        "{url}"
    );
    choose(&browser, "country", "DE").await;
    browser.fill("#product", "kettle").await.unwrap();
    choose(&browser, "action", "view").await;
    browser.follow(".filters button").await.unwrap();
    let filtered = "action = 'view' AND country = 'DE' AND product_id = 'kettle'";
    shows(&browser, totals(&place, filtered)).await;

    // A range of one's own, through the form; its address shows another person the same.
    browser.follow(".filters a[href='/']").await.unwrap();
    let begun =
        "SELECT strftime(date_trunc('hour', max(occurred_at)) - to_hours(2), '%Y-%m-%dT%H:%M')
        || ' ' || strftime(date_trunc('hour', max(occurred_at)), '%Y-%m-%dT%H:%M') FROM clicks";
    let edges = place.ask(begun).unwrap();
    let (from, to) = edges.as_str().unwrap().split_once(' ').unwrap();
    let fields = format!(
        "document.getElementById('from').value = '{from}'; document.getElementById('to').value = '{to}'"
    );
    browser.run(&fields).await.unwrap();
    browser.follow(".filters button").await.unwrap();
    let within = totals(
        &place,
        &format!("occurred_at >= '{from}' AND occurred_at < '{to}'"),
    );
    assert_ne!(within, totals(&place, "true"));
    shows(&browser, within.clone()).await;
    let url = browser.url().await.unwrap();
    browser.open("about:blank").await.unwrap();
    browser.open(&url).await.unwrap();
    shows(&browser, within).await;
    let kept = browser
        .run("return document.getElementById('from').value")
        .await
        .unwrap();
    assert_eq!(kept, json!(from));

    // A page that stands open follows the lake.
    browser
        .open(&format!("{}/?action=late", up.dashboard))
        .await
        .unwrap();
    assert!(
        browser
            .text("[data-panel=hint]")
            .await
            .unwrap()
            .contains("No click in this range")
    );
    click(&up.shop, &json!({ "action": "late", "visitor_id": "v" })).await;
    browser
        .until(TOTALS, |shown| shown["Clicks"] == "1")
        .await
        .unwrap();
    let drawn = "return document.querySelectorAll('#actions-chart canvas').length";
    browser.until(drawn, |count| *count == 1).await.unwrap();
    assert_eq!(browser.complaints().await.unwrap(), [""; 0]);
    assert_eq!(
        Vec::from_iter(browser.hosts().await.unwrap()),
        [up.dashboard.as_str()]
    );
    assert!(up.process.end().unwrap());
}

/// How many of the chart's points bear the colour of the first and of the second series.
const PAINTED: &str = "
    const canvas = document.querySelector('#actions-chart canvas');
    const points = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    return ['--s0', '--s1'].map((name) => {
        const hex = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
        const [r, g, b] = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
        let count = 0;
        for (let i = 0; i < points.length; i += 4) {
            if (points[i] === r && points[i + 1] === g && points[i + 2] === b) count += 1;
        }
        return count;
    })";

/// The sum of the numbers in a table behind a chart, which is opened first.
async fn summed(browser: &Browser, table: &str, column: &str) -> Value {
    browser.click(&format!("#{table} summary")).await.unwrap();
    let sum = format!(
        "const table = document.querySelector('#{table}[open] table');
        const heads = [...table.querySelectorAll('th')].map((head) => head.textContent);
        const at = heads.indexOf('{column}');
        return [...table.querySelectorAll('tbody tr')].reduce((sum, row) =>
            sum + [...row.cells].filter((cell, i) => at < 0 ? i > 0 : i === at).reduce((sum, cell) =>
                sum + (Number(cell.textContent.replaceAll(',', '')) || 0), 0), 0)"
    );
    browser.run(&sum).await.unwrap()
}

/// The lightness of the page's ground and of its text, 0 to 255.
async fn lightness(browser: &Browser) -> (u64, u64) {
    let script = "const style = getComputedStyle(document.body);
        return [style.backgroundColor, style.color].map((color) =>
            Math.min(...color.match(/[0-9]+/g).slice(0, 3).map(Number)))";
    let both = browser.run(script).await.unwrap();
    (both[0].as_u64().unwrap(), both[1].as_u64().unwrap())
}

#[tokio::test]
async fn the_dashboard_draws_adds_up_darkens_and_fits_a_telephone() {
    let Some(browser) = browser::start(Scripts::On).await else {
        return;
    };
    let place = Place::new().unwrap();
    let up = demo(&place).await;
    browser
        .open(&format!("{}/?range=all", up.dashboard))
        .await
        .unwrap();

    let bright = browser.run(PAINTED).await.unwrap();
    assert!(
        bright[0].as_u64() > Some(500) && bright[1].as_u64() > Some(500),
        "{bright}"
    );
    let all = place.ask("SELECT count(*)::DOUBLE FROM clicks").unwrap();
    assert_eq!(
        summed(&browser, "actions-table", "").await.as_f64(),
        all.as_f64()
    );
    assert_eq!(
        summed(&browser, "countries-table", "Clicks").await.as_f64(),
        all.as_f64()
    );

    // Invariant 4, as a person reads it.
    let accounting = browser.text("[data-panel=accounting]").await.unwrap();
    let audit = place.settled().await.unwrap();
    let sentence = format!(
        "It adds up: {0} accepted = {0} rows + 0 dead letters + 0 duplicates + 0 dropped + 0 pending.",
        audit["acknowledged"]
    );
    assert!(
        accounting.contains(&sentence),
        "{sentence} is not in {accounting}"
    );

    let links = "return [...document.querySelectorAll('a.csv')].map((link) => link.href)";
    let links = browser.run(links).await.unwrap();
    let links = links.as_array().unwrap();
    assert_eq!(links.len(), 8, "{links:?}");
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for link in links {
        let answer = client.get(link.as_str().unwrap()).send().await.unwrap();
        assert!(answer.status().is_success(), "{link}");
        assert!(
            answer.headers()["content-type"]
                .to_str()
                .unwrap()
                .starts_with("text/csv")
        );
        assert!(answer.text().await.unwrap().lines().count() > 1, "{link}");
    }
    browser.click("[data-panel=totals] a.csv").await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    let file = browser.downloads().join("totals.csv");
    while !file.exists() {
        assert!(
            Instant::now() < deadline,
            "{} does not come",
            file.display()
        );
        sleep(Duration::from_millis(50)).await;
    }

    let (ground, ink) = lightness(&browser).await;
    assert!(ground > 200 && ink < 60, "light: {ground}, {ink}");
    browser.prefer("dark").await.unwrap();
    let (ground, ink) = lightness(&browser).await;
    assert!(ground < 60 && ink > 200, "dark: {ground}, {ink}");
    // The chart is drawn again, in the colours of the dark.
    let bars = |painted: &Value| painted[0].as_u64() > Some(500) && painted[1].as_u64() > Some(500);
    browser.until(PAINTED, bars).await.unwrap();

    browser.widen(400, 900).await.unwrap();
    let beyond = "const page = document.documentElement;
        return page.scrollWidth - page.clientWidth";
    let query = "/sql?sql=SELECT%20*%20FROM%20clicks";
    for page in [
        format!("{}/?range=all", up.dashboard),
        format!("{}{query}", up.dashboard),
        up.shop.clone(),
    ] {
        browser.open(&page).await.unwrap();
        assert_eq!(
            browser.run(beyond).await.unwrap(),
            json!(0),
            "{page} scrolls sideways"
        );
    }
    assert_eq!(browser.complaints().await.unwrap(), [""; 0]);
    assert!(up.process.end().unwrap());
}
