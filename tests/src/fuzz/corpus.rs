//! What the inputs are made of: requests that published libraries sent, bodies that are known to be
//! bad, and a sample of each format.

use std::path::Path;

use serde_json::Value;

/// A request without its length.
#[derive(Debug, Clone)]
pub(super) struct SampleRequest {
    /// Its line and its headers, each with its end.
    pub(super) head: Vec<u8>,
    pub(super) body: Vec<u8>,
}

/// The largest file of the shared data that is taken.
const MAX_FILE_BYTES: usize = 16 << 10;

/// A request of each kind of client: method and path, headers, body.
const REQUESTS: [(&str, &str, &str); 20] = [
    (
        "POST /v1/events",
        "",
        r#"[{"id":"a","action":"view","visitor_id":"v","occurred_at":"2026-11-22T21:32:03Z","price":1.50,"url":"https://u:p@shop.example/a?utm_source=x&token=t#f"},{"id":"b","action":"buy","items":[{"product_id":"t","quantity":2},{"product_id":"u"}],"consent":"denied","retry":true}]"#,
    ),
    (
        "POST /v1/events",
        "Content-Type: application/x-ndjson\r\n",
        "{\"action\":\"view\"}\n{\"action\":\"buy\",\"properties\":{\"a\":[1e999,\"\\ud83d\\ude00\"]}}\n",
    ),
    (
        "GET /pixel.gif?action=view&visitor_id=v&price=1.5&url=https%3A%2F%2Fx%2F%3Fa%3Db&cookieless=true",
        "",
        "",
    ),
    (
        "POST /v1/track",
        "Authorization: Basic d2s6\r\n",
        r#"{"messageId":"m","type":"track","event":"Order Completed","anonymousId":"a","timestamp":"2026-11-22T21:32:03.043Z","properties":{"products":[{"product_id":"p","price":1}]},"context":{"page":{"url":"https://x/"},"consent":{"categoryPreferences":{"Analytics":false}}},"writeKey":"w"}"#,
    ),
    (
        "POST /v1/batch",
        "Content-Type: application/x-www-form-urlencoded\r\n",
        r#"{"batch":[{"messageId":"m","type":"page","userId":"u"}],"context":{"ip":"1.2.3.4"},"sentAt":"2026-11-22T21:32:03Z"}"#,
    ),
    (
        "POST /com.snowplowanalytics.snowplow/tp2",
        "Cookie: sp=00112233-4455-6677-8899-aabbccddeeff\r\n",
        r#"{"schema":"iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4","data":[{"e":"pv","eid":"i","duid":"d","dtm":"1795383123043","url":"https://x/","co":"{}","cx":"e30"}]}"#,
    ),
    (
        "GET /i?e=se&eid=i&se_ca=c&se_va=1.5&dtm=1795383123043&duid=d",
        "SP-Anonymous: *\r\n",
        "",
    ),
    (
        "POST /batch/",
        "",
        r#"{"api_key":"phc_x","batch":[{"event":"$pageview","uuid":"i","distinct_id":"d","timestamp":"2026-11-22T21:32:03Z","properties":{"$current_url":"https://x/","$cookieless_mode":true}}]}"#,
    ),
    (
        "POST /e/?compression=base64",
        "",
        "data=eyJldmVudCI6ImUiLCJkaXN0aW5jdF9pZCI6ImQifQ%3D%3D",
    ),
    (
        "POST /mp/collect?measurement_id=G-1&api_secret=s",
        "",
        r#"{"client_id":"c","timestamp_micros":"1795383123043217","events":[{"name":"purchase","params":{"items":[{"item_id":"p","price":9.99}],"currency":"EUR"}}],"consent":{"ad_user_data":"DENIED"}}"#,
    ),
    (
        "POST /g/collect?v=2&tid=G-1&cid=c&sid=1&dl=https%3A%2F%2Fx%2F&gcs=G111",
        "",
        "en=page_view&ep.a=b&epn.n=1.5\r\nen=purchase&pr1=idSKU~nmName~pr9.99~qt1~k0colour~v0red",
    ),
    (
        "GET /matomo.php?idsite=1&rec=1&_id=c&url=https%3A%2F%2Fx%2F&ec_items=%5B%5B%22s%22%2C%22n%22%2C%22c%22%2C1%2C2%5D%5D&ec_id=o",
        "",
        "",
    ),
    (
        "POST /matomo.php",
        "",
        r#"{"requests":["?idsite=1&rec=1&url=https%3A%2F%2Fx","?idsite=1"],"token_auth":"t"}"#,
    ),
    (
        "POST /v1/cloudevents",
        "Content-Type: application/cloudevents-batch+json\r\n",
        r#"[{"specversion":"1.0","id":"i","source":"/s","type":"t","time":"2026-11-22T21:32:03Z","data":{"visitor_id":"v","items":[{"product_id":"p"}]}}]"#,
    ),
    (
        "POST /v1/cloudevents",
        "ce-specversion: 1.0\r\nce-id: i\r\nce-source: /s\r\nce-type: t%20u\r\nContent-Type: text/plain\r\n",
        "text",
    ),
    (
        "POST /",
        "X-Amz-Target: Kinesis_20131202.PutRecords\r\namz-sdk-invocation-id: c\r\nAuthorization: AWS4-HMAC-SHA256 Credential=A/20261122/us-east-1/kinesis/aws4_request, SignedHeaders=host;x-amz-date, Signature=00\r\n",
        r#"{"StreamName":"s","Records":[{"Data":"eyJhY3Rpb24iOiJ2aWV3In0=","PartitionKey":"k"},{"Data":"/w==","PartitionKey":"l"}]}"#,
    ),
    (
        "POST /",
        "X-Amz-Target: Firehose_20150804.PutRecordBatch\r\n",
        r#"{"DeliveryStreamName":"s","Records":[{"Data":"W10="}]}"#,
    ),
    (
        "OPTIONS /v1/events",
        "Origin: https://shop.example\r\nAccess-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: x-a\r\n",
        "",
    ),
    (
        "POST /v1/events",
        "X-Forwarded-For: 198.51.100.9, unknown, [2001:db8::1]:80\r\nX-Forwarded-Host: a\r\nDNT: 1\r\nSec-GPC: 1\r\nCookie: a=b; c=d\r\nReferer: https://x/?q=1' OR 1=1--\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n",
        r#"{"action":"<script>alert(1)</script>","query":"1 UNION SELECT password FROM users"}"#,
    ),
    ("GET /array.js?token=t", "", ""),
];

