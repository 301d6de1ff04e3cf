//! The dashboard: what it shows is what SQL says.

use std::time::Duration;

use serde_json::{Value, json};
use tests::browser::{self, Browser, Scripts};
use tests::clickweir::Place;
use tests::demo::{self, Demo};
use tokio::time::{Instant, sleep};

use super::{click, until_lake_says};

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
                coalesce(sum(price * quantity) FILTER (action = 'buy'), 0)::DOUBLE),
            format('{{:.1f}} %', 100.0 * count(DISTINCT visitor_id) FILTER (action = 'buy')
                / count(DISTINCT visitor_id)))
        FROM clicks WHERE {condition}"
    );
    let answer = place.ask(&sql).unwrap();
    let numbers = answer.as_str().unwrap().split('|').map(Value::from);
    let labels = ["Clicks", "Visitors", "Items sold", "Orders", "Revenue"];
    let labels = labels.into_iter().chain(["Conversion rate"]);
    labels.map(String::from).zip(numbers).collect()
}

/// A browser and the demo's pages, which no test changes.
async fn open(page: &str) -> Option<(Browser, &'static Demo)> {
    let browser = browser::start(Scripts::On).await?;
    let demo = demo::shared().await;
    let address = format!("{}{page}", demo.dashboard);
    browser.open(&address).await.unwrap();
    Some((browser, demo))
}

/// No page complained, and none asked another host for anything.
async fn quiet(browser: &Browser, hosts: &[&str]) {
    assert_eq!(browser.complaints().await.unwrap(), [""; 0]);
    assert_eq!(Vec::from_iter(browser.hosts().await.unwrap()), hosts);
}

/// Waits until the page shows these figures: a click on a form answers before its page does.
async fn shows(browser: &Browser, figures: Value) {
    let same = browser.until(TOTALS, |shown| *shown == figures).await;
    same.unwrap_or_else(|error| panic!("{figures}: {error}"));
}

/// A bar of a breakdown, which is a link.
fn bar(dimension: &str, value: &str) -> String {
    format!("[data-panel={dimension}] .bars a[href*='{dimension}={value}']")
}

#[tokio::test]
async fn the_dashboard_shows_what_sql_says_and_its_filters_are_addresses() {
    let Some((browser, demo)) = open("/?range=all").await else {
        return;
    };
    let place = &demo.place;
    shows(&browser, totals(place, "true")).await;

    // A click on a bar filters the page by it, and the address says so.
    browser.follow(&bar("action", "buy")).await.unwrap();
    shows(&browser, totals(place, "action = 'buy'")).await;
    let url = browser.url().await.unwrap();
    assert!(
        url.contains("range=all") && url.contains("action=buy"),
        "{url}"
    );
    browser.follow(&bar("country", "DE")).await.unwrap();
    browser.click("#add-filter summary").await.unwrap();
    browser.click("#where option:nth-of-type(2)").await.unwrap();
    browser.fill("#is", "kettle").await.unwrap();
    browser.follow("#add-filter button").await.unwrap();
    let filtered = "action = 'buy' AND country = 'DE' AND product_id = 'kettle'";
    shows(&browser, totals(place, filtered)).await;
    // A chip removes its filter and leaves the others.
    browser
        .follow(".chips a[aria-label$=action]")
        .await
        .unwrap();
    let filtered = "country = 'DE' AND product_id = 'kettle'";
    shows(&browser, totals(place, filtered)).await;
    browser.follow(".chips .all a").await.unwrap();
    shows(&browser, totals(place, "true")).await;
    // Clicks without a campaign can be asked for as well.
    browser
        .follow("[data-panel=campaign] .bars a[href*=without]")
        .await
        .unwrap();
    shows(&browser, totals(place, "utm_campaign IS NULL")).await;
    quiet(&browser, &[&demo.dashboard]).await;
}

#[tokio::test]
async fn a_range_of_ones_own_is_an_address_that_shows_the_same() {
    let Some((browser, demo)) = open("/").await else {
        return;
    };
    let place = &demo.place;
    browser.click("#dates summary").await.unwrap();
    let begun =
        "SELECT strftime(date_trunc('hour', max(occurred_at)) - to_hours(2), '%Y-%m-%dT%H:%M')
        || ' ' || strftime(date_trunc('hour', max(occurred_at)), '%Y-%m-%dT%H:%M') FROM clicks";
    let edges = place.ask(begun).unwrap();
    let (from, to) = edges.as_str().unwrap().split_once(' ').unwrap();
    let fields = format!(
        "document.getElementById('from').value = '{from}'; document.getElementById('to').value = '{to}'"
    );
    browser.run(&fields).await.unwrap();
    browser.follow("#dates button").await.unwrap();
    let within = totals(
        place,
        &format!("occurred_at >= '{from}' AND occurred_at < '{to}'"),
    );
    assert_ne!(within, totals(place, "true"));
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
    quiet(&browser, &[&demo.dashboard]).await;
}

#[tokio::test]
async fn an_open_page_follows_the_lake() {
    let Some(browser) = browser::start(Scripts::On).await else {
        return;
    };
    let place = Place::new().unwrap();
    let up = place.up(&[]).unwrap();
    click(&up.shop, &json!({ "action": "early", "visitor_id": "v" })).await;
    until_lake_says(&place, "SELECT count(*) FROM clicks", &json!(1)).await;
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
    let drawn = "return document.querySelectorAll('.chart canvas').length";
    browser.until(drawn, |count| *count == 2).await.unwrap();
    quiet(&browser, &[&up.dashboard]).await;
    assert!(up.process.end().unwrap());
}

/// How many of the chart's pixels have the colour of the first and of the second series.
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

