//! Access logs, imported and followed: each line is a row once, whatever happens meanwhile.

use std::fs;
use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};
use tests::clickweir::{Place, Process, data};

/// The facts of the data's own README about the web log, and some counted with awk. The line whose
/// quote is not closed is in none of them.
const WEBLOG: [(&str, &str); 15] = [
    ("count(*)", "9999"),
    ("count(DISTINCT ip)", "1753"),
    // 558 with the hyphen of those that sent none.
    ("count(DISTINCT user_agent)", "557"),
    ("count(*) FILTER (user_agent IS NULL)", "190"),
    ("count(*) FILTER (referrer IS NULL)", "4072"),
    ("count(*) FILTER (properties->>'method' = 'GET')", "9951"),
    ("count(*) FILTER (properties->>'method' = 'HEAD')", "42"),
    ("count(*) FILTER (properties->>'method' = 'POST')", "5"),
    ("count(*) FILTER (properties->>'method' = 'OPTIONS')", "1"),
    (
        "count(*) FILTER (CAST(properties->>'status' AS INT) = 404)",
        "213",
    ),
    ("count(*) FILTER (properties->>'bytes' IS NULL)", "669"),
    ("count(*) FILTER (action <> 'request')", "0"),
    // One asked for `//favicon.ico`, which as an address names a host and no path.
    ("count(*) FILTER (path IS NULL)", "1"),
    ("min(occurred_at)", "2015-05-17 10:05:00+00"),
    ("max(occurred_at)", "2015-05-20 21:05:59+00"),
];

#[tokio::test]
async fn a_web_log_is_in_the_lake_whole_and_once() {
    let Some(data) = data() else {
        eprintln!("skipped, no shared data: the web log is not imported");
        return;
    };
    let place = Place::new().unwrap().with("PRODUCER__IP", "full");
    let up = place.up(&[]).unwrap();
    let file = data.join("weblog/apache_logs.zst");
    // Its beginning shows the format.
    let import = ["import", file.to_str().unwrap()];
    let said = place.must(&import).unwrap();
    assert!(
        said.starts_with("10000 lines: 10000 sent now (9999 rows, 1 dead letter)"),
        "{said}"
    );
    assert!(
        said.contains("a quote is not closed") && said.contains("  line 8899: "),
        "{said}"
    );
    let verdict = place.settled().await.unwrap();
    assert_eq!(
        [&verdict["lost"], &verdict["doubled"]],
        [&json!(0), &json!(0)],
        "{verdict}"
    );
    for (what, count) in WEBLOG {
        let sql = format!("SELECT ({what})::VARCHAR FROM clicks");
        assert_eq!(place.ask(&sql).unwrap(), json!(count), "{what}");
    }
    let again = place.must(&import).unwrap();
    assert!(again.contains(" 0 sent now"), "{again}");
    assert!(up.process.end().unwrap());
}

#[tokio::test]
async fn logs_of_every_format_become_rows() {
    let place = Place::new().unwrap();
    let fields = r#"["timestamp", "c-ip", "cs-method", "cs-host", "cs-uri-stem", "sc-status"]"#;
    let place = place.with("IMPORT__REALTIME_FIELDS", fields);
    let up = place.up(&[]).unwrap();
    let file = |name: &str, text: &str| fs::write(place.path().join(name), text).unwrap();
    file(
        "standard",
        "#Version: 1.0\n#Fields: date time c-ip cs-method x-host-header cs-uri-stem sc-status \
         cs-uri-query x-edge-request-id\n2024-11-20\t10:00:00\t203.0.113.9\tGET\ta.example\t/x%2520y\t200\t\
         utm_source=mail\tid1\n2024-11-20\t10:00:01\t203.0.113.9\tGET\ta.example\t/pixel.gif\t200\t\
         action=buy&product_id=tea&price=9.5&visitor_id=ada\tid2\ntorn\n",
    );
    file(
        "realtime",
        "1732096800.123\t203.0.113.9\tGET\tb.example\t/q?a=b\t200\n1732096801\t-\tGET\tb.example\t/\t304\n",
    );
    file(
        "alb",
        "https 2024-11-20T10:00:00.186641Z app/lb/1 203.0.113.9:48160 10.0.0.66:9000 0.1 0.2 0.3 200 200 5 257 \
         \"GET https://c.example:443/z HTTP/1.1\" \"curl/7\" - - arn \"Root=1\" \"-\" \"-\" 1\n",
    );
    file(
        "s3",
        "79a5 bucket [20/Nov/2024:10:00:00 +0000] 203.0.113.9 - DD6C REST.GET.OBJECT k \"GET /k HTTP/1.1\" 200 - \
         266 346 70 10 \"-\" \"curl/7\" -\n",
    );
    let check = |name: &str, more: &[&str], begins: &str| {
        let said = place.must(&[&["import", name], more].concat()).unwrap();
        assert!(said.starts_with(begins), "{said}");
    };
    check(
        "standard",
        &[],
        "3 lines: 3 sent now (2 rows, 1 dead letter)",
    );
    check(
        "realtime",
        &["--format", "cloudfront-realtime"],
        "2 lines: 2 sent now (2 rows",
    );
    check("alb", &[], "1 line: 1 sent now (1 row");
    check("s3", &[], "1 line: 1 sent now (1 row");
    place.settled().await.unwrap();
    let all = "SELECT string_agg(concat_ws(' ', action, ip, url, path, product_id, price, visitor_id, \
        utm_source, properties->>'status'), ', ' ORDER BY occurred_at, url) FROM clicks";
    assert_eq!(
        place.ask(all).unwrap(),
        json!(
            "request 203.0.113.0 /k /k 200, request 203.0.113.0 https://a.example/x%20y?utm_source=mail /x%20y mail \
             200, request 203.0.113.0 https://b.example/q?a=b /q 200, request 203.0.113.0 \
             https://c.example/z /z 200, request https://b.example/ / 304, buy 203.0.113.0 tea 9.5 ada"
        )
    );
    // What no format shows is asked for, and a real-time log without its fields is refused.
    file("unknown", "a b c\n");
    let refused = |more: &[&str], expect: &str| {
        let output = place.run(more).unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(expect), "{said}");
    };
    refused(
        &["import", "unknown"],
        "say it with --format, as one of csv, ndjson, combined",
    );
    refused(
        &[
            "--set",
            "import.realtime_fields=[]",
            "import",
            "--check",
            "realtime",
            "--format",
            "cloudfront-realtime",
        ],
        "set import.realtime_fields",
    );
    assert!(up.process.end().unwrap());
}

