//! Real files with known counts: the lake must hold exactly those.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tests::clickweir::{Place, Process, data, make_pipe};
use tokio::time::Instant;

fn map(name: &str) -> String {
    let maps = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../producer/maps"));
    maps.join(name).to_str().unwrap().to_owned()
}

/// The facts of the data's own README about online_retail.
const RETAIL: [(&str, &str); 9] = [
    ("count(*)", "541909"),
    ("count(DISTINCT order_id)", "25900"),
    ("count(DISTINCT user_id)", "4372"),
    ("count(DISTINCT country)", "38"),
    ("count(DISTINCT product_id)", "4070"),
    ("count(*) FILTER (country = 'United Kingdom')", "495478"),
    ("count(*) FILTER (action = 'cancel')", "9288"),
    ("count(*) FILTER (quantity < 0)", "10624"),
    ("count(*) FILTER (price <= 0)", "2517"),
];

/// The counts of a lake that must hold online_retail completely and once.
pub(crate) async fn holds_online_retail(place: &Place) {
    let verdict = place.settled().await.unwrap();
    assert_eq!(
        [&verdict["lost"], &verdict["doubled"]],
        [&json!(0), &json!(0)],
        "{verdict}"
    );
    for (what, count) in RETAIL {
        let found = place
            .ask(&format!("SELECT ({what})::VARCHAR FROM clicks"))
            .unwrap();
        assert_eq!(found, json!(count), "{what}");
    }
    // Rows that repeat apart from their identity: the twins are real sales.
    let twins = "SELECT (count(*) - count(DISTINCT (order_id, product_id, product_name, quantity,
        occurred_at, price, user_id, country)))::VARCHAR FROM clicks";
    assert_eq!(place.ask(twins).unwrap(), json!("5268"));
}

/// Imports online_retail, three times: the second time lands nothing and says so, and so
/// does the third, without the kept position.
pub(crate) async fn imports_online_retail(place: &Place) {
    let Some(data) = data() else {
        eprintln!("skipped, no shared data: online_retail is not imported");
        return;
    };
    let file = data.join("online_retail/online_retail.csv.zst");
    let (file, map) = (file.to_str().unwrap(), map("online_retail.toml"));
    let import = ["import", file, "--format", "csv", "--map", &map];
    let since = Instant::now();
    let (said, cpu) = Process::start(place, &import).unwrap().done().unwrap();
    assert!(said.contains("541909 sent now"), "{said}");
    let imported = since.elapsed();
    place.settled().await.unwrap();
    let arrived = since.elapsed();
    holds_online_retail(place).await;
    println!(
        "imported in {imported:?}, {cpu} CPU-seconds; in the lake after {arrived:?}, counted \
         after {:?}",
        since.elapsed()
    );
    let again = place.must(&import).unwrap();
    assert!(
        again.contains(" 0 sent now") && again.contains("541909 were there already"),
        "{again}"
    );
    assert_eq!(place.settled().await.unwrap()["rows"], 541_909);
    let (asked, state) = (Instant::now(), place.path().join("data/imports"));
    // The state is gone, as on another machine: the lake is asked for every line.
    std::fs::remove_dir_all(state).unwrap();
    assert!(place.must(&import).unwrap().contains(" 0 sent now"));
    println!("asked for in {:?}", asked.elapsed());
    assert_eq!(place.settled().await.unwrap()["rows"], 541_909);
    replays_online_retail(place, arrived);
}

/// Replays it all, and prints how fast that was beside the live import.
fn replays_online_retail(place: &Place, arrived: Duration) {
    let since = Instant::now();
    let all = [
        "--from",
        "2020-01-01T00:00:00Z",
        "--to",
        "2099-01-01T00:00:00Z",
    ];
    let replay = ["replay", "--into", "again"];
    place.must(&[&replay[..], &all].concat()).unwrap();
    let took = since.elapsed();
    let rate = |took: Duration| 541_909.0 / took.as_secs_f64();
    println!(
        "replayed in {took:?}, {:.0} clicks a second; live, from the file to the lake, {:.0}",
        rate(took),
        rate(arrived)
    );
    place.must(&["diff", "again"]).unwrap();
}

