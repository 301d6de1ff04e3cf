//! Clicks as a shop's script sends them: 436 to 512 bytes of JSON with 12 or 13 fields. No two are
//! alike, and every run has the same ones but for their times.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use topic::{Envelope, Offset, Record, Timestamp};

/// How large a click is, in bytes.
const SIZE: RangeInclusive<usize> = 436..=512;
/// How many products the shop has.
const PRODUCTS: f64 = 5_000.0;
/// How many clicks a visitor makes on average.
const EACH: u64 = 20;
/// Clicks a second, by their own times.
const RATE: i64 = 20_000;

const GOODS: [(&str, &str); 8] = [
    ("kitchen", "Stoneware Mug"),
    ("garden", "Watering Can"),
    ("office", "Fountain Pen"),
    ("lighting", "Brass Lantern"),
    ("toys", "Wooden Train"),
    ("textiles", "Linen Throw"),
    ("storage", "Wicker Basket"),
    ("kitchen", "Bread Board"),
];
const REFERRERS: [&str; 6] = [
    "https://search.example/?q=gifts",
    "https://www.news.example/home",
    "https://shop.example/",
    "https://shop.example/sale",
    "https://social.example/feed",
    "https://blog.example/top-ten",
];
const CAMPAIGNS: [&str; 4] = [
    "utm_source=mail&utm_medium=email&utm_campaign=autumn",
    "utm_source=search&utm_medium=cpc&utm_campaign=brand",
    "utm_source=social&utm_medium=ad&utm_campaign=gifts",
    "utm_source=partner&utm_medium=cps&utm_campaign=sale",
];
const SYSTEMS: [&str; 5] = [
    "Windows NT 10.0; Win64; x64",
    "Macintosh; Intel Mac OS X 10_15_7",
    "X11; Linux x86_64",
    "Linux; Android 14; Pixel 8",
    "Linux; Android 13; SM-S911B",
];

/// Any number of clicks, by their numbers.
pub(crate) struct Clicks {
    count: u64,
    begin: Timestamp,
}

/// One click and its client's address.
pub(crate) struct Click {
    /// What the client sends; it begins with the id.
    pub(crate) json: String,
    /// The client's address.
    pub(crate) ip: IpAddr,
}

impl Clicks {
    /// `count` clicks, the last of them about now.
    pub(crate) fn new(count: u64, now: Timestamp) -> Self {
        let micros = i64::try_from(count).unwrap_or(i64::MAX) / RATE * 1_000_000;
        Self {
            count,
            begin: Timestamp::from_micros(now.micros() - micros),
        }
    }

    /// The click of a number as the edge writes it, at an offset.
    pub(crate) fn record(&self, number: u64, offset: Offset, appended_at: Timestamp) -> Record {
        let click = self.click(number);
        // It begins with its id: `{"id":"…36…"`.
        let envelope = Envelope {
            v: topic::envelope::VERSION,
            id: click.json[7..43].into(),
            id_generated: false,
            item: None,
            retried: false,
            replaced: false,
            redacted: false,
            sample_rate: None,
            received_at: appended_at.micros(),
            format: "native".into(),
            source: "http".into(),
            ip: Some("192.0.2.0".into()),
            user_agent: None,
            visitor: None,
            request: None,
            shared: None,
            click: &click.json,
        };
        Record {
            offset,
            appended_at,
            key: None,
            value: Some(envelope.encode()),
            headers: Vec::new(),
        }
    }

    /// The click of a number.
    pub(crate) fn click(&self, number: u64) -> Click {
        let mut choice = StdRng::seed_from_u64(number);
        loop {
            // A rare one that is too long is drawn anew.
            let click = self.draw(number, &mut choice);
            if SIZE.contains(&click.json.len()) {
                return click;
            }
        }
    }

    fn draw(&self, number: u64, choice: &mut StdRng) -> Click {
        let visitor = choice.random_range(0..self.count.div_ceil(EACH));
        let mut habit = StdRng::seed_from_u64(!visitor);
        let (visitor_id, address): (u64, u32) = (habit.random(), habit.random());
        let agent = agent(&mut habit);
        let session = habit.random::<u64>() ^ choice.random_range(0..3);
        // A few products are looked at most.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of 5,000"
        )]
        let product = (choice.random::<f64>().powi(3) * PRODUCTS) as usize;
        let (category, name) = GOODS[product % GOODS.len()];
        let micros = self.begin.micros() + i64::try_from(number).unwrap_or(0) * 1_000_000 / RATE;
        let occurred_at = Timestamp::from_micros(micros).to_string();
        let id: u128 = choice.random();
        let [a, b, c, d] = [
            id >> 96,
            id >> 80 & 0xffff,
            id >> 68 & 0xfff,
            id >> 56 & 0xfff,
        ];
        let e = id & 0xffff_ffff_ffff;
        let (cents, pounds) = (product % 100, 3 + product % 90);
        let mut json = format!(
            r#"{{"id":"{a:08x}-{b:04x}-4{c:03x}-8{d:03x}-{e:012x}","occurred_at":"{occurred_at}","visitor_id":"{visitor_id:016x}","session_id":"{session:016x}","product_id":"p-{product:04}","category":"{category}","price":{pounds}.{cents:02},"currency":"EUR""#
        );
        let mut add = |text: std::fmt::Arguments<'_>| {
            json.write_fmt(text).expect("text takes text");
        };
        match choice.random_range(0..20) {
            0 => add(format_args!(
                r#","action":"buy","quantity":{}"#,
                1 + product % 3
            )),
            1..4 => add(format_args!(
                r#","action":"cart","product_name":"{name} {product}""#
            )),
            _ => add(format_args!(
                r#","action":"view","product_name":"{name} {product}""#
            )),
        }
        let page = format_args!("https://shop.example/{category}/p-{product:04}");
        match choice.random_range(0..3) {
            0 => {
                let campaign = CAMPAIGNS[choice.random_range(0..CAMPAIGNS.len())];
                add(format_args!(r#","url":"{page}?{campaign}""#));
            }
            _ => {
                let referrer = REFERRERS[choice.random_range(0..REFERRERS.len())];
                add(format_args!(r#","url":"{page}","referrer":"{referrer}""#));
            }
        }
        add(format_args!(r#","user_agent":"{agent}"}}"#));
        Click {
            json,
            ip: Ipv4Addr::from_bits(address).into(),
        }
    }
}

/// One of some ninety user agents, a few of them most of the time.
fn agent(habit: &mut StdRng) -> String {
    let system = SYSTEMS[habit.random_range(0..SYSTEMS.len())];
    let version = 150 - habit.random_range(0..18).min(habit.random_range(0..18));
    let mobile = if system.contains("Android") {
        "Mobile "
    } else {
        ""
    };
    format!(
        "Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.0.0 {mobile}Safari/537.36"
    )
}
