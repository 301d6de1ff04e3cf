//! The published libraries of other trackers send to an edge that is killed in mid-run: each of
//! their events is one row, and the row says what the library sent.

use std::path::{Path, PathBuf};
use std::process::Command;

use std::time::Duration;

use serde_json::{Value, json};
use tests::browser::{self, Scripts};
use tests::clickweir::{Place, Process};
use tests::{ports, real};
use tokio::time::{Instant, sleep};

/// How many events each library sends, and after which of them the edge is killed.
const EVENTS: usize = 25;
const KILLED_AFTER: usize = 8;
/// How long a library may take, in seconds.
const LIMIT_SECONDS: &str = "180";
/// When the first event of each library occurred, in milliseconds since 1970.
const OCCURRED: i64 = 1_763_847_123_045;

/// Which rows an event becomes that all libraries of a kind send alike.
#[derive(Clone, Copy)]
enum Kind {
    Order,
    View,
    Capture,
}

/// A published library.
struct Library {
    name: &'static str,
    /// `node` or `python`.
    language: &'static str,
    kind: Kind,
    /// The visitor that its events name.
    visitor: Option<&'static str>,
    /// The account that its events name.
    user: Option<&'static str>,
}

const fn library(
    name: &'static str,
    language: &'static str,
    kind: Kind,
    visitor: Option<&'static str>,
) -> Library {
    let user = match kind {
        Kind::Capture => None,
        Kind::Order | Kind::View => Some(name),
    };
    Library {
        name,
        language,
        kind,
        visitor,
        user,
    }
}

const LIBRARIES: [Library; 8] = [
    library("@segment/analytics-node", "node", Kind::Order, Some("a-1")),
    library(
        "@rudderstack/rudder-sdk-node",
        "node",
        Kind::Order,
        Some("a-1"),
    ),
    library("@snowplow/node-tracker", "node", Kind::View, None),
    library("posthog-node", "node", Kind::Capture, Some("posthog-node")),
    library(
        "segment-analytics-python",
        "python",
        Kind::Order,
        Some("a-1"),
    ),
    library("rudder-sdk-python", "python", Kind::Order, Some("a-1")),
    library("snowplow-tracker", "python", Kind::View, Some("a-1")),
    library("posthog", "python", Kind::Capture, Some("posthog")),
];

impl Library {
    /// The rows of its first event: action, visitor, user, page, the page before it, campaign,
    /// order, item, product, its name, quantity, price, currency, moment, and whether the edge had
    /// to make its id.
    fn first_rows(&self) -> Value {
        let row = |action: &str, order: Value, item: Value| {
            let mut row = vec![
                json!(action),
                json!(self.visitor),
                json!(self.user),
                json!("https://shop.example/done?utm_source=x"),
                json!("https://r.example/"),
                json!("x"),
                order,
            ];
            row.extend(item.as_array().unwrap().iter().cloned());
            row.extend([json!(OCCURRED), json!(false)]);
            Value::Array(row)
        };
        let none = json!([null, null, null, null, null, null]);
        match self.kind {
            Kind::Order => json!([
                row("buy", json!("o-1"), json!([0, "mug", "Mug", 2, 2.5, "EUR"])),
                row(
                    "buy",
                    json!("o-1"),
                    json!([1, "tea", null, null, 4.0, "EUR"])
                ),
            ]),
            Kind::View => json!([row("page", Value::Null, none)]),
            Kind::Capture => json!([row("buy", json!("o-1"), none)]),
        }
    }

    fn start(&self, root: &Path, edge: &str) -> Process {
        let scripts = root.join("tests/clients");
        let (program, script) = match self.language {
            "node" => (PathBuf::from("node"), "send.js"),
            _ => (root.join("vendor/clients/bin/python"), "send.py"),
        };
        let mut command = Command::new("timeout");
        command.arg(LIMIT_SECONDS).arg(program);
        command.arg(scripts.join(script)).args([self.name, edge]);
        command.arg(EVENTS.to_string());
        command.env("NODE_PATH", root.join("vendor/client_modules/node_modules"));
        Process::spawn(&mut command).unwrap()
    }

    /// Asks for something of its rows.
    fn ask(&self, place: &Place, what: &str, which: &str) -> Value {
        let name = self.name;
        let rows = format!(
            "SELECT * FROM clicks WHERE coalesce(user_id, visitor_id) = '{name}' AND {which} ORDER BY item"
        );
        let said = place.ask(&format!("SELECT ({what})::VARCHAR FROM ({rows})"));
        serde_json::from_str(said.unwrap().as_str().unwrap()).unwrap()
    }