/// The dashboard over a year of which 2,938 hours have clicks, by the facts of the data's README.
async fn shows_online_retail(dashboard: &str) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let get = async |path: &str| {
        let answer = client
            .get(format!("{dashboard}{path}"))
            .send()
            .await
            .unwrap();
        assert!(answer.status().is_success(), "{path}: {answer:?}");
        answer.text().await.unwrap()
    };
    for (step, busy, most) in [
        ("hour", 2_938, None),
        ("day", 305, Some(5_331)),
        ("month", 13, None),
    ] {
        let series = get(&format!("/api/series?range=all&step={step}")).await;
        let series: Value = serde_json::from_str(&series).unwrap();
        let steps = series.as_array().unwrap().iter();
        let counts: Vec<f64> = steps.map(|step| step["clicks"].as_f64().unwrap()).collect();
        assert_eq!(counts.iter().sum::<f64>() as u64, 541_909, "by {step}");
        assert_eq!(
            counts.iter().filter(|count| **count > 0.0).count(),
            busy,
            "by {step}"
        );
        let greatest = counts.iter().copied().fold(0.0, f64::max) as u64;
        assert!(
            most.is_none_or(|most| most == greatest),
            "by {step}: {greatest}"
        );
    }
    let countries = get("/api/breakdown?by=country&range=all&n=5").await;
    let countries: Value = serde_json::from_str(&countries).unwrap();
    let slices = countries["slices"].as_array().unwrap();
    let first = |slice: &Value| json!([slice["value"], slice["clicks"]]);
    assert_eq!(
        slices.iter().map(first).collect::<Vec<_>>(),
        [
            json!(["United Kingdom", 495_478]),
            json!(["Germany", 9_495]),
            json!(["France", 8_557]),
            json!(["EIRE", 8_196]),
            json!(["Spain", 2_533]),
        ]
    );
    assert_eq!(countries["values"], 38);
    let products = get("/api/breakdown?by=product&range=all&n=1").await;
    let products: Value = serde_json::from_str(&products).unwrap();
    assert_eq!(products["values"], 4_070);
    let page = get("/?range=all").await;
    assert!(
        page.contains("541,909") && page.contains("United Kingdom"),
        "{page}"
    );
    let funnel = get("/funnel?range=all&then=buy&then=cancel").await;
    assert!(funnel.contains("Visitors"), "{funnel}");
}

#[tokio::test]
async fn online_retail_is_in_the_lake_whole_and_once() {
    let place = Place::new().unwrap().with("SINK__MAX_AGE", "2s");
    let up = place.up(&[]).unwrap();
    imports_online_retail(&place).await;
    if data().is_some() {
        shows_online_retail(&up.dashboard).await;
    }
    println!("up: {} CPU-seconds", up.process.cpu().unwrap());
    assert!(up.process.end().unwrap());
}

#[tokio::test]
async fn open_bandit_comes_by_another_mapping_and_no_change_of_code() {
    let Some(data) = data() else {
        eprintln!("skipped, no shared data: open_bandit is not imported");
        return;
    };
    let place = Place::new().unwrap();
    let up = place.up(&[]).unwrap();
    for name in ["all", "men", "women"] {
        let file = data.join(format!("open_bandit/random-{name}.csv.zst"));
        let map = map("open_bandit.toml");
        let file = file.to_str().unwrap();
        place
            .must(&["import", file, "--format", "csv", "--map", &map])
            .unwrap();
    }
    place.settled().await.unwrap();
    assert_eq!(
        place.ask("SELECT count(*) FROM clicks").unwrap(),
        json!(30_000)
    );
    let clicks = "SELECT count(*) FROM clicks WHERE action = 'click'";
    assert_eq!(place.ask(clicks).unwrap(), json!(130));
    assert!(up.process.end().unwrap());
}

/// A place with files of its own, and what `import` says of them.
struct Importer {
    place: Place,
}

impl Importer {
    fn new() -> Self {
        Self {
            place: Place::new().unwrap(),
        }
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.place.path().join(name), bytes).unwrap();
    }

    /// Imports a file. Returns whether the exit code is 0, and all that was printed.
    fn import(&self, name: &str, format: &str, more: &[&str]) -> (bool, String) {
        let import = ["import", name, "--format", format];
        let output = self.place.run(&[&import[..], more].concat()).unwrap();
        let said = [output.stdout, output.stderr].concat();
        (
            output.status.success(),
            String::from_utf8_lossy(&said).into_owned(),
        )
    }

    /// The same, where the first is expected and the second begins as expected.
    fn check(&self, (name, format): (&str, &str), more: &[&str], is_well: bool, begins: &str) {
        let (was_well, said) = self.import(name, format, more);
        assert!(was_well == is_well && said.starts_with(begins), "{said}");
    }

    /// The products in the lake, in order, each with what `sql` says of it.
    async fn rows(&self, sql: &str) -> Value {
        self.place.settled().await.unwrap();
        let sql = format!("SELECT string_agg({sql}, ' ' ORDER BY {sql}) FROM clicks");
        self.place.ask(&sql).unwrap()
    }
}

