//! Lakes for other engines to read: clicks of some hours that are past, and clicks of now.

use std::time::Duration;

use serde_json::json;
use sink::{Lake, S3};
use tests::clickweir::Place;
use tests::clients::post;
use tests::landing::{aged_topic, land};
use topic::clock::{Clock, SystemClock};
use topic::{Draft, Timestamp, Unit};

const LAND_TIMEOUT: Duration = Duration::from_secs(60);
/// Clicks of each hour, among them dead letters.
pub(crate) const PER_HOUR: i64 = 120;
pub(crate) const LETTERS_PER_HOUR: i64 = 6;
/// Whose clicks there are in each hour: a visitor's share.
pub(crate) const VISITORS: i64 = 20;

/// Clicks of an hour: views, orders, and some that become dead letters.
fn drafts(hour: i64) -> Vec<Draft> {
    let received = SystemClock.now().micros() - hour * Unit::Hour.micros();
    let letters_each = PER_HOUR / LETTERS_PER_HOUR;
    let draft = |n: i64| {
        let visitor = format!("v{}", n % VISITORS);
        let click = match n {
            n if n % letters_each == 7 => json!({"visitor_id": visitor, "price": "dear"}),
            n if n % 3 == 0 => json!({"visitor_id": visitor, "action": "view"}),
            n => json!({
                "visitor_id": visitor, "action": "buy", "price": n as f64 / 4.0, "quantity": n % 4
            }),
        };
        Draft {
            key: visitor.into(),
            value: format!(
                r#"{{"v":1,"id":"{hour}-{n}","received_at":{received},"format":"native","source":"test","click":{click}}}"#
            )
            .into(),
        }
    };
    (0..PER_HOUR).map(draft).collect()
}

/// Lets clicks of so many hours ago land in many small objects, in the place's folder or in a
/// bucket. Returns the lake's address.
pub(crate) async fn aged(place: &Place, hours: &[i64], bucket: Option<&S3>) -> String {
    let data = place.path().join("data");
    let folder = data.join("lake");
    let address = match bucket {
        Some(bucket) => bucket.url.clone(),
        None => folder.to_str().unwrap().to_owned(),
    };
    let lake = bucket.cloned().unwrap_or_else(|| S3::in_folder(&folder));
    let lake = Lake::open(&lake).unwrap();
    let topic = aged_topic(&data.join("topic"), hours, drafts)
        .await
        .unwrap();
    let quick = [("max_age", "200ms"), ("max_rows", "15")];
    land(&topic, &lake, "aged", &quick, LAND_TIMEOUT)
        .await
        .unwrap();
    address
}

/// Sends clicks with prices and without, an order of two lines, and one that becomes a dead letter.
pub(crate) async fn send(shop: &str, n: u64) {
    let clicks = json!([
        {"id": format!("view-{n}"), "visitor_id": format!("v{}", n % 7), "action": "view"},
        {"id": format!("buy-{n}"), "action": "buy", "price": n as f64 / 4.0, "quantity": n % 4,
         "items": [{"product_id": "tea"}, {"product_id": "mug", "price": 2.5}]},
        {"id": format!("dear-{n}"), "price": "dear"},
    ]);
    assert_eq!(post(shop, clicks.to_string()).await.0, 202);
}

/// Replays what the topic got until so many hours ago.
pub(crate) fn replay(place: &Place, name: &str, hours: i64) {
    let to = SystemClock.now().micros() - hours * Unit::Hour.micros();
    let to = Timestamp::from_micros(to).to_string();
    let from = "2020-01-01T00:00:00Z";
    let replay = ["replay", "--into", name, "--from", from, "--to", &to];
    place.must(&replay).unwrap();
}
