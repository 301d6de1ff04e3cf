use super::*;

const NAMES: [&str; 4] = ["password", "access_token", "token", "apikey"];

fn cleaner() -> AddressCleaner {
    let names = NAMES.map(|name| QueryName::try_from(name.to_owned()).unwrap());
    AddressCleaner::of(&names)
}

/// A text by itself, within JSON, within JSON within JSON, and percent-encoded as a value.
fn check(text: &str, expect: &str) {
    let cleaner = cleaner();
    let found = cleaner.clean(text);
    assert_eq!(found, expect, "{text}");
    assert_eq!(cleaner.clean(expect), expect, "twice: {text}");
    assert_eq!(matches!(found, Cow::Borrowed(_)), text == expect, "{text}");
    let (mut json, mut expected) = (text.to_owned(), expect.to_owned());
    for _ in 0..2 {
        let wrap = |text: &str| serde_json::json!({"a": [1, {"url": text}], "b": "x"}).to_string();
        (json, expected) = (wrap(&json), wrap(&expected));
        let found = cleaner.clean_json(&json);
        assert_eq!(found, expected, "{text}");
        assert_eq!(matches!(found, Cow::Borrowed(_)), text == expect, "{text}");
    }
}

#[test]
fn input_26_user_info_goes_and_the_rest_of_an_address_stays() {
    check(
        "https://u:p@shop.example/a?b=1",
        "https://shop.example/a?b=1",
    );
    check("https://u@shop.example", "https://shop.example");
    check("https://:p@shop.example/", "https://shop.example/");
    check("https://u:p@[::1]:80/", "https://[::1]:80/");
    check("https://u:p@a:b@shop.example/@x", "https://shop.example/@x");
    check("https://u:p%40w@shop.example/", "https://shop.example/");
    check("https://u:p%2Fw@shop.example/", "https://shop.example/");
    check("https://u:my pass@shop.example/", "https://shop.example/");
    check("HTTPS://U:P@shop.example/", "HTTPS://shop.example/");
    check("//u:p@shop.example/a", "//shop.example/a");
    check("https:\\\\u:p@shop.example", "https:\\\\shop.example");
    check("https:u:p@shop.example", "https:shop.example");
    check("https:///u:p@shop.example", "https:///shop.example");
    check("postgres://u:p@db:5432/x", "postgres://db:5432/x");
    check("git+ssh://git@host/x", "git+ssh://host/x");
    check("view-source:https://u:p@h/", "view-source:https://h/");
    check("see (https://u:p@h/) or //v:q@i", "see (https://h/) or //i");
    check("//a@//b@//c@host", "//////host");
    check("?next=https://u:p@h/&c=d@e", "?next=https://h/&c=d@e");
    check(
        "?next=https%3A%2F%2Fu%3Ap%40h%2F&c=1",
        "?next=https%3A%2F%2Fh%2F&c=1",
    );
    check("?n=%252F%252Fu%253Ap%2540h%252Fa", "?n=%252F%252Fh%252Fa");
    check("https://%75:p@h/", "https://h/");
    check("javascript:fetch('//u:p@h')", "javascript:fetch('//h')");
}

#[test]
fn input_26_what_is_no_user_info_stays() {
    for kept in [
        "mailto:a@b.example",
        "a@b.example",
        "write to a@b.example, or see https://shop.example",
        "see https://shop.example or write to a@b.example",
        "https://shop.example:8080 or a@b.example",
        "https://[::1] or a@b.example",
        "https://shop.example/@user",
        "https://cdn.example//@scope/x@1.0",
        "https://shop.example?mail=a@b.example",
        "https://shop.example#a@b",
        "https://shop.example?mail=a%40b.example",
        "?u=https://shop.example&mail=a@b.example",
        "git@host.example:x/y.git",
        "12:30 @ home",
        "//shop.example/a",
        "@",
        "",
        "%40%25%zz%",
    ] {
        check(kept, kept);
    }
}