/// Returns true if bars of both colours are painted.
fn has_bars(painted: &Value) -> bool {
    painted[0].as_u64() > Some(500) && painted[1].as_u64() > Some(500)
}

#[tokio::test]
async fn charts_are_drawn_and_their_tables_add_up_to_the_lake() {
    let Some((browser, demo)) = open("/?range=all").await else {
        return;
    };
    let painted = browser.run(PAINTED).await.unwrap();
    assert!(has_bars(&painted), "{painted}");
    let all = demo.place.ask("SELECT count(*)::DOUBLE FROM clicks");
    let all = all.unwrap().as_f64().unwrap();
    let by_action = summed(&browser, "actions-by-table", "").await;
    assert_eq!(by_action.as_f64(), Some(all));
    for dimension in [
        "product", "category", "country", "campaign", "referrer", "device", "page", "action",
    ] {
        let table = format!("{dimension}-table");
        let sum = summed(&browser, &table, "Clicks").await.as_f64().unwrap();
        // Ten values are listed; if there are more, the card says so.
        let note = browser
            .text(&format!("[data-panel={dimension}] .note"))
            .await
            .unwrap();
        assert!(
            sum == all || note.contains("more") && sum < all,
            "{dimension}: {sum} of {all}"
        );
    }
    quiet(&browser, &[&demo.dashboard]).await;
}

#[tokio::test]
async fn every_metrics_card_draws_its_own_series_which_adds_up_to_the_card() {
    let Some(browser) = browser::start(Scripts::On).await else {
        return;
    };
    let demo = demo::shared().await;
    for (metric, label) in [
        ("clicks", "Clicks"),
        ("buys", "Items sold"),
        ("revenue", "Revenue"),
    ] {
        let query = if metric == "clicks" {
            String::new()
        } else {
            format!("&metric={metric}")
        };
        let page = format!("{}/?range=all{query}", demo.dashboard);
        browser.open(&page).await.unwrap();
        let card = browser
            .run("return document.querySelector('.totals .chosen dd').textContent.replaceAll(',', '')")
            .await
            .unwrap();
        let shown = browser.text(".totals .chosen dt").await.unwrap();
        assert_eq!(shown, label);
        let sum = summed(&browser, "series-table", label)
            .await
            .as_f64()
            .unwrap();
        let card: f64 = card.as_str().unwrap().parse().unwrap();
        assert!((sum - card).abs() < 0.005, "{metric}: {sum} {card}");
    }
    // Invariant 4, as a person reads it.
    let page = format!("{}/pipeline", demo.dashboard);
    browser.open(&page).await.unwrap();
    let accounting = browser.text("[data-panel=accounting]").await.unwrap();
    let audit = demo.place.settled().await.unwrap();
    let sentence = format!(
        "It adds up: {0} acknowledged = {0} rows + 0 dead letters + 0 duplicates + 0 dropped + 0 pending.",
        audit["acknowledged"]
    );
    assert!(
        accounting.contains(&sentence),
        "{sentence} is not in {accounting}"
    );
    quiet(&browser, &[&demo.dashboard]).await;
}

#[tokio::test]
async fn every_chart_and_table_can_be_had_as_csv() {
    let Some(browser) = browser::start(Scripts::On).await else {
        return;
    };
    let demo = demo::shared().await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for (page, csvs) in [
        ("/pipeline", 9),
        ("/funnel?range=all", 2),
        ("/?range=all", 11),
    ] {
        browser
            .open(&format!("{}{page}", demo.dashboard))
            .await
            .unwrap();
        let links = "return [...document.querySelectorAll('a.csv[href^=\"/api\"]')].map((link) => link.href)";
        let links = browser.run(links).await.unwrap();
        let links = links.as_array().unwrap();
        assert_eq!(links.len(), csvs, "{links:?}");
        for link in links {
            let answer = client.get(link.as_str().unwrap()).send().await.unwrap();
            assert!(answer.status().is_success(), "{link}");
            let kind = answer.headers()["content-type"].to_str().unwrap();
            assert!(kind.starts_with("text/csv"), "{link}: {kind}");
            let lines = answer.text().await.unwrap().lines().count();
            // The demo has neither dead letters nor hits of rules.
            let may_be_empty = ["letters", "rule_hits"];
            let link = link.as_str().unwrap();
            let may_be_empty = may_be_empty.iter().any(|name| link.contains(name));
            assert!(lines > 1 || may_be_empty, "{link}");
        }
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
    assert_eq!(browser.complaints().await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn the_pages_darken_with_the_system_and_fit_a_telephone() {
    let Some((browser, demo)) = open("/?range=all").await else {
        return;
    };
    let (ground, ink) = lightness(&browser).await;
    assert!(ground > 200 && ink < 60, "light: {ground}, {ink}");
    browser.prefer("dark").await.unwrap();
    let (ground, ink) = lightness(&browser).await;
    assert!(ground < 60 && ink > 200, "dark: {ground}, {ink}");
    // The chart is drawn again, in the colours of the dark.
    browser.until(PAINTED, has_bars).await.unwrap();

    browser.widen(360, 900).await.unwrap();
    let beyond = "const page = document.documentElement;
        return page.scrollWidth - page.clientWidth";
    let query = "/sql?sql=SELECT%20*%20FROM%20clicks";
    for page in [
        format!("{}/?range=all&country=DE&product=kettle", demo.dashboard),
        format!("{}/funnel?range=all", demo.dashboard),
        format!("{}/pipeline", demo.dashboard),
        format!("{}{query}", demo.dashboard),
        demo.shop.clone(),
    ] {
        browser.open(&page).await.unwrap();
        assert_eq!(
            browser.run(beyond).await.unwrap(),
            json!(0),
            "{page} scrolls sideways"
        );
    }
    assert_eq!(browser.complaints().await.unwrap(), [""; 0]);
}
