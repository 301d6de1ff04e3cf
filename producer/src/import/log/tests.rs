use super::*;
use crate::address::IpPolicy;

/// What a line becomes: the click's JSON, the address and the user agent.
fn read(log: AccessLog, fields: &[&str], lines: &[&str]) -> Result<[String; 3], String> {
    let fields: Vec<_> = fields.iter().map(|field| (*field).to_owned()).collect();
    let mut parser = LogParser::new(log, &fields, IpPolicy::Truncate);
    let mut last = Err("no line is a request".to_owned());
    for line in lines {
        if let Some(click) = parser.line(line.as_bytes()).transpose() {
            last = click.map(|click| {
                let address = click.address.map(|address| address.to_string());
                [
                    click.json.get().to_owned(),
                    address.unwrap_or_default(),
                    click.user_agent.unwrap_or_default(),
                ]
            });
        }
    }
    last
}

fn check(log: AccessLog, line: &str, expect: [&str; 3]) {
    let found = read(log, &[], &[line]).unwrap();
    assert_eq!(found, expect, "{line}");
}

fn refused(log: AccessLog, line: &str, expect: &str) {
    let why = read(log, &[], &[line]).unwrap_err();
    assert!(why.contains(expect), "{line}: {why}");
}

#[test]
fn combined_lines_are_read_as_apache_and_nginx_write_them() {
    let combined = |line: &str, expect| check(AccessLog::Combined, line, expect);
    combined(
        r#"203.0.113.9 - - [17/May/2015:10:05:03 +0000] "GET /a/b?c=d HTTP/1.1" 200 203023 "https://x.example/" "Mozilla/5.0 (X11)""#,
        [
            r#"{"action":"request","occurred_at":"2015-05-17T10:05:03Z","url":"/a/b?c=d","referrer":"https://x.example/","properties":{"method":"GET","status":200,"protocol":"HTTP/1.1","bytes":203023}}"#,
            "203.0.113.9",
            "Mozilla/5.0 (X11)",
        ],
    );
    // An offset, a user, no bytes, no referrer, no agent.
    combined(
        r#"2001:db8::1 - ada lovelace [17/May/2015:12:05:03 +0200] "HEAD / HTTP/1.0" 304 - "-" "-""#,
        [
            r#"{"action":"request","occurred_at":"2015-05-17T10:05:03Z","user_id":"ada lovelace","url":"/","properties":{"method":"HEAD","status":304,"protocol":"HTTP/1.0"}}"#,
            "2001:db8::1",
            "",
        ],
    );
    // The common format, behind a virtual host.
    combined(
        r#"shop.example:443 203.0.113.9 - - [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 5"#,
        [
            r#"{"action":"request","occurred_at":"2015-05-17T10:05:03Z","url":"https://shop.example/a","properties":{"method":"GET","status":200,"protocol":"HTTP/1.1","bytes":5}}"#,
            "203.0.113.9",
            "",
        ],
    );
    // Escapes; a host's name, which the policy does not keep; what a site adds to the format.
    combined(
        r#"host.example - - [17/May/2015:10:05:03 +0000] "GET /\xe4\"b HTTP/1.1" 200 5 "http://\xe4\xe5.example/" "a \"b\" \x22c\x22" "rt=0.1" 7 - "198.51.100.7, 2001:db8:1:2::3" "198.51.100.8""#,
        [
            r#"{"action":"request","occurred_at":"2015-05-17T10:05:03Z","url":"/%E4\"b","referrer":"http://%E4%E5.example/","properties":{"method":"GET","status":200,"protocol":"HTTP/1.1","bytes":5,"extra":"rt=0.1 7","forwarded_for":"198.51.100.0, 2001:db8:1::"}}"#,
            "",
            "a \"b\" \"c\"",
        ],
    );
    // Another way to write the time.
    combined(
        r#"203.0.113.9 - - [2015-05-17T12:05:03.250+02:00] "GET / HTTP/2.0" 200 5 "-" "-""#,
        [
            r#"{"action":"request","occurred_at":"2015-05-17T10:05:03.250Z","url":"/","properties":{"method":"GET","status":200,"protocol":"HTTP/2.0","bytes":5}}"#,
            "203.0.113.9",
            "",
        ],
    );
    // No HTTP, and nothing at all.
    combined(
        r#"203.0.113.9 - - [17/May/2015:10:05:03 +0000] "\x16\x03\x01" 400 0 "-" "-""#,
        [
            r#"{"action":"request","occurred_at":"2015-05-17T10:05:03Z","properties":{"status":400,"request":"\u0016\u0003\u0001","bytes":0}}"#,
            "203.0.113.9",
            "",
        ],
    );
    combined(
        r#"203.0.113.9 - - [17/May/2015:10:05:03 +0000] "-" 408 - "-" "-""#,
        [
            r#"{"action":"request","occurred_at":"2015-05-17T10:05:03Z","properties":{"status":408}}"#,
            "203.0.113.9",
            "",
        ],
    );
}

