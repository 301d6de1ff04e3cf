//! What the patterns are measured on: attacks and ordinary traffic that others wrote.

use std::io::Read;
use std::path::{Path, PathBuf};

use actix_web::http::Method;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::testing::shared_data;

/// A request that is not sent.
pub(super) struct PlannedRequest {
    pub(super) name: String,
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl PlannedRequest {
    fn new(name: String, method: &str, url: &str, body: Vec<u8>) -> Self {
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        Self {
            name,
            method: method.trim().parse().unwrap_or(Method::GET),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: HeaderMap::new(),
            body,
        }
    }

    /// A body of clicks.
    pub(super) fn body(name: &str, body: String) -> Self {
        Self::new(name.into(), "POST", "/v1/events", body.into_bytes())
    }

    /// Adds a header, unless HTTP knows none like it.
    fn with(mut self, name: &str, value: &str) -> Self {
        if let (Ok(name), Ok(value)) = (
            name.parse::<HeaderName>(),
            HeaderValue::from_bytes(value.as_bytes()),
        ) {
            self.headers.append(name, value);
        }
        self
    }
}

/// The files below a part of the shared data, in the order of their names; `None` if it is absent.
fn files(part: &str) -> Option<Vec<PathBuf>> {
    let folder = shared_data(part)?;
    let entries = std::fs::read_dir(folder).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.file_name().is_some_and(|name| name != "LICENSE"));
    paths.sort();
    Some(paths)
}

/// The lines of a list of attacks.
pub(super) fn lines(list: &str) -> Option<Vec<String>> {
    let mut lines = Vec::new();
    for path in files(&format!("badinput/{list}"))? {
        let text = String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
        let kept = text.lines().filter(|line| !line.trim().is_empty());
        lines.extend(kept.map(str::to_owned));
    }
    Some(lines)
}

/// A line as the text of a click in a body, and as a parameter of the pixel.
pub(super) fn carried(line: &str) -> [PlannedRequest; 2] {
    let click = json!({"visitor_id": "v1", "action": "search", "query": line});
    let encoded: String =
        percent_encoding::utf8_percent_encode(line, percent_encoding::NON_ALPHANUMERIC).to_string();
    let url = format!("/pixel.gif?visitor_id=v1&action=search&q={encoded}");
    [
        PlannedRequest::new(
            line.into(),
            "POST",
            "/v1/events",
            click.to_string().into_bytes(),
        ),
        PlannedRequest::new(line.into(), "GET", &url, Vec::new()),
    ]
}

#[derive(Deserialize)]
struct CrsFile {
    rule_id: u32,
    tests: Vec<CrsTest>,
}

#[derive(Deserialize)]
struct CrsTest {
    test_id: u32,
    stages: Vec<CrsStage>,
}

#[derive(Deserialize)]
struct CrsStage {
    input: CrsInput,
    output: CrsOutput,
}

#[derive(Deserialize)]
struct CrsInput {
    method: Option<String>,
    uri: Option<String>,
    headers: Option<Map<String, Value>>,
    data: Option<Value>,
}

#[derive(Deserialize)]
struct CrsOutput {
    log: Option<CrsLog>,
}

#[derive(Deserialize)]
struct CrsLog {
    #[serde(default)]
    expect_ids: Vec<u32>,
    no_expect_ids: Option<Vec<u32>>,
}

/// The requests of the rule set's own tests whose rules begin with `family`: those that are
/// expected to be found, and those that are expected not to be.
pub(super) fn crs(family: u32) -> Option<(Vec<PlannedRequest>, Vec<PlannedRequest>)> {
    let (mut attacks, mut others) = (Vec::new(), Vec::new());
    for path in files("badinput/crs_regression")? {
        if !path.to_string_lossy().contains(&format!("__{family}")) {
            continue;
        }
        let file: CrsFile =
            serde_saphyr::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        for test in file.tests {
            for stage in test.stages {
                let name = format!("{}-{}", file.rule_id, test.test_id);
                let log = stage.output.log;
                let request = planned(name, stage.input);
                match log {
                    Some(log) if log.expect_ids.iter().any(|id| id / 1_000 == family) => {
                        attacks.push(request);
                    }
                    Some(log) if log.no_expect_ids.is_some() => others.push(request),
                    _ => {}
                }
            }
        }
    }
    Some((attacks, others))
}

