//! The shop and the dashboard as people use them: in a real browser, with clicks and keys.

mod consent;
mod dashboard;
mod hostile;
mod origins;
mod pages;
mod stand;
mod tracked;
mod tracker;

use std::time::Duration;

use serde_json::{Value, json};
use tests::browser::{self, Browser, Scripts};
use tests::clickweir::Place;
use tokio::time::{Instant, sleep};

/// Asks SQL until the answer is this.
async fn until_lake_says(place: &Place, sql: &str, expect: &Value) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let answer = place.ask(sql).unwrap();
        if answer == *expect {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "{sql} still gives {answer}, not {expect}"
        );
        sleep(Duration::from_millis(200)).await;
    }
}

/// A visitor of the shop.
struct Shopper {
    browser: Browser,
    scripts: Scripts,
}

impl Shopper {
    /// Presses what leads to another page, once the clicks of this one are acknowledged: what is on
    /// its way when a page is left is sent again.
    async fn press(&self, css: &str) {
        if self.scripts == Scripts::Off {
            return self.browser.click(css).await.unwrap();
        }
        let waiting = "return localStorage['clickweir.waiting'] === undefined";
        let is_settled = |settled: &Value| *settled == true;
        self.browser.until(waiting, is_settled).await.unwrap();
        self.browser.follow(css).await.unwrap();
    }

    async fn reads(&self, css: &str, part: &str) {
        self.browser.reads(css, part).await.unwrap();
    }

    async fn enter(&self, password: &str) {
        let fill = async |css, text| self.browser.fill(css, text).await.unwrap();
        fill("input[name=name]", "Ada").await;
        fill("input[name=password]", password).await;
        self.press("main form button").await;
    }

    async fn add_to_basket(&self, good: &str) {
        self.press("main a[href='/']").await;
        self.reads("h1", "For days by the water").await;
        self.press(&format!("a[href='/product/{good}']")).await;
        self.press("form.buy button[formaction]").await;
        self.reads("h1", "Basket").await;
    }

    /// Does everything that the shop offers; returns the expected clicks.
    async fn shop(&self, shop: &str) -> Value {
        self.browser.open(shop).await.unwrap();
        self.press("a[href='/product/kettle']").await;
        self.reads("h1", "Mill Race Kettle").await;
        self.press("a[href='/sign-up']").await;
        self.enter("correct horse").await;
        self.reads(".who", "Ada").await;
        self.press("form[action='/log-out'] button").await;
        self.press("a[href='/log-in']").await;
        self.enter("wrong horse").await;
        self.reads("[role=alert]", "No account").await;
        self.enter("correct horse").await;
        self.press("a[href='/product/mug']").await;
        let quantity = "input[name=quantity]";
        self.browser.fill(quantity, "2").await.unwrap();
        self.press("form.buy button").await;
        self.reads("main", "2 × Heron Blue Mug").await;
        // Loading the page again is no second purchase.
        self.browser.open(&format!("{shop}/thanks")).await.unwrap();
        self.add_to_basket("tea").await;
        self.add_to_basket("hat").await;
        self.press("form[action='/basket/remove']:has([value=hat]) button")
            .await;
        self.add_to_basket("kettle").await;
        self.reads(".total", "57.90").await;
        self.press("a[href='/checkout']").await;
        self.press("form.order button").await;
        self.reads("main", "1 × Towpath Tea").await;
        self.reads("main", "1 × Mill Race Kettle").await;
        self.press("form[action='/log-out'] button").await;
        self.browser.text("a[href='/log-in']").await.unwrap();
        // The list is shown on arrival, after signing up, after logging in, after each of two
        // logouts, and on the way to each good of the basket. A checkout and an order have a row
        // for each line.
        json!(
            "add_to_cart=3 begin_checkout=2 browse=8 buy=3 log_in=1 log_out=2 remove_from_cart=1 sign_up=1 view=5"
        )
    }
}