/// Lines of each format of a file.
const FILES: [&str; 8] = [
    "Invoice,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n536365,85123A,\"WHITE \"\"T\"\" LIGHT\",6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom\nC536379,D,Discount,-1,2010-12-01 09:41:00,27.5,14527.0,\n",
    "{\"id\":\"a\",\"action\":\"view\",\"occurred_at\":1795383123043}\n{\"action\":\"buy\",\"items\":[{},{}]}\n",
    "[{\"action\":\"view\"},\n {\"action\":\"buy\",\n  \"price\":\"1,5\"}]",
    "83.149.9.216 - - [17/May/2015:10:05:03 +0000] \"GET /presentations/a%20b.png?x=1 HTTP/1.1\" 200 203023 \"http://semicomplete.com/\" \"Mozilla/5.0 \\\"x\\\"\"\n",
    "#Version: 1.0\n#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status cs(Referer) cs(User-Agent) cs-uri-query\n2026-11-22\t21:32:03\tFRA\t1\t192.0.2.7\tGET\td.example\t/a\t200\t-\tMozilla%2F5.0\ta=b\n",
    "1795383123.043\t192.0.2.7\t/a\tMozilla/5.0%20(X11)\n",
    "http 2026-11-22T21:32:03.043Z app/lb/1 192.0.2.7:2817 10.0.0.1:80 0.000 0.001 0.000 200 200 34 366 \"GET http://x:80/a?b=c HTTP/1.1\" \"curl/7.46.0\" - - arn \"Root=1\" \"-\" \"-\" 0 2026-11-22T21:32:03.000Z \"forward\" \"-\" \"-\" \"10.0.0.1:80\" \"200\" \"-\" \"-\"\n",
    "owner bucket [22/Nov/2026:21:32:03 +0000] 192.0.2.7 - 3E57427F3EXAMPLE REST.GET.OBJECT a%20b \"GET /a?x=1 HTTP/1.1\" 200 - 113 113 7 6 \"-\" \"S3Console/0.4\" - h SigV4 c AuthHeader s3.example TLSV1.2 - -\n",
];