#[test]
fn a_line_that_is_broken_says_how() {
    let combined = |line: &str, expect| refused(AccessLog::Combined, line, expect);
    combined(
        r#"203.0.113.9 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5 "-" "Mozilla"#,
        "a quote is not closed",
    );
    combined(
        r#"203.0.113.9 - - [17/May/2015:10:05:03 +0000] "GET / HTT"#,
        "a quote is not closed",
    );
    combined("203.0.113.9 - - [17/May/2015:10:05", "no time in brackets");
    combined(
        r#"203.0.113.9 - - [17/Mai/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5"#,
        "not written as",
    );
    combined(
        r#"203.0.113.9 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" ok 5"#,
        "\"ok\" is no status",
    );
    combined(
        r#"203.0.113.9 [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5"#,
        "three fields",
    );
    combined("{\"a\":1}", "no time in brackets");
    refused(AccessLog::Alb, "a b c", "no type of a load balancer");
    refused(
        AccessLog::Alb,
        "http 2018-07-02T22:23:00.186641Z elb",
        "3 fields",
    );
    refused(AccessLog::S3, "a b c", "no time in brackets");
    refused(
        AccessLog::S3,
        "a b [06/Feb/2019:00:00:38 +0000] 1.2.3.4",
        "4 fields",
    );
    refused(AccessLog::CloudFront, "2019-12-04\t21:02:31", "2 fields");
}

const CLOUDFRONT: [&str; 2] = [
    "#Version: 1.0",
    "#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status \
     cs(Referer) cs(User-Agent) cs-uri-query cs(Cookie) x-edge-result-type x-edge-request-id \
     x-host-header cs-protocol cs-bytes time-taken x-forwarded-for",
];

#[test]
fn standard_logs_of_cloudfront_are_read_by_their_names() {
    let line = "2019-12-04\t21:02:31\tLAX1\t392\t192.0.2.100\tGET\td111.cloudfront.net\t/a%2520b\t200\t\
        https://x.example/?q=%25C3%25A4\tMozilla/5.0%20(X11)\tutm_source=a%2520b\tsid=1%3B%20b=%2520\tHit\tSOX4==\t\
        shop.example\thttps\t23\t0.001\t198.51.100.7";
    let expect = [
        r#"{"action":"request","occurred_at":"2019-12-04T21:02:31Z","url":"https://shop.example/a%20b?utm_source=a%20b","referrer":"https://x.example/?q=%C3%A4","properties":{"method":"GET","status":200,"x_edge_location":"LAX1","bytes":392,"cs_cookie":"sid=1; b=%20","x_edge_result_type":"Hit","request_id":"SOX4==","cs_bytes":23,"time_taken":0.001,"distribution":"d111.cloudfront.net","forwarded_for":"198.51.100.0"}}"#,
        "192.0.2.100",
        "Mozilla/5.0 (X11)",
    ];
    let log = AccessLog::CloudFront;
    assert_eq!(
        read(log, &[], &[CLOUDFRONT[0], CLOUDFRONT[1], line]).unwrap(),
        expect
    );
    // Without its first lines it has the fields that the documentation names.
    assert_eq!(read(log, &[], &[line]).unwrap(), expect);
    // Fields in another order, and a line that lacks one.
    let lines = ["#Fields: time date cs-uri-stem", "21:02:31\t2019-12-04\t/a"];
    let [json, ..] = read(log, &[], &lines).unwrap();
    assert_eq!(
        json,
        r#"{"action":"request","occurred_at":"2019-12-04T21:02:31Z","url":"/a"}"#
    );
    let why = read(
        log,
        &[],
        &["#Fields: time date cs-uri-stem", "21:02:31\t2019-12-04"],
    );
    assert_eq!(
        why.unwrap_err(),
        "the line has 2 fields, and #Fields: names 3"
    );
}