const DAY: &str = "[columns.product_id]\nfrom = \"sku\"\n[columns.occurred_at]\nfrom = \"day\"\ntype = \"time\"\n";

#[tokio::test]
async fn b94_b96_b100_b104_files_of_others_become_rows_or_are_refused() {
    let importer = Importer::new();
    let up = importer.place.up(&[]).unwrap();
    importer.file("dates.csv", "sku,day\nd1,2024-11-20\nd2,2024-11-21\n");
    importer.file("dates.toml", format!("{DAY}format = \"%Y-%m-%d\"\n"));
    importer.file("hours.csv", "sku,day\nh1,2024-11-20 02-PM\n");
    importer.file("hours.toml", format!("{DAY}format = \"%Y-%m-%d %I-%p\"\n"));
    importer.file("berlin.csv", "sku,day\nb1,2024-07-15 12:00\n");
    let zone = "format = \"%Y-%m-%d %H:%M\"\nzone = \"Europe/Berlin\"\n";
    importer.file("berlin.toml", format!("{DAY}{zone}"));
    let sent = |lines: u64| {
        let end = if lines == 1 { "" } else { "s" };
        format!("{lines} line{end}: {lines} sent now")
    };
    let map = ["--map", "dates.toml"];
    let check = ["--map", "dates.toml", "--check"];
    importer.check(
        ("dates.csv", "csv"),
        &check,
        true,
        "2 lines: 2 rows and 0 dead letters",
    );
    importer.check(("dates.csv", "csv"), &map, true, &sent(2));
    for name in ["hours", "berlin"] {
        let (file, map) = (format!("{name}.csv"), format!("{name}.toml"));
        importer.check((&file, "csv"), &["--map", &map], true, &sent(1));
    }
    let times = importer
        .rows("product_id || strftime(occurred_at, '=%d.%H')")
        .await;
    assert_eq!(times, json!("b1=15.10 d1=20.00 d2=21.00 h1=20.14"));

    let lines = "{\"product_id\":\"m1\"}\n{\"product_id\":\"m2\"}\n";
    importer.file("mark.ndjson", format!("\u{feff}{lines}"));
    let wide: Vec<u8> = lines.encode_utf16().flat_map(u16::to_le_bytes).collect();
    importer.file("wide.ndjson", [&b"\xff\xfe"[..], &wide].concat());
    importer.file(
        "array.json",
        "[\n  {\n    \"product_id\": \"a1\"\n  },\n  {\n    \"product_id\": \"a2\"\n  }\n]\n",
    );
    importer.check(("mark.ndjson", "ndjson"), &[], true, &sent(2));
    importer.check(("wide.ndjson", "ndjson"), &[], true, &sent(2));
    importer.check(("array.json", "json"), &[], true, "2 items: 2 sent now");
    importer.check(("array.json", "json"), &[], true, "2 items: 0 sent now");
    let products = importer.rows("product_id").await;
    assert_eq!(products, json!("a1 a2 b1 d1 d2 h1 m1 m1 m2 m2"));

    // A mapping for another file, and one that means nothing.
    importer.file(
        "other.ndjson",
        "{\"sku\":\"j1\",\"ts\":\"2024-11-20T10:00:00Z\"}\n",
    );
    importer.file("none.toml", "[columns.nosuch]\nfrom = \"sku\"\n");
    importer.file("format.toml", format!("{DAY}format = \"%Q%Q\"\n"));
    let refused = |map: &str, expect: &str| {
        let (was_well, said) = importer.import("other.ndjson", "ndjson", &["--map", map]);
        assert!(!was_well && said.contains(expect), "{said}");
    };
    refused(
        "dates.toml",
        "the column \"day\"; the beginning of the file has sku, ts",
    );
    refused(
        "none.toml",
        "the field \"nosuch\", which a click does not have",
    );
    refused("format.toml", "is not one of chrono's");
    assert_eq!(importer.place.settled().await.unwrap()["rows"], 10);
    assert!(up.process.end().unwrap());
}