fn planned(name: String, input: CrsInput) -> PlannedRequest {
    let text = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    let body = input.data.as_ref().map_or_else(String::new, text);
    let method = input.method.unwrap_or_else(|| "GET".into());
    let url = input.uri.unwrap_or_else(|| "/".into());
    let headers = input.headers.unwrap_or_default();
    let request = PlannedRequest::new(name, &method, &url, body.into_bytes());
    headers.iter().fold(request, |request, (name, value)| {
        request.with(name, &text(value))
    })
}

fn unpacked(part: &str) -> Option<String> {
    let file = std::fs::File::open(shared_data(part)?).unwrap();
    let mut bytes = Vec::new();
    zstd::Decoder::new(file)
        .unwrap()
        .read_to_end(&mut bytes)
        .unwrap();
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

const BROWSER: &str = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36";

/// Every `step`th row of a shop's sales, each as Segment's client sends it: a batch of one event.
pub(super) fn sales(step: usize) -> Option<Vec<PlannedRequest>> {
    let text = unpacked("online_retail/online_retail.csv.zst")?;
    let mut rows = text.lines();
    let names = cells(rows.next().unwrap());
    let row = |(at, row): (usize, &str)| {
        let cells = cells(row);
        let fields = names
            .iter()
            .cloned()
            .zip(cells.into_iter().map(Value::String));
        let mut properties: Map<String, Value> = fields.collect();
        for number in ["Quantity", "UnitPrice"] {
            let text = properties[number].as_str().unwrap();
            properties[number] = serde_json::from_str(text).unwrap_or(Value::Null);
        }
        let body = json!({
            "batch": [{
                "type": "track", "event": "Order Completed", "messageId": format!("node-next-{at}"),
                "userId": properties["CustomerID"], "timestamp": properties["InvoiceDate"],
                "context": {
                    "library": {"name": "@segment/analytics-node", "version": "3.1.0"},
                    "page": {"url": "https://shop.example/order?id=1&step=done", "referrer": "https://shop.example/basket"},
                    "userAgent": BROWSER,
                },
                "properties": properties,
            }],
            "writeKey": "shop",
            "sentAt": "2026-11-22T21:32:03.043Z",
        });
        PlannedRequest::new(
            row.into(),
            "POST",
            "/v1/batch",
            body.to_string().into_bytes(),
        )
        .with("user-agent", BROWSER)
        .with("content-type", "application/json")
    };
    Some(rows.enumerate().step_by(step).map(row).collect())
}

/// The cells of a line of CSV whose quotes hold commas and quotes, and no line's end.
fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut quoted) = (vec![String::new()], false);
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        let cell = cells.last_mut().unwrap();
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                cell.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            _ => cell.push(letter),
        }
    }
    cells
}

/// The requests of a web log, with their referrers and user agents.
pub(super) fn visits() -> Option<Vec<PlannedRequest>> {
    let text = unpacked("weblog/apache_logs.zst")?;
    let visit = |line: &str| {
        let parts: Vec<_> = line.splitn(3, '"').collect();
        let mut request = parts.get(1)?.split(' ');
        let (method, url) = (request.next()?, request.next()?);
        let rest: Vec<_> = parts.get(2)?.split('"').collect();
        let request = PlannedRequest::new(line.into(), method, url, Vec::new());
        let request = request.with("referer", rest.get(1).unwrap_or(&""));
        Some(request.with("user-agent", rest.get(3).unwrap_or(&"")))
    };
    Some(text.lines().filter_map(visit).collect())
}

/// What real client libraries sent.
pub(super) fn clients() -> Option<Vec<PlannedRequest>> {
    let mut requests = Vec::new();
    for path in files("clients")? {
        requests.extend(captured(&path));
    }
    Some(requests)
}

fn captured(path: &Path) -> Vec<PlannedRequest> {
    let text = std::fs::read_to_string(path).unwrap();
    let request = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        let field = |short: &str, long: &str| {
            line.get(short)
                .or(line.get(long))
                .cloned()
                .unwrap_or_default()
        };
        let body = field("b", "body");
        let body = body
            .as_str()
            .map_or_else(|| body.to_string(), str::to_owned);
        let (method, url) = (field("m", "method"), field("p", "path"));
        let url = url.as_str().unwrap().to_owned();
        let request = PlannedRequest::new(
            url.clone(),
            method.as_str().unwrap(),
            &url,
            body.into_bytes(),
        );
        let headers = field("h", "headers");
        let headers = headers.as_object().unwrap().iter();
        headers.fold(request, |request, (name, value)| {
            request.with(name, value.as_str().unwrap_or_default())
        })
    };
    text.lines().map(request).collect()
}