/// Files of rules, of keys, and mappings.
const SETTINGS: [&str; 5] = [
    include_str!("../../../producer/rules/starter.toml"),
    "inspect = \"64KiB\"\n[[rule]]\nname = \"a\"\naction = \"sample\"\nshare = 0.1\nby = \"address\"\norders = true\npath = \"/v1/*\"\naddresses = [\"10.0.0.0/8\", \"::1\"]\nmethods = [\"POST\"]\nheaders = [{ name = \"referer\", matches = \"^http\" }]\nrate = { requests = 5, per = \"10s\" }\npatterns = [\"sqli\"]\nparts = [\"body\"]\n",
    "[[key]]\nname = \"a\"\nhashes = [\"sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae\"]\norigins = [\"https://x\"]\nformats = [\"native\"]\nshare = 0.5\naws = [{ id = \"i\", secret = \"s\" }]\n",
    include_str!("../../../producer/maps/online_retail.toml"),
    MAPPING,
];

/// A file of mappings that has every key.
pub(super) const MAPPING: &str = "[[mapping]]\nformat = \"native\"\nsource = \"*\"\n[mapping.fields.product_id]\nfrom = [\"item.sku\", \"a.b\"]\nmatch = \"^(.+)$\"\n[mapping.fields.price]\nfrom = \"price\"\ndivide = 100\n[mapping.fields.occurred_at]\nfrom = \"occurred_at\"\nunit = \"seconds\"\n[mapping.fields.action]\nfrom = \"action\"\nwords = { view = \"buy\" }\nconstant = \"x\"\nwhen = [{ path = \"url\", match = \"/p/\", then = \"view\" }]\n[mapping.properties]\nkeep = [\"*\"]\ndrop = [\"a*\"]\n";

/// Words that the formats are made of.
const WORDS: &[&[u8]] = &[
    b"\"",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b"null",
    b"true",
    b"-1",
    b"1e999",
    b"9223372036854775808",
    b"NaN",
    b"\\u0000",
    b"\\ud83d",
    b"\\\"",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\xf0\x9f\x98\x80",
    b"\xe2\x80\xae",
    b"\r\n",
    b"\r\n\r\n",
    b"\n",
    b"\t",
    b"%00",
    b"%25",
    b"%2F",
    b"%",
    b"&",
    b"=",
    b"?",
    b"#",
    b"://",
    b"@",
    b"../",
    b"id",
    b"\"items\":[{}]",
    b"\"batch\":[",
    b"\"visitor_id\":",
    b"\"occurred_at\":",
    b"price",
    b"data=",
    b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Content-Encoding: gzip\r\n",
    b"Content-Encoding: zstd\r\n",
    b"Host: x\r\n",
    b"Expect: 100-continue\r\n",
    b"Connection: close\r\n",
    b"HTTP/1.0",
    b"HTTP/1.1",
    b"GET ",
    b"HEAD ",
    b"\x1f\x8b\x08\x00",
    b"\x28\xb5\x2f\xfd",
    b"2026-11-22T21:32:03Z",
    b"1969-12-31",
    b"+99:99",
    b"[[rule]]\n",
    b"name = \"",
    b"from = \"",
    b"\"\"",
    b"\\x22",
];

pub(super) fn words() -> &'static [&'static [u8]] {
    WORDS
}

/// Requests of every client, those that libraries sent, and bodies that are known to be bad.
pub(super) fn requests(data: Option<&Path>) -> Vec<SampleRequest> {
    let mut all: Vec<SampleRequest> = REQUESTS
        .iter()
        .map(|(line, headers, body)| request(line, headers, body.as_bytes()))
        .collect();
    for line in lines(data, "clients") {
        all.extend(captured(&line));
    }
    // As many requests of every client as bodies that are known to be bad.
    let bad = bad(data);
    let clients = all.len();
    all.extend(
        (clients..bad.len())
            .map(|place| all[place % clients].clone())
            .collect::<Vec<_>>(),
    );
    all.extend(bad.iter().map(|body| request("POST /v1/events", "", body)));
    all
}