#[test]
fn input_26_secret_parameters_go_with_what_parts_them() {
    check("/reset?token=x", "/reset");
    check("?token=x", "");
    check("token=x", "");
    check("?token=", "");
    check("#access_token=x&token_type=bearer", "#token_type=bearer");
    check(
        "https://h/cb#state=1&access_token=x",
        "https://h/cb#state=1",
    );
    check("/#/cb?access_token=x", "/#/cb");
    check("/a?b=1&token=x&c=2#d", "/a?b=1&c=2#d");
    check("/a?token=x#d", "/a#d");
    check("/a?token=x&password=y", "/a");
    check("/a?b&token=x&", "/a?b");
    check("/a?&token=x", "/a");
    check("/a?token=x&token=y&b=1&token=z", "/a?b=1");
    check("/a?ToKeN=x&b=1", "/a?b=1");
    check("/a?b=1;token=x;c=2", "/a?b=1;c=2");
    check("/a?b=1&amp;token=x&amp;c=2", "/a?b=1&amp;c=2");
    check("/a?token=x&amp;c=2", "/a?c=2");
    check("/a?c=2&#38;token=x", "/a?c=2");
    check("/a?token=a;b c<d>'e&c=2", "/a?c=2");
    check("/a?%74oken=x&b=1", "/a?b=1");
    check("/a?b=1&user[password]=x&password[]=y", "/a?b=1");
    check("/a?user%5Bpassword%5D=x", "/a");
    check(
        "/a?next=%2Freset%3Ftoken%3Dx%26b%3D1&c=2",
        "/a?next=%2Freset%3Fb%3D1&c=2",
    );
    check("/a?next=%2Freset%3Ftoken%3Dx&c=2", "/a?next=%2Freset&c=2");
    check("/a?n=%252Fb%253Ftoken%253Dx", "/a?n=%252Fb");
    check("/a?token=x%26y&c=2", "/a?c=2");
    check("see https://h/?token=x%20y&c=2", "see https://h/?c=2");
    check("see https://h/?token=x and more", "see https://h/ and more");
    check("<a href=\"/a?token=x\">", "<a href=\"/a\">");
    check("/a?continue=token=x", "/a?continue=");
    check("a=1; token=x", "a=1; ");
    check("?tokén=ä&token=ö&ü=1", "?tokén=ä&ü=1");
}

#[test]
fn input_26_other_parameters_stay() {
    for kept in [
        "/a?token",
        "/a?monkey=1&mytoken=2&token_type=3",
        "/a?b=token&c=password",
        "my token=x",
        "token: x",
        "/a?utm_source=a%20b&filter%5B0%5D=c",
    ] {
        check(kept, kept);
    }
}

#[test]
fn input_26_json_keeps_every_other_byte() {
    let check = |json: &str, expect: &str| {
        assert_eq!(cleaner().clean_json(json), expect, "{json}");
    };
    check(
        r#" { "a" : 1.50, "u":"\u00e9\/?token=x\u0026b=\ud83d\ude00" , "a":1e999 } "#,
        r#" { "a" : 1.50, "u":"\u00e9\/?b=\ud83d\ude00" , "a":1e999 } "#,
    );
    check(r#"{"u":"https:\/\/u:p\u0040h"}"#, r#"{"u":"https:\/\/h"}"#);
    check(
        r#"{"u":"https:\u002f\u002Fu:p@h"}"#,
        r#"{"u":"https:\u002f\u002Fh"}"#,
    );
    check(r#"{"u":"?\u0074oken\u003dx"}"#, r#"{"u":""}"#);
    check(r#"{"u":"?token=a\"b\\"}"#, r#"{"u":"\"b\\"}"#);
    check(r#"{"u":"?a=\\token=x\\"}"#, r#"{"u":"?a=\\token=x\\"}"#);
    check(
        r#"{"https://u:p@h":{"?token=x":[]}}"#,
        r#"{"https://h":{"":[]}}"#,
    );
    check(
        r#"{"token":"x","@":"=","a":"token =x@"}"#,
        r#"{"token":"x","@":"=","a":"token =x@"}"#,
    );
    check(
        r#""{\"u\":\"https://u:p@h/?token=x\",""#,
        r#""{\"u\":\"https://h/\",""#,
    );
    check("17", "17");
}

/// Pieces of addresses in every order, in JSON: what is left is JSON, has no secret, and has nothing
/// more to lose.
#[test]
fn input_26_no_secret_survives_however_an_address_is_made() {
    let pieces = [
        "https://",
        "//",
        "u:SECRET@",
        "h.example",
        "/p",
        "?",
        "&",
        "&amp;",
        "#",
        "a=1",
        "token=SECRET",
        "password=SECRET",
        "%3Ftoken%3DSECRET%26",
        "next=",
        "%2F%2Fu%3ASECRET%40h",
        "\\u0026",
        "\\/",
        "é",
        "%",
    ];
    let cleaner = cleaner();
    let mut state = 17_usize;
    let mut next = |bound: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % bound
    };
    for _ in 0..20_000 {
        let made: String = (0..1 + next(8))
            .map(|_| pieces[next(pieces.len())])
            .collect();
        let json = format!(r#"{{"u":"{made}"}}"#);
        let once = cleaner.clean_json(&json);
        assert!(
            serde_json::from_str::<serde_json::Value>(&once).is_ok(),
            "{json}: {once}"
        );
        assert_eq!(cleaner.clean_json(&once), once, "{json}");
        let is_secret = |parted: &str| {
            ["token=SECRET", "password=SECRET"]
                .iter()
                .any(|pair| once.contains(&format!("{parted}{pair}")))
        };
        assert!(
            !["?", "&", "#", ";"].into_iter().any(is_secret),
            "{json}: {once}"
        );
        for begin in ["\"", ":", "?", "="] {
            let user = format!("{begin}//u:SECRET@");
            assert!(!once.contains(&user), "{json}: {once}");
        }
    }
}

#[test]
fn a_click_without_secrets_is_borrowed() {
    let click = r#"{"id":"a","url":"https://shop.example/a?utm_source=x&utm_medium=y%20z"}"#;
    assert!(matches!(cleaner().clean_json(click), Cow::Borrowed(_)));
}