#[test]
fn real_time_logs_have_the_fields_that_the_configuration_names() {
    let fields = [
        "timestamp",
        "c-ip",
        "sc-status",
        "cs-method",
        "cs-protocol",
        "cs-host",
        "cs-uri-stem",
        "x-host-header",
        "cs-user-agent",
        "cs-referer",
        "cs-uri-query",
        "c-country",
        "asn",
    ];
    let line = "1576195696.123\t2001:db8::1\t200\tGET\thttps\tshop.example\t/a?b=%2520\td1.cloudfront.net\t\
        Mozilla/5.0%2520(X11)\t-\tb=%2520\tDE\t64500";
    let log = AccessLog::CloudFrontRealtime;
    let expect = [
        r#"{"action":"request","occurred_at":"2019-12-13T00:08:16.123Z","url":"https://shop.example/a?b=%20","country":"DE","properties":{"method":"GET","status":200,"asn":64500,"distribution":"d1.cloudfront.net"}}"#,
        "2001:db8::1",
        "Mozilla/5.0 (X11)",
    ];
    assert_eq!(read(log, &fields, &[line]).unwrap(), expect);
    let why = read(log, &fields[..2], &["1576195696"]).unwrap_err();
    assert_eq!(
        why,
        "the line has 1 fields, and import.realtime_fields names 2"
    );
    assert!(
        read(log, &fields[..2], &["soon\t-"])
            .unwrap_err()
            .contains("timestamp")
    );
}