/// Envelopes around clicks of each format.
pub(super) fn records(data: Option<&Path>) -> Vec<Vec<u8>> {
    let formats = [
        "native",
        "native",
        "pixel",
        "segment",
        "segment",
        "snowplow",
        "snowplow",
        "posthog",
        "posthog",
        "ga4",
        "gtag",
        "matomo",
        "matomo",
        "cloudevents",
        "cloudevents",
        "kinesis",
        "kinesis",
    ];
    let clicks = REQUESTS.iter().map(|(_, _, body)| body.as_bytes().to_vec());
    let clicks = clicks.filter(|body| body.starts_with(b"{") || body.starts_with(b"["));
    let clicks: Vec<Vec<u8>> = clicks.chain(bad(data)).collect();
    let envelope = |(place, click): (usize, &Vec<u8>)| {
        let format = formats[place % formats.len()];
        let flags = [
            "",
            r#","item":0,"retried":true,"sample_rate":0.25"#,
            r#","redacted":true"#,
        ][place % 3];
        let more = [
            "",
            r#","visitor":"00ff","request":{"host":"x"}"#,
            r#","shared":{"context":{"a":[1]},"sentAt":"x"}"#,
        ][place / 3 % 3];
        let head = format!(
            r#"{{"v":1,"id":"a"{flags},"received_at":1795383123043217,"format":"{format}","source":"http","ip":"192.0.2.0","user_agent":"curl/8"{more},"click":"#
        );
        [head.as_bytes(), click, b"}"].concat()
    };
    clicks.iter().enumerate().map(envelope).collect()
}

/// A file of each format, and what is known to be bad.
pub(super) fn files(data: Option<&Path>) -> Vec<Vec<u8>> {
    let files = FILES.iter().map(|file| file.as_bytes().to_vec());
    files.chain(bad(data)).collect()
}

pub(super) fn settings() -> Vec<Vec<u8>> {
    SETTINGS.map(|text| text.as_bytes().to_vec()).to_vec()
}

fn request(line: &str, headers: &str, body: &[u8]) -> SampleRequest {
    SampleRequest {
        head: format!("{line} HTTP/1.1\r\nHost: edge\r\n{headers}").into_bytes(),
        body: body.to_vec(),
    }
}

/// A request of a library, as the shared data has it.
fn captured(line: &str) -> Option<SampleRequest> {
    let line: Value = serde_json::from_str(line).ok()?;
    let of = |short: &str, long: &str| match line[long].is_null() {
        true => line[short].clone(),
        false => line[long].clone(),
    };
    let headers = of("h", "headers");
    let kept = headers.as_object()?.iter().filter(|(name, _)| {
        let name = name.to_ascii_lowercase();
        !["host", "content-length", "content-encoding", "connection"].contains(&&*name)
    });
    let headers: String = kept
        .map(|(name, value)| format!("{name}: {}\r\n", value.as_str().unwrap_or_default()))
        .collect();
    let first = format!(
        "{} {}",
        of("m", "method").as_str()?,
        of("p", "path").as_str()?
    );
    Some(request(
        &first,
        &headers,
        of("b", "body").as_str()?.as_bytes(),
    ))
}

/// Files of JSON that parsers disagree about, and lines of attacks.
fn bad(data: Option<&Path>) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for folder in ["badinput/jsontestsuite", "badinput/jsontestsuite_transform"] {
        all.extend(contents(data, folder));
    }
    for folder in ["badinput/sqli", "badinput/xss"] {
        let attacks = lines(data, folder).into_iter().step_by(20);
        all.extend(attacks.map(|line| {
            let click = serde_json::json!({ "action": "view", "query": line });
            click.to_string().into_bytes()
        }));
    }
    all
}

fn lines(data: Option<&Path>, folder: &str) -> Vec<String> {
    let files = contents(data, folder);
    let texts = files.iter().map(|file| String::from_utf8_lossy(file));
    let lines = texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>());
    lines.collect()
}

/// The small files of a folder of the shared data, in the order of their names.
fn contents(data: Option<&Path>, folder: &str) -> Vec<Vec<u8>> {
    let Some(entries) = data.and_then(|data| std::fs::read_dir(data.join(folder)).ok()) else {
        return Vec::new();
    };
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    let contents = files.iter().filter_map(|file| std::fs::read(file).ok());
    contents
        .map(|mut content| {
            content.truncate(MAX_FILE_BYTES);
            content
        })
        .collect()
}