/// Shops, and finds each action in the lake once; all clicks are sent one way and none the other.
async fn shops(scripts: Scripts, way: &str, not: &str) {
    let Some(browser) = browser::start(scripts).await else {
        return;
    };
    // The lines of a checkout and of an order are items of one click, and pixels of their own.
    let requested = match scripts {
        Scripts::On => 24,
        Scripts::Off => 26,
    };
    let place = Place::new().unwrap();
    let up = place.up(&[]).unwrap();
    let shopper = Shopper { browser, scripts };
    let expect = shopper.shop(&up.shop).await;
    let browser = shopper.browser;
    let actions = "SELECT string_agg(action || '=' || n, ' ' ORDER BY action)
        FROM (SELECT action, count(*) AS n FROM clicks GROUP BY action)";
    until_lake_says(&place, actions, &expect).await;
    let verdict = place.settled().await.unwrap();
    let count = |key: &str| verdict[key].as_u64().unwrap();
    assert_eq!(
        [
            count("rows"),
            count("duplicates"),
            count("dead_letters"),
            count("lost")
        ],
        [26, 0, 0, 0],
        "{verdict}"
    );
    let requests = browser.requests().await.unwrap();
    let sent = |path: &str| requests.iter().filter(|url| url.contains(path)).count();
    assert_eq!((sent(way), sent(not)), (requested, 0), "{requests:#?}");
    let facts = "SELECT concat_ws(' ', count(DISTINCT visitor_id), count(DISTINCT user_id),
        count(*) FILTER (action NOT IN ('browse', 'view') AND user_id IS NULL),
        count(*) FILTER (session_id IS NULL OR url IS NULL),
        string_agg(DISTINCT browser || os || is_bot),
        count(DISTINCT order_id) FILTER (action = 'buy'), round(sum(price * quantity) FILTER (action = 'buy'), 2),
        string_agg(product_id || quantity || currency, ' ' ORDER BY product_id) FILTER (action = 'buy')) FROM clicks";
    let found = place.ask(facts).unwrap();
    let expect = "1 1 0 0 ChromeLinuxfalse 2 86.9 kettle1EUR mug2EUR tea1EUR";
    assert_eq!(found, json!(expect));
    // The only complaint is the browser's own about the wrong password.
    let complaints = browser.complaints().await.unwrap();
    assert!(
        complaints.iter().all(|said| said.contains("422")),
        "{complaints:#?}"
    );
    assert_eq!(
        Vec::from_iter(browser.hosts().await.unwrap()),
        [up.shop.as_str()]
    );
    assert!(up.process.end().unwrap());
}

#[tokio::test]
async fn every_step_in_the_shop_is_one_click() {
    shops(Scripts::On, "/v1/events", "/pixel.gif").await;
}

#[tokio::test]
async fn without_scripts_the_pixel_tells_every_step_once() {
    shops(Scripts::Off, "/pixel.gif", "/v1/events").await;
}

async fn click(shop: &str, click: &Value) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let events = format!("{shop}/v1/events");
    let answer = client.post(events).json(click).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 202);
}

#[tokio::test]
async fn the_page_for_sql_answers_and_says_why_it_refuses() {
    let Some(browser) = browser::start(Scripts::On).await else {
        return;
    };
    let place = Place::new().unwrap();
    let up = place.up(&[]).unwrap();
    click(
        &up.shop,
        &json!({ "action": "view", "product_name": "tea, \"black\"" }),
    )
    .await;
    until_lake_says(&place, "SELECT count(*) FROM clicks", &json!(1)).await;
    browser
        .open(&format!("{}/sql", up.dashboard))
        .await
        .unwrap();
    let ask = "SELECT product_name, count(*) AS n FROM clicks GROUP BY 1";
    browser.fill("#sql", ask).await.unwrap();
    browser.follow("main form button").await.unwrap();
    // A click on a form answers before its page does.
    let row =
        "return [...document.querySelectorAll('.result tbody td')].map((td) => td.textContent)";
    let answer = json!(["tea, \"black\"", "1"]);
    browser.until(row, |row| *row == answer).await.unwrap();
    assert!(
        browser.url().await.unwrap().contains("sql=SELECT"),
        "it can be shared"
    );
    // Ctrl+Enter runs the query too.
    browser
        .fill("#sql", "SELECT 6 * 7 AS answer\u{e009}\u{e007}\u{e000}")
        .await
        .unwrap();
    let cell = "return document.querySelector('.result td')?.textContent";
    browser.until(cell, |cell| *cell == "42").await.unwrap();
    assert_eq!(browser.complaints().await.unwrap(), [""; 0]);
    for refused in [
        "COPY clicks TO 'stolen.csv'",
        "SELECT nothing FROM nowhere",
        "DROP VIEW clicks",
    ] {
        browser.fill("#sql", refused).await.unwrap();
        browser.follow("main form button").await.unwrap();
        let alert = format!(
            "const asked = new URLSearchParams(location.search).get('sql');
            const alert = document.querySelector('[role=alert]');
            return asked === {} && alert ? alert.textContent.trim() : ''",
            json!(refused)
        );
        browser.until(&alert, |said| *said != "").await.unwrap();
        let said = browser.text("[role=alert]").await.unwrap();
        assert!(
            !said.starts_with("4") && said.len() > 20,
            "input 34: {refused}: {said}"
        );
        let kept = browser
            .run("return document.getElementById('sql').value")
            .await
            .unwrap();
        assert_eq!(
            kept,
            json!(refused),
            "the query is still there to be mended"
        );
    }
    assert_eq!(place.ask("SELECT count(*) FROM clicks").unwrap(), json!(1));
    assert!(!place.path().join("stolen.csv").exists());
    assert!(up.process.end().unwrap());
}