#[tokio::test]
async fn a_line_of_several_events_is_as_many_rows_each_once() {
    let importer = Importer::new();
    let up = importer.place.up(&[]).unwrap();
    let line = r#"{"sku":"visit","hits":[{"day":"20.11.2024"},{"day":"2024-11-21","sku":"tea"},{"day":"22.11.2024"}]}"#;
    importer.file("visits.ndjson", format!("{line}\n{{\"sku\":\"alone\"}}\n"));
    let map = |format: &str| format!("explode = \"hits\"\n{DAY}format = \"{format}\"\n");
    importer.file("wrong.toml", map("%Y-%m-%d"));
    importer.file("right.toml", map("%d.%m.%Y"));
    let visits = ("visits.ndjson", "ndjson");
    let sent = "2 lines of 4 records: 4 sent now (2 rows, 2 dead letters)";
    importer.check(visits, &["--map", "wrong.toml"], true, sent);
    let said = "product_id || coalesce('/' || item, '') || strftime(occurred_at, '=%d')";
    let tea = "FROM clicks WHERE item IS NOT NULL";
    importer.place.settled().await.unwrap();
    let ask = |sql: &str| importer.place.ask(sql).unwrap();
    assert_eq!(ask(&format!("SELECT {said} {tea}")), json!("tea/1=21"));
    let items = "SELECT string_agg(item::VARCHAR, ' ' ORDER BY item) FROM dead_letters";
    assert_eq!(ask(items), json!("0 2"));
    let mended =
        "2 lines of 4 records: 2 sent now (2 rows, 0 dead letters), 2 were there already (2 rows";
    importer.check(visits, &["--map", "right.toml"], true, mended);
    let again =
        "2 lines of 4 records: 0 sent now (0 rows, 0 dead letters), 4 were there already (4 rows";
    importer.check(visits, &["--map", "right.toml"], true, again);
    importer.place.settled().await.unwrap();
    let all = ask(&format!(
        "SELECT string_agg({said}, ' ' ORDER BY item) {tea}"
    ));
    assert_eq!(all, json!("visit/0=20 tea/1=21 visit/2=22"));
    assert!(up.process.end().unwrap());
}

#[tokio::test]
async fn b98_a_dead_letter_becomes_a_row_with_a_mended_mapping_once() {
    let importer = Importer::new();
    let up = importer.place.up(&[]).unwrap();
    importer.file(
        "fix.csv",
        "sku,day\nfix1,2024-11-20 10:00\nfix2,2024-11-20 10:01\n",
    );
    importer.file("wrong.toml", format!("{DAY}format = \"%d/%m/%Y %H:%M\"\n"));
    importer.file("right.toml", format!("{DAY}format = \"%Y-%m-%d %H:%M\"\n"));
    let (fix, wrong, right) = (
        ("fix.csv", "csv"),
        &["--map", "wrong.toml"][..],
        &["--map", "right.toml"][..],
    );
    let (was_well, said) = importer.import(fix.0, fix.1, wrong);
    let told = [
        "2 lines: 2 sent now (0 rows, 2 dead letters), 0 were there already",
        "2 dead letters (bad_time): occurred_at: not a time of the format \"%d/%m/%Y %H:%M\"",
        "  line 2: 2024-11-20 10:00",
        "no line became a row",
    ];
    assert!(
        !was_well && told.iter().all(|line| said.contains(line)),
        "{said}"
    );
    importer.place.settled().await.unwrap();
    let there = "2 lines: 0 sent now (0 rows, 0 dead letters), 2 were there already (0 rows, 2 dead letters)";
    importer.check(fix, wrong, false, there);
    importer.check(
        fix,
        right,
        true,
        "2 lines: 2 sent now (2 rows, 0 dead letters)",
    );
    // At once, while they are on their way, and when they are in the lake.
    let there = "2 lines: 0 sent now (0 rows, 0 dead letters), 2 were there already (2 rows";
    for map in [right, wrong] {
        importer.check(fix, map, true, there);
    }
    assert_eq!(importer.rows("product_id").await, json!("fix1 fix2"));
    std::fs::remove_dir_all(importer.place.path().join("data/imports")).unwrap();
    for map in [wrong, right] {
        importer.check(fix, map, true, there);
    }
    let verdict = importer.place.settled().await.unwrap();
    assert_eq!(verdict["rows"], 2);
    let letters = importer.place.ask("SELECT count(*) FROM dead_letters");
    assert_eq!(letters.unwrap(), json!(2));
    assert!(up.process.end().unwrap());
}