/// The line of a web server's log that has this number.
fn line(number: u32) -> String {
    format!(
        "203.0.113.9 - - [20/Nov/2024:10:00:00 +0000] \"GET /{number} HTTP/1.1\" 200 5 \"-\" \"curl/7\"\n"
    )
}

/// Writes lines as a web server does.
fn write(log: &Path, numbers: std::ops::Range<u32>) {
    let mut file = fs::File::options()
        .create(true)
        .append(true)
        .open(log)
        .unwrap();
    for number in numbers {
        file.write_all(line(number).as_bytes()).unwrap();
    }
}

/// Waits until the log is known to its follower.
async fn begun(place: &Place) {
    let folder = place.path().join("data/imports");
    let is_known = || {
        let files = fs::read_dir(&folder).into_iter().flatten().flatten();
        let paths = files.map(|file| file.path());
        // Not one that is being written under another name.
        let stored = paths.filter(|path| path.extension().is_some_and(|end| end == "json"));
        let mut texts = stored.filter_map(|path| fs::read_to_string(path).ok());
        texts.any(|text| text.contains("\"position\""))
    };
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
    while !is_known() {
        assert!(
            tokio::time::Instant::now() < deadline,
            "the log is followed"
        );
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

/// Waits until the lake has the lines up to `end`, each once.
async fn holds(place: &Place, end: u32) {
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
    let counts = "SELECT concat_ws(' ', count(*), count(DISTINCT path), count(DISTINCT event_id)) FROM clicks";
    loop {
        let verdict = place.settled().await.unwrap();
        let found = place.ask(counts).unwrap();
        if found == json!(format!("{end} {end} {end}")) {
            assert_eq!(
                [&verdict["lost"], &verdict["doubled"]],
                [&json!(0), &json!(0)]
            );
            return;
        }
        let rows = found
            .as_str()
            .and_then(|text| text.split(' ').next()?.parse().ok());
        assert!(rows.is_some_and(|rows: u32| rows <= end), "{found}");
        assert!(tokio::time::Instant::now() < deadline, "{found}, not {end}");
    }
}

#[tokio::test]
async fn a_log_is_followed_through_kills_and_rotations_and_each_line_is_a_row_once() {
    let place = Place::new().unwrap();
    let log = place.path().join("access.log");
    let config = "[[follow]]\nfile = \"access.log\"\nformat = \"combined\"\n";
    fs::write(place.path().join("clickweir.toml"), config).unwrap();
    let mut up = place.up(&[]).unwrap();
    write(&log, 0..2_000);
    begun(&place).await;
    // Killed while it reads, and rotated while it is down.
    up.process.kill().unwrap();
    fs::rename(&log, place.path().join("access.log.1")).unwrap();
    write(&place.path().join("access.log.1"), 2_000..2_500);
    write(&log, 2_500..4_000);
    up = place.up(&[]).unwrap();
    holds(&place, 4_000).await;
    // Emptied after a copy, while it is read.
    write(&log, 4_000..5_000);
    holds(&place, 5_000).await;
    fs::copy(&log, place.path().join("access.log.2")).unwrap();
    fs::File::create(&log).unwrap();
    write(&log, 5_000..7_000);
    up.process.kill().unwrap();
    write(&log, 7_000..8_000);
    up = place.up(&[]).unwrap();
    holds(&place, 8_000).await;
    // Stopped in order, half a line, and the other half.
    assert!(up.process.end().unwrap());
    let last = line(8_000);
    let (one, other) = last.split_at(last.len() / 2);
    let append = |text: &str| {
        let mut file = fs::File::options().append(true).open(&log).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    };
    append(one);
    let up = place.up(&[]).unwrap();
    holds(&place, 8_000).await;
    append(other);
    holds(&place, 8_001).await;
    assert!(up.process.end().unwrap());
}

#[tokio::test]
async fn the_command_follows_logs_beside_the_owner_and_goes_on_after_a_kill() {
    let place = Place::new().unwrap();
    let up = place.up(&[]).unwrap();
    let log = place.path().join("access.log");
    let follow = ["follow", "access.log", "--format", "combined"];
    let mut follower = Process::start(&place, &follow).unwrap();
    write(&log, 0..500);
    holds(&place, 500).await;
    follower.kill().unwrap();
    write(&log, 500..700);
    // The format is shown by now.
    let follower = Process::start(&place, &follow[..2]).unwrap();
    holds(&place, 700).await;
    assert!(follower.end().unwrap());
    let refused = place.run(&["follow", "unknown.log"]).unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && said.contains("--format"),
        "{said}"
    );
    let rows: Value = place.ask("SELECT count(*) FROM clicks").unwrap();
    assert_eq!(rows, json!(700));
    assert!(up.process.end().unwrap());
}