#[tokio::test]
async fn input_29_markup_in_a_click_is_shown_and_runs_nothing() {
    let Some(browser) = browser::start(Scripts::On).await else {
        return;
    };
    let place = Place::new().unwrap();
    let up = place.up(&[]).unwrap();
    let script = "<script>alert(1)</script>";
    let image = "\"><img src=x onerror=alert(1)>";
    let out = "</script><script>alert(1)</script>";
    let marked = json!({ "action": "view", "product_id": image, "product_name": script, "visitor_id": script });
    click(&up.shop, &marked).await;
    click(
        &up.shop,
        &json!({ "action": out, "url": "javascript:alert(1)" }),
    )
    .await;
    until_lake_says(&place, "SELECT count(*) FROM clicks", &json!(2)).await;
    let stored = place
        .ask("SELECT product_name FROM clicks WHERE action = 'view'")
        .unwrap();
    assert_eq!(stored, json!(script), "stored raw");

    let query = |text: &str| {
        let address = format!("{}/sql", up.dashboard);
        reqwest::Url::parse_with_params(&address, [("sql", text)])
            .unwrap()
            .to_string()
    };
    let filter = |name: &str, value: &str| {
        let address = format!("{}/", up.dashboard);
        reqwest::Url::parse_with_params(&address, [(name, value)])
            .unwrap()
            .to_string()
    };
    for (page, shown) in [
        (
            format!("{}/?range=all", up.dashboard),
            vec![script, image, out],
        ),
        (filter("product", image), vec![script, image]),
        (filter("action", out), vec![out]),
        (
            query("SELECT action, product_id, product_name FROM clicks"),
            vec![script, image, out],
        ),
        (
            query(&format!("SELECT '{script}' AS \"{out}\"")),
            vec![script, out],
        ),
        (
            query(&format!("SELECT nothing AS \"{script}\" FROM nowhere")),
            vec![script],
        ),
        (filter("range", script), vec![script]),
    ] {
        browser.open(&page).await.unwrap();
        let visible = "document.querySelectorAll('details').forEach((one) => one.open = true);
            return document.body.innerText + [...document.querySelectorAll('input, textarea')].map((one) => one.value)";
        let text = browser.run(visible).await.unwrap();
        for markup in shown {
            assert!(
                text.as_str().unwrap().contains(markup),
                "{page} does not show {markup}: {text}"
            );
        }
        assert_eq!(browser.dialog().await.unwrap(), None, "{page} ran it");
        let made = "return document.querySelectorAll('img, body script, [onerror]').length -
            document.querySelectorAll('body script[type=\"application/json\"]').length";
        assert_eq!(
            browser.run(made).await.unwrap(),
            json!(0),
            "{page} made elements of it"
        );
        // The page's policy would have stopped a script, and the console would say so.
        let complaints = browser.complaints().await.unwrap();
        assert!(
            complaints.iter().all(|said| said.contains(" 400 ")),
            "{page}: {complaints:?}"
        );
    }
    assert!(up.process.end().unwrap());
}