#[tokio::test]
async fn an_import_that_is_killed_lands_each_line_once_also_with_a_mended_mapping() {
    let importer = Importer::new();
    let mut up = importer.place.up(&[]).unwrap();
    let day = |n: u64| {
        if n.is_multiple_of(3) {
            "20/11/2024"
        } else {
            "2024-11-20"
        }
    };
    let lines: String = (0..40_000).map(|n| format!("p{n},{}\n", day(n))).collect();
    importer.file("many.csv", format!("sku,day\n{lines}"));
    importer.file("wrong.toml", format!("{DAY}format = \"%d/%m/%Y\"\n"));
    importer.file("right.toml", format!("{DAY}format = \"%Y-%m-%d\"\n"));
    for map in ["wrong.toml", "right.toml"] {
        let import = ["import", "many.csv", "--format", "csv", "--map", map];
        let before = importer.place.audit().unwrap()["acknowledged"].as_u64();
        let running = Process::start(&importer.place, &import).unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        let grown = |verdict: &Value| verdict["acknowledged"].as_u64() > before;
        while !grown(&importer.place.audit().unwrap()) {
            assert!(Instant::now() < deadline, "nothing arrives");
        }
        up.process.kill().unwrap();
        drop(running);
        up = importer.place.up(&[]).unwrap();
    }
    for map in ["wrong.toml", "right.toml", "wrong.toml"] {
        let (was_well, said) = importer.import("many.csv", "csv", &["--map", map]);
        assert!(was_well, "{said}");
    }
    let verdict = importer.place.settled().await.unwrap();
    assert_eq!(
        [&verdict["lost"], &verdict["doubled"]],
        [&json!(0), &json!(0)],
        "{verdict}"
    );
    let count = "SELECT count(*) || ' ' || count(DISTINCT product_id) FROM clicks";
    assert_eq!(importer.place.ask(count).unwrap(), json!("40000 40000"));
    importer.place.must(&["audit", "--deep"]).unwrap();
    assert!(up.process.end().unwrap());
}

#[tokio::test]
async fn attack_11_and_17_no_line_stops_an_import_and_a_pipe_is_read() {
    let importer = Importer::new();
    let up = importer.place.up(&[]).unwrap();
    let ones = "\u{1}".repeat(200_000);
    importer.file(
        "ones.ndjson",
        format!("{ones}\n{{\"product_id\":\"n1\"}}\n"),
    );
    importer.file(
        "ones.csv",
        format!("sku,day\n{ones},2024-11-20\nc1,2024-11-20\n"),
    );
    importer.file("day.toml", format!("{DAY}format = \"%Y-%m-%d\"\n"));
    let one = "2 lines: 2 sent now (1 row, 1 dead letter)";
    importer.check(("ones.ndjson", "ndjson"), &[], true, one);
    importer.check(("ones.csv", "csv"), &["--map", "day.toml"], true, one);
    let pipe = importer.place.path().join("pipe");
    make_pipe(&pipe);
    let mut writer = Command::new("sh")
        .args(["-c", "echo '{\"product_id\":\"f1\"}' >pipe"])
        .current_dir(importer.place.path())
        .spawn()
        .unwrap();
    importer.check(("pipe", "ndjson"), &[], true, "1 line: 1 sent now (1 row");
    assert!(writer.wait().unwrap().success());
    // A mapping may come by a pipe too.
    let typed = format!("echo '{DAY}format = \"%Y-%m-%d\"' >pipe");
    let mut writer = Command::new("sh")
        .args(["-c", &typed])
        .current_dir(importer.place.path())
        .spawn()
        .unwrap();
    let again = "2 lines: 0 sent now";
    importer.check(("ones.csv", "csv"), &["--map", "pipe"], true, again);
    assert!(writer.wait().unwrap().success());
    importer.file("book.xlsx", "PK\u{3}\u{4}rest");
    let (was_well, said) = importer.import("book.xlsx", "ndjson", &[]);
    assert!(!was_well && said.contains("save it as CSV"), "{said}");
    let (was_well, said) = importer.import(".", "ndjson", &[]);
    assert!(!was_well && said.contains("is a folder"), "{said}");
    assert_eq!(importer.rows("product_id").await, json!("c1 f1 n1"));
    let sizes = "SELECT count(*) || ' ' || (min(octet_length(raw)) > 1000000) FROM dead_letters";
    assert_eq!(importer.place.ask(sizes).unwrap(), json!("2 true"));
    assert!(up.process.end().unwrap());
}