    fn check(&self, place: &Place) {
        let first = format!("occurred_at = make_timestamp({OCCURRED}000)");
        let row = "json_group_array(json_array(action, visitor_id, user_id, url, referrer, utm_source, order_id, \
            item, product_id, product_name, quantity, price, currency, epoch_ms(occurred_at), id_generated))";
        assert_eq!(
            self.ask(place, row, &first),
            self.first_rows(),
            "{}",
            self.name
        );
        let counts = "json_array(count(*), count(DISTINCT event_id), \
            count(DISTINCT coalesce(properties->>'$.n', properties->>'$.se_va')), bool_or(id_generated))";
        let all = EVENTS - 1;
        let rest = self.ask(place, counts, &format!("NOT {first}"));
        assert_eq!(rest, json!([all, all, all, false]), "{}", self.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_library_s_events_are_rows_once_though_the_edge_is_killed_in_mid_run() {
    let Some(root) = real::fetched("clients", "client libraries") else {
        return;
    };
    let address = format!("127.0.0.1:{}", ports::free_port().unwrap());
    let place = Place::new().unwrap().with("PRODUCER__LISTEN", &address);
    let mut up = place.up(&[]).unwrap();
    let edge = format!("http://{address}");
    let mut running = LIBRARIES.map(|library| library.start(&root, &edge));
    for process in &mut running {
        process.line_after(&format!("sent {KILLED_AFTER}")).unwrap();
    }
    up.process.kill().unwrap();
    let up = place.up(&[]).unwrap();
    for process in running {
        process.done().unwrap();
    }
    place.settled().await.unwrap();
    for library in LIBRARIES {
        library.check(&place);
    }
    assert_eq!(place.ask("SELECT count(*) FROM dead_letters").unwrap(), 0);
    assert!(up.process.end().unwrap());
}

/// What the page does: it gives the library no host but the one of its settings.
const PAGE: &str = "
    window.analytics = AnalyticsNext.AnalyticsBrowser.load({ writeKey: 'wk_web', cdnURL: location.origin });
    analytics.page('Home');
    analytics.identify('u-1', { plan: 'pro' });
    analytics.track('Order Completed', { order_id: 'o-1', products: [{ sku: 'mug', price: 2.5, quantity: 2 }] });";

#[tokio::test(flavor = "multi_thread")]
async fn analytics_js_in_the_shop_asks_and_tells_the_edge_alone() {
    let Some(root) = real::fetched("clients", "client libraries") else {
        return;
    };
    let Some(browser) = browser::start(Scripts::On).await else {
        return;
    };
    let address = format!("127.0.0.1:{}", ports::free_port().unwrap());
    let place = Place::new().unwrap().with("PRODUCER__LISTEN", &address);
    let mut up = place.up(&[]).unwrap();
    let script = "vendor/client_modules/node_modules/@segment/analytics-next/dist/umd/index.js";
    let script = std::fs::read_to_string(root.join(script)).unwrap();
    let shop = format!("{}/", up.shop);
    browser.open(&shop).await.unwrap();
    browser.run(&format!("{script}\n{PAGE}")).await.unwrap();
    let rows = async |place: &Place| {
        let asked = "SELECT count(*) FROM clicks WHERE properties->'$.context'->'$.library'->>'$.name' = 'analytics.js'";
        place.ask(asked).unwrap()
    };
    let until = async |count: i64| {
        let deadline = Instant::now() + Duration::from_secs(60);
        while rows(&place).await != count {
            assert!(Instant::now() < deadline, "the library's events arrive");
            sleep(Duration::from_millis(200)).await;
        }
    };
    until(3).await;
    // The edge is away when the page sends, and the library tries again by itself.
    up.process.kill().unwrap();
    browser
        .run("analytics.track('Clicked', { n: 1 })")
        .await
        .unwrap();
    let up = place.up(&[]).unwrap();
    until(4).await;
    // Which account a page is of that came before its account is the library's own affair.
    let row = "SELECT to_json(list(json_array(action, CASE WHEN action <> 'page' THEN user_id END, item, product_id, \
        price, order_id) ORDER BY action))::VARCHAR \
        FROM clicks WHERE properties->'$.context'->'$.library'->>'$.name' = 'analytics.js'";
    let said = place.ask(row).unwrap();
    let said: Value = serde_json::from_str(said.as_str().unwrap()).unwrap();
    let expect = json!([
        ["Clicked", "u-1", null, null, null, null],
        ["buy", "u-1", 0, "mug", 2.5, "o-1"],
        ["identify", "u-1", null, null, null, null],
        ["page", null, null, null, null, null],
    ]);
    assert_eq!(said, expect);
    let same = format!(
        "SELECT concat_ws(' ', count(DISTINCT visitor_id), bool_and(url = '{shop}'), bool_or(id_generated), \
         count(DISTINCT browser)) FROM clicks WHERE properties->'$.context'->'$.library'->>'$.name' = 'analytics.js'"
    );
    assert_eq!(place.ask(&same).unwrap(), "1 true false 1");
    let hosts = browser.hosts().await.unwrap();
    assert!(hosts.iter().all(|host| *host == up.shop), "{hosts:?}");
    assert!(up.process.end().unwrap());
}
