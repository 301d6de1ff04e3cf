//! One visitor's walk: who the visitor is, what it chooses, and what it sends.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, RngCore};
use serde_json::{Map, Value};
use topic::Timestamp;

use super::browser::{Browser, OpenPage};
use super::error::Error;
use crate::shop::goods;

/// The longest time before the present at which a walk begins.
const WALK_SPREAD: Duration = Duration::from_secs(6 * 3_600);

/// Browsers, the more common ones more often. One of them is a crawler.
const USER_AGENTS: [&str; 8] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
];

/// Where visitors live: country, city, and how many of a hundred.
const PLACES: [(&str, &str, u32); 9] = [
    ("DE", "Hamburg", 26),
    ("GB", "Leeds", 18),
    ("FR", "Lyon", 13),
    ("NL", "Utrecht", 11),
    ("US", "Portland", 10),
    ("AT", "Graz", 8),
    ("SE", "Uppsala", 6),
    ("PL", "Gdańsk", 5),
    ("JP", "Kyoto", 3),
];

/// Where visitors come from: the referrer, and the query that a campaign adds.
const REFERRERS: [(&str, &str); 6] = [
    ("", ""),
    ("", ""),
    ("https://www.google.com/", ""),
    ("https://duckduckgo.com/", ""),
    (
        "https://mail.example/",
        "?utm_source=newsletter&utm_medium=email&utm_campaign=autumn",
    ),
    (
        "https://social.example/feed",
        "?utm_source=social&utm_medium=post&utm_campaign=launch",
    ),
];

/// What became of a walk.
#[derive(Default)]
pub(super) struct WalkSummary {
    pub(super) sent: u64,
    pub(super) acknowledged: Vec<String>,
    pub(super) actions: BTreeMap<String, u64>,
}

/// How a visitor sends its clicks.
#[derive(Clone, Copy)]
enum ClickFormat {
    /// One array per page.
    Batch,
    /// One click per line.
    Lines,
    /// The pixels of each page.
    Pixel,
}

pub(super) struct Walk {
    browser: Browser,
    choices: StdRng,
    /// The time of the visitor's next step.
    at: Timestamp,
    /// The latest time of a step.
    now: Timestamp,
    name: String,
    click_format: ClickFormat,
    place: (&'static str, &'static str),
    referrer: &'static str,
    /// The query of the campaign that brought the visitor, which the script keeps for the visit.
    campaign: &'static str,
    summary: WalkSummary,
}

impl Walk {
    pub(super) fn new(
        mut browser: Browser,
        mut choices: StdRng,
        now: Timestamp,
        visitor: u64,
        seed: u64,
    ) -> Self {
        browser.agent = USER_AGENTS
            .choose(&mut choices)
            .expect("there are browsers");
        // More visitors came recently than hours ago.
        let back = WALK_SPREAD.mul_f64(choices.random::<f64>().powi(2));
        let place = PLACES.choose_weighted(&mut choices, |place| place.2);
        let place = place.expect("some weights are above zero");
        let click_format = match choices.random_range(0..10) {
            0 => ClickFormat::Pixel,
            1 | 2 => ClickFormat::Lines,
            _ => ClickFormat::Batch,
        };
        Self {
            browser,
            at: now.minus(back),
            now,
            // The shop keeps accounts while it runs, so a second walk of the same seed needs
            // another name.
            name: format!("visitor {seed}-{visitor}-{:08x}", rand::random::<u32>()),
            click_format,
            place: (place.0, place.1),
            referrer: "",
            campaign: "",
            summary: WalkSummary::default(),
            choices,
        }
    }

    /// Walks from the first page to the last.
    pub(super) async fn run(mut self) -> Result<WalkSummary, Error> {
        let (referrer, campaign) = *REFERRERS
            .choose(&mut self.choices)
            .expect("there are referrers");
        (self.referrer, self.campaign) = (referrer, campaign);
        let page = self.browser.enter(campaign).await?;
        self.send_clicks(&page).await?;
        self.referrer = "";
        let password = format!("{:016x}", self.choices.next_u64());
        let is_known = self.choices.random_bool(0.45);
        if is_known {
            let account = [("name", &*self.name.clone()), ("password", &*password)];
            self.submit("/sign-up", &account).await?;
            if self.choices.random_bool(0.3) {
                self.submit("/log-out", &[]).await?;
                self.submit("/log-in", &account).await?;
            }
        }
        let mut basket = Vec::new();
        for _ in 0..self.choices.random_range(1..=5) {
            self.view(&mut basket).await?;
            if self.choices.random_bool(0.3) {
                self.open("/").await?;
            }
        }
        self.check_out(&basket).await?;
        if is_known && self.choices.random_bool(0.5) {
            self.submit("/log-out", &[]).await?;
        }
        Ok(self.summary)
    }