#[test]
fn lines_of_a_load_balancer_are_read() {
    check(
        AccessLog::Alb,
        r#"h2 2018-07-02T22:23:00.186641Z app/my-lb/50dc 10.0.1.252:48160 10.0.0.66:9000 0.000 0.002 -1 200 201 5 257 "GET https://10.0.2.105:443/a?b=c HTTP/2.0" "curl \x22/7" ECDHE-RSA TLSv1.2 arn:aws:x "Root=1-58337327-72bd" "-" "-" 1 2018-07-02T22:22:48.364000Z "redirect" "-" "-" "10.0.0.66:9000" "200" "-" "-" TID_1 "new.example""#,
        [
            r#"{"action":"request","occurred_at":"2018-07-02T22:23:00.186641Z","url":"https://10.0.2.105/a?b=c","properties":{"method":"GET","status":200,"type":"h2","elb":"app/my-lb/50dc","target":"10.0.0.66:9000","request_processing_time":0.000,"target_processing_time":0.002,"response_processing_time":-1,"target_status":201,"received_bytes":5,"bytes":257,"protocol":"HTTP/2.0","ssl_cipher":"ECDHE-RSA","ssl_protocol":"TLSv1.2","target_group_arn":"arn:aws:x","request_id":"Root=1-58337327-72bd","matched_rule_priority":"1","request_creation_time":"2018-07-02T22:22:48.364000Z","actions_executed":"redirect","target_port_list":"10.0.0.66:9000","target_status_code_list":"200","conn_trace_id":"TID_1","transformed_host":"new.example"}}"#,
            "10.0.1.252",
            "curl \"/7",
        ],
    );
    // A request that was no HTTP.
    let [json, ..] = read(
        AccessLog::Alb,
        &[],
        &[r#"http 2018-07-02T22:23:00.186641Z lb 10.0.1.252:48160 - -1 -1 -1 400 - 0 272 "- http://lb:80- -" "-" - -"#],
    )
    .unwrap();
    assert!(json.contains(r#""request":"- http://lb:80- -""#), "{json}");
}

#[test]
fn lines_of_a_bucket_are_read() {
    check(
        AccessLog::S3,
        r#"79a5 amzn-bucket [06/Feb/2019:00:01:57 +0000] 192.0.2.3 arn:aws:iam::1:user/x DD6CC733AEXAMPLE REST.GET.OBJECT a%20b.gif "GET /amzn-bucket/a%20b.gif?x=1 HTTP/1.1" 200 - 2662 3462992 70 10 "https://x.example/" "S3Console "0.4"" - s9lz= SigV4 ECDHE-RSA AuthHeader amzn-bucket.s3.amazonaws.com TLSv1.2 - Yes new"#,
        [
            r#"{"action":"request","occurred_at":"2019-02-06T00:01:57Z","url":"https://amzn-bucket.s3.amazonaws.com/amzn-bucket/a%20b.gif?x=1","referrer":"https://x.example/","properties":{"method":"GET","status":200,"bucket_owner":"79a5","bucket":"amzn-bucket","requester":"arn:aws:iam::1:user/x","request_id":"DD6CC733AEXAMPLE","operation":"REST.GET.OBJECT","key":"a%20b.gif","protocol":"HTTP/1.1","bytes":2662,"object_size":3462992,"total_time":70,"turn_around_time":10,"host_id":"s9lz=","signature_version":"SigV4","cipher_suite":"ECDHE-RSA","authentication_type":"AuthHeader","tls_version":"TLSv1.2","acl_required":"Yes","extra":"new"}}"#,
            "192.0.2.3",
            "S3Console \"0.4\"",
        ],
    );
}

#[test]
fn a_pixel_of_a_log_is_the_click_that_it_carried() {
    let line = |request: &str, status: u16| {
        format!(
            r#"203.0.113.9 - - [17/May/2015:10:05:03 +0000] "{request}" {status} 42 "https://shop.example/tea" "Mozilla""#
        )
    };
    let click = |request: &str, status| read(AccessLog::Combined, &[], &[&line(request, status)]);
    let [json, address, agent] = click(
        "GET /pixel.gif?action=view&visitor_id=ada&price=9.50&city=K%C3%B6ln HTTP/1.1",
        200,
    )
    .unwrap();
    assert_eq!(
        json,
        r#"{"occurred_at":"2015-05-17T10:05:03Z","url":"https://shop.example/tea","action":"view","visitor_id":"ada","price":9.50,"city":"Köln"}"#
    );
    assert_eq!([&*address, &*agent], ["203.0.113.9", "Mozilla"]);
    let [json, ..] = click("GET /pixel.gif?action=view HTTP/1.1", 503).unwrap();
    assert!(json.starts_with(r#"{"action":"request""#), "{json}");
    let why = click("GET /pixel.gif?id=1&id=2 HTTP/1.1", 200).unwrap_err();
    assert!(why.contains("duplicate field"), "{why}");
}

#[test]
fn b64_bytes_that_are_not_utf_8_are_kept_in_addresses_and_replaced_elsewhere() {
    let mut parser = LogParser::new(AccessLog::Combined, &[], IpPolicy::Truncate);
    let line = b"203.0.113.9 - - [17/May/2015:10:05:03 +0000] \"GET /\xe4 HTTP/1.1\" 200 5 \"-\" \"a\xffb\" x\xff";
    let click = parser.line(line).unwrap().unwrap();
    assert!(
        click.json.get().contains(r#""url":"/%E4""#),
        "{}",
        click.json
    );
    assert_eq!(click.user_agent.as_deref(), Some("a\u{fffd}b"));
}

#[test]
fn no_line_ends_a_parser_and_every_click_is_json() {
    let logs = [
        (
            AccessLog::Combined,
            r#"shop.example:443 203.0.113.9 - - [17/May/2015:10:05:03 +0000] "GET /a?b=%2520 HTTP/1.1" 200 5 "http://x.example/" "a \"b\" \x22" "198.51.100.7""#,
        ),
        (
            AccessLog::CloudFront,
            "2019-12-04\t21:02:31\tLAX1\t392\t192.0.2.100\tGET\td1.example\t/pixel.gif\t200\thttps://x.example/\tM%2520é\taction=view&price=1\t-",
        ),
        (
            AccessLog::CloudFrontRealtime,
            "1576195696.123\t2001:db8::1\t200\tGET\thttps\tshop.example\t/a?b=%2520",
        ),
        (
            AccessLog::Alb,
            r#"h2 2018-07-02T22:23:00.186641Z lb 10.0.1.252:48160 10.0.0.66:9000 0.000 0.002 -1 200 201 5 257 "GET https://10.0.2.105:443/a?b=c HTTP/2.0" "curl \x22/7" - - arn "Root=1""#,
        ),
        (
            AccessLog::S3,
            r#"79a5 b [06/Feb/2019:00:01:57 +0000] 192.0.2.3 - ID OP a%20b "GET /b/a?x=1 HTTP/1.1" 200 - 2662 346 70 10 "https://x.example/" "S3 "0.4"" -"#,
        ),
    ];
    let fields = [
        "timestamp",
        "c-ip",
        "sc-status",
        "cs-method",
        "cs-protocol",
        "cs-host",
        "cs-uri-stem",
    ];
    let fields = fields.map(str::to_owned);
    let signs = "\"\\[]% \t-%2525#?\x1e\0\u{e4}\u{2028}9.:,{}".as_bytes();
    // A generator of its own, so that each run is the same.
    let mut state = 1_u64;
    let mut below = |bound: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % bound
    };
    let mut clicks = 0;
    for (log, line) in logs {
        let mut parser = LogParser::new(log, &fields, IpPolicy::Full);
        for _ in 0..3_000 {
            let mut bytes = line.as_bytes().to_vec();
            for _ in 0..below(5) {
                if bytes.len() < 2 {
                    break;
                }
                let at = below(bytes.len());
                match below(4) {
                    0 => bytes[at] = u8::try_from(below(256)).unwrap(),
                    1 => bytes.insert(at, signs[below(signs.len())]),
                    2 => drop(bytes.remove(at)),
                    _ if below(10) == 0 => bytes.truncate(at.max(1)),
                    _ => {}
                }
            }
            if let Ok(Some(click)) = parser.line(&bytes) {
                let read = serde_json::from_str::<serde_json::Value>(click.json.get());
                assert!(read.is_ok_and(|click| click.is_object()), "{}", click.json);
                clicks += 1;
            }
        }
    }
    assert!(clicks > 5_000, "{clicks}");
}