    /// Opens the page of a good. Sometimes buys it at once, more often puts it into the basket.
    /// The first goods are liked better.
    async fn view(&mut self, basket: &mut Vec<&'static str>) -> Result<(), Error> {
        let goods = goods::all();
        let liked = self.choices.random::<f64>().powf(1.7);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "0 <= liked < 1"
        )]
        let good = &goods[(liked * goods.len() as f64) as usize];
        self.open(&format!("/product/{}", good.id)).await?;
        let path = match self.choices.random_range(0..100) {
            0..8 => "/buy",
            8..40 => "/basket/add",
            _ => return Ok(()),
        };
        let quantity = self.choices.random_range(1..=3).to_string();
        let fields = [("product_id", good.id), ("quantity", &quantity)];
        self.submit(path, &fields).await?;
        if path == "/basket/add" && !basket.contains(&good.id) {
            basket.push(good.id);
        }
        Ok(())
    }

    /// Buys what is in the basket, unless the visitor thinks better of it on the way.
    async fn check_out(&mut self, basket: &[&str]) -> Result<(), Error> {
        let mut left = basket.len();
        if left > 0 && self.choices.random_bool(0.15) {
            self.submit("/basket/remove", &[("product_id", basket[0])])
                .await?;
            left -= 1;
        }
        if left > 0 && self.choices.random_bool(0.8) {
            self.open("/checkout").await?;
            if self.choices.random_bool(0.8) {
                self.submit("/checkout", &[]).await?;
            }
        }
        Ok(())
    }

    async fn open(&mut self, path: &str) -> Result<(), Error> {
        let page = self.browser.open(path).await?;
        self.send_clicks(&page).await
    }

    async fn submit(&mut self, path: &str, fields: &[(&str, &str)]) -> Result<(), Error> {
        let page = self.browser.submit(path, fields).await?;
        self.send_clicks(&page).await
    }

    /// Sends the clicks of a page, then lets some time pass.
    async fn send_clicks(&mut self, page: &OpenPage) -> Result<(), Error> {
        match self.click_format {
            ClickFormat::Pixel => {
                for pixel in page.pixels() {
                    let path = self.pixel(&pixel);
                    self.summary.sent += 1;
                    self.browser.load(&path).await?;
                    self.acknowledged(&query_fields(&pixel));
                }
            }
            ClickFormat::Batch | ClickFormat::Lines => {
                let clicks: Vec<_> = page
                    .clicks()
                    .iter()
                    .map(|shown| self.click(page, shown))
                    .collect();
                self.post(&clicks).await?;
            }
        }
        let pause = Duration::from_secs(self.choices.random_range(4..180));
        let next = Timestamp::from_micros(
            self.at.micros() + i64::try_from(pause.as_micros()).unwrap_or(0),
        );
        self.at = next.min(self.now);
        Ok(())
    }

    /// Posts the clicks of a page, if it has some, in one body.
    async fn post(&mut self, clicks: &[Map<String, Value>]) -> Result<(), Error> {
        if clicks.is_empty() {
            return Ok(());
        }
        let lines: Vec<_> = clicks
            .iter()
            .map(|click| Value::Object(click.clone()).to_string())
            .collect();
        let body = match self.click_format {
            ClickFormat::Lines => lines.join("\n"),
            ClickFormat::Batch | ClickFormat::Pixel => format!("[{}]", lines.join(",")),
        };
        self.summary.sent += clicks.len() as u64;
        self.browser.post(&body).await?;
        for click in clicks {
            self.acknowledged(click);
        }
        Ok(())
    }

    /// Makes the click that the page's script would make of the page's data.
    fn click(&mut self, page: &OpenPage, shown: &str) -> Map<String, Value> {
        let mut click: Map<String, Value> = serde_json::from_str(shown).unwrap_or_default();
        let millis = u64::try_from(self.at.millis()).unwrap_or(0);
        let mut noise = [0; 10];
        rand::rng().fill_bytes(&mut noise);
        let id = uuid::Builder::from_unix_timestamp_millis(millis, &noise).into_uuid();
        let referrer = if page.referrer.is_empty() {
            self.referrer
        } else {
            &page.referrer
        };
        let mut add = |field: &str, value: &str| {
            if !value.is_empty() && !click.contains_key(field) {
                click.insert(field.to_owned(), Value::from(value));
            }
        };
        add("id", &id.to_string());
        add("occurred_at", &self.at.to_string());
        add("visitor_id", &page.tag_id("visitor_id"));
        add("session_id", &page.tag_id("session_id"));
        add("user_id", &page.tag_id("user_id"));
        add("url", &page.url);
        add("referrer", referrer);
        add("country", self.place.0);
        add("city", self.place.1);
        for (name, value) in query_fields(self.campaign) {
            add(&name, value.as_str().unwrap_or_default());
        }
        click
    }

    /// Returns a pixel's path with the visitor's time and place.
    fn pixel(&self, shown: &str) -> String {
        let more = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("occurred_at", &self.at.millis().to_string())
            .append_pair("country", self.place.0)
            .append_pair("city", self.place.1)
            .finish();
        format!("{shown}&{more}")
    }

    fn acknowledged(&mut self, click: &Map<String, Value>) {
        let text = |field| click.get(field).and_then(Value::as_str).unwrap_or_default();
        self.summary.acknowledged.push(text("id").to_owned());
        let count = self.summary.actions.entry(text("action").to_owned());
        *count.or_default() += 1;
    }
}

/// The fields in the query of an address.
fn query_fields(address: &str) -> Map<String, Value> {
    let query = address.split_once('?').map_or("", |(_, query)| query);
    let fields = url::form_urlencoded::parse(query.as_bytes());
    fields
        .map(|(name, value)| (name.into_owned(), Value::from(&*value)))
        .collect()
}
