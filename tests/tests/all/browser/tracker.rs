//! The tracker in a browser: what it sends of a page, and how it sends again.

use std::time::Duration;

use serde_json::{Value, json};
use tests::browser::{self, Browser, Scripts};

use super::stand::{SILENCE, Stand};

/// A field of each click, as text. Clicks that are sent at once arrive in any order.
fn each(clicks: &[Value], field: &str) -> Vec<String> {
    let text = |click: &Value| click[field].as_str().unwrap_or("-").to_owned();
    let mut all: Vec<_> = clicks.iter().map(text).collect();
    all.sort_unstable();
    all
}

/// The click with this text in a field.
fn the<'c>(clicks: &'c [Value], field: &str, text: &str) -> &'c Value {
    let found = clicks.iter().find(|click| click[field] == text);
    found.unwrap_or_else(|| panic!("no {field} is {text}: {clicks:#?}"))
}

/// A page with the tracker's tag.
fn page(attributes: &str, body: &str) -> String {
    format!(
        "<!doctype html><meta charset=utf-8><title>page</title>\
         <script src=/clickweir.js {attributes} defer></script><body>{body}"
    )
}

/// From the next page on, its clock is ahead by so many hours. Returns what ends that.
async fn ahead(browser: &Browser, hours: u32) -> Value {
    let source = format!("{{ const now = Date.now; Date.now = () => now() + {hours} * 3600e3 }}");
    let script = json!({ "source": source });
    let added = browser.cdp("Page.addScriptToEvaluateOnNewDocument", script);
    added.await.unwrap()
}

#[tokio::test]
async fn the_tracker_sends_what_is_done_on_a_page() {
    let Some(browser) = browser::start(Scripts::On).await else {
        return;
    };
    let stand = Stand::open();
    let body = r##"<script>window.clickweir = function () { (clickweir.q = clickweir.q || []).push(arguments); };
        clickweir('early', { price: 1.5 });</script>
        <button id=add data-clickweir=add_to_cart data-clickweir-product_id=tea data-clickweir-product-name="Tea &amp; so"
            data-clickweir-items='[{"product_id":"tea"}]'><b>Add</b></button> <a id=own href="#part">own</a>"##;
    stand.show(&page("data-user_id=u-1", body), "");
    let landing = "/?utm_source=News+Letter&UTM_Campaign=%C3%A9t%C3%A9&utm_term=%zz#top";
    browser
        .open(&format!("{}{landing}", stand.origin))
        .await
        .unwrap();
    let first = stand.clicks(2).await;
    assert_eq!(each(&first, "action"), ["early", "page_view"]);
    assert_eq!(the(&first, "action", "early")["price"], json!(1.5));
    for click in &first {
        assert_eq!(click["url"], format!("{}{landing}", stand.origin));
        assert_eq!(click["user_id"], "u-1");
        for id in ["id", "visitor_id", "session_id"] {
            assert_eq!(click[id].as_str().unwrap().len(), 36, "{click}");
        }
        let campaign = ["utm_source", "utm_campaign", "utm_term"].map(|field| &click[field]);
        assert_eq!(campaign, ["News Letter", "été", "%zz"]);
    }

    browser.click("#add b").await.unwrap();
    let click = stand.clicks(1).await.remove(0);
    assert_eq!(
        (
            &click["action"],
            &click["product_id"],
            &click["product_name"]
        ),
        (&json!("add_to_cart"), &json!("tea"), &json!("Tea & so"))
    );
    assert_eq!(click["items"], json!([{ "product_id": "tea" }]));

    // A single-page site. An anchor is no page, and neither is the same address again.
    browser.click("#own").await.unwrap();
    let steps = "history.pushState({}, '', '/a'); history.pushState({}, '', '/a');
        history.replaceState({}, '', '/a'); history.replaceState({}, '', '/a?q=1');
        location.hash = 'part'; location.hash = '#/route'";
    browser.run(steps).await.unwrap();
    let views = stand.clicks(3).await;
    assert_eq!(each(&views, "action"), ["page_view"; 3]);
    let at = |path: &str| format!("{}{path}", stand.origin);
    let [a, asked, route] = ["/a", "/a?q=1", "/a?q=1#/route"].map(at);
    assert_eq!(each(&views, "url"), [&*a, &*asked, &*route]);
    let before = at(landing.strip_suffix("#top").unwrap());
    assert_eq!(the(&views, "url", &a)["referrer"], before);
    assert_eq!(the(&views, "url", &asked)["referrer"], a);
    assert_eq!(each(&views, "utm_source"), ["News Letter"; 3]);
    browser.run("history.back()").await.unwrap();
    let back = stand.clicks(1).await.remove(0);
    assert_eq!(back["url"], at("/a?q=1#part"));
    assert_eq!(back["referrer"], route);
    assert_eq!(browser.complaints().await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn what_leaves_a_page_is_sent_and_a_visit_ends_after_half_an_hour() {
    let Some(browser) = browser::start(Scripts::On).await else {
        return;
    };
    let (stand, elsewhere) = (Stand::open(), Stand::open());
    elsewhere.show(
        "<!doctype html><title>elsewhere</title><h1>elsewhere</h1>",
        "",
    );
    let body = format!(
        r#"<a id=out href="{}/x?y=1">out</a>
        <form id=search action="/find?a=b"><input name=id value=x><button>go</button></form>
        <form id=news data-clickweir=subscribe data-clickweir-list=weekly><button>go</button></form>"#,
        elsewhere.origin
    );
    stand.show(&page("data-user_id=u-1", &body), "");
    browser
        .open(&format!("{}/?utm_campaign=may", stand.origin))
        .await
        .unwrap();
    let first = stand.clicks(1).await.remove(0);
    // Each of these leaves the page at once.
    browser.follow("#out").await.unwrap();
    let click = stand.clicks(1).await.remove(0);
    let link = format!("{}/x?y=1", elsewhere.origin);
    assert_eq!(
        (&click["action"], &click["link_url"]),
        (&json!("outbound_click"), &json!(link))
    );
    browser.open(&stand.origin).await.unwrap();
    stand.clicks(1).await;
    browser.follow("#search button").await.unwrap();
    let sent = stand.clicks(2).await;
    let form = the(&sent, "action", "form_submit");
    assert_eq!(form["form_id"], "search");
    assert_eq!(form["form_url"], format!("{}/find?a=b", stand.origin));
    browser.follow("#news button").await.unwrap();
    let sent = stand.clicks(2).await;
    assert_eq!(the(&sent, "action", "subscribe")["list"], "weekly");

    // After half an hour without a click the visit is another, and its campaign is over.
    browser
        .run("clickweir.set({ user_id: 'u-2', currency: 'EUR' }); clickweir('buy')")
        .await
        .unwrap();
    let before = stand.clicks(1).await.remove(0);
    assert_eq!(
        (&before["user_id"], &before["currency"]),
        (&json!("u-2"), &json!("EUR"))
    );
    ahead(&browser, 1).await;
    browser.open(&stand.origin).await.unwrap();
    let after = stand.clicks(1).await.remove(0);
    assert_eq!(after["visitor_id"], first["visitor_id"]);
    assert_eq!(before["session_id"], first["session_id"]);
    assert_eq!(before["utm_campaign"], "may");
    assert_ne!(after["session_id"], before["session_id"]);
    assert_eq!(after.get("utm_campaign"), None);
    assert_eq!(browser.complaints().await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn a_page_is_viewed_once_it_is_seen_and_again_when_it_comes_back() {
    let Some(browser) = browser::start(Scripts::On).await else {
        return;
    };
    let stand = Stand::open();
    let rendered_early = "<script>let early = true;
        Object.defineProperty(document, 'prerendering', { get: () => early });
        function show() { early = false; document.dispatchEvent(new Event('prerenderingchange')) }</script>";
    let tag = page("", "");
    stand.show(&format!("{rendered_early}{tag}{tag}"), "");
    browser.open(&stand.origin).await.unwrap();
    let stored = "clickweir('early'); return localStorage.length + document.cookie";
    assert_eq!(browser.run(stored).await.unwrap(), "0");
    browser.run("show()").await.unwrap();
    // The page has the tag twice, which changes nothing.
    let clicks = stand.clicks(2).await;
    assert_eq!(each(&clicks, "action"), ["early", "page_view"]);
    let back = "dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))";
    browser.run(back).await.unwrap();
    assert_eq!(each(&stand.clicks(1).await, "action"), ["page_view"]);
}

#[tokio::test]
async fn an_unanswered_click_is_sent_again_for_a_day() {
    let Some(browser) = browser::start(Scripts::On).await else {
        return;
    };
    let stand = Stand::open();
    stand.show(&page("data-skip=outbound_click", ""), "");
    let waiting = "return JSON.parse(localStorage['clickweir.waiting'] || '[]').length";
    let leave = async || browser.open("about:blank").await.unwrap();

    // The edge says when to come back: nothing is sent before, not by the next page either.
    stand.answer(503, "retry-after: 1\r\n");
    browser.open(&stand.origin).await.unwrap();
    let refused = stand.attempts(1).await.remove(0);
    assert_eq!(refused.click.get("retry"), None);
    stand.answer(202, "");
    browser.run("clickweir('later')").await.unwrap();
    let again = stand.attempts(2).await;
    assert!(again[0].at - refused.at >= Duration::from_secs(1));
    let mut expect = refused.click.clone();
    expect["retry"] = json!(true);
    assert_eq!(again[0].click, expect, "the same click, and it says so");
    assert_eq!(again[1].click["action"], "later");
    assert_eq!(again[1].click.get("retry"), None, "it is the first try");
    browser.until(waiting, |left| *left == 0).await.unwrap();

    stand.answer(429, "retry-after: 3600\r\n");
    browser.open(&stand.origin).await.unwrap();
    let refused = stand.clicks(1).await.remove(0);
    let noted = "return JSON.parse(localStorage['clickweir.waiting'] || '[]')
        .some((one) => one.free > Date.now() + 60000)";
    browser.until(noted, |noted| *noted == true).await.unwrap();
    leave().await;
    stand.answer(202, "");
    browser.open(&stand.origin).await.unwrap();
    let sent = stand.clicks(1).await;
    assert_ne!(sent[0]["id"], refused["id"]);
    browser.until(waiting, |left| *left == 1).await.unwrap();
    leave().await;

    // After 23 hours it is sent with what has no answer at all.
    stand.answer(SILENCE, "");
    browser.open(&stand.origin).await.unwrap();
    let silent = stand.clicks(1).await.remove(0);
    leave().await;
    stand.answer(202, "");
    let added = ahead(&browser, 23).await;
    browser.open(&stand.origin).await.unwrap();
    browser.until(waiting, |left| *left == 0).await.unwrap();
    let sent = stand.clicks(3).await;
    for click in [&refused, &silent] {
        let mut again = click.clone();
        again["retry"] = json!(true);
        assert!(sent.contains(&again), "{again} is not in {sent:#?}");
    }

    // After a day it is dropped.
    browser
        .cdp("Page.removeScriptToEvaluateOnNewDocument", added)
        .await
        .unwrap();
    stand.answer(500, "retry-after: 7200\r\n");
    browser.open(&stand.origin).await.unwrap();
    let dropped = stand.clicks(1).await.remove(0);
    leave().await;
    stand.answer(202, "");
    ahead(&browser, 25).await;
    browser.open(&stand.origin).await.unwrap();
    browser.until(waiting, |left| *left == 0).await.unwrap();
    let sent = stand.clicks(1).await;
    assert_eq!(each(&sent, "action"), ["page_view"]);
    assert_ne!(sent[0]["id"], dropped["id"]);
    // What the edge refuses for good is not sent again.
    stand.answer(403, "");
    browser.run("clickweir('refused')").await.unwrap();
    assert_eq!(each(&stand.clicks(1).await, "action"), ["refused"]);
    browser.until(waiting, |left| *left == 0).await.unwrap();
}

/// What a hostile page does before the tracker comes, and whether clicks arrive all the same.
const HOSTILE: &[(&str, bool)] = &[
    (
        "for (const one of [Object, Array, Function, String, Promise, Date, RegExp]) Object.freeze(one.prototype)",
        true,
    ),
    (
        "Object.prototype.extra = 'x'; Array.prototype.extra = () => 1; Array.prototype.toJSON = Object.prototype.toJSON = () => 'broken'",
        true,
    ),
    (
        "JSON.stringify = JSON.parse = () => { throw new Error('mine') }",
        true,
    ),
    ("JSON = undefined", true),
    (
        "for (const name of ['push', 'map', 'forEach', 'filter', 'slice', 'shift', 'indexOf', 'join', 'some', Symbol.iterator]) Array.prototype[name] = () => { throw new Error('mine') }",
        true,
    ),
    ("window.fetch = undefined", true),
    ("window.fetch = () => { throw new Error('mine') }", true),
    ("window.fetch = () => 7", true),
    (
        "window.fetch = undefined; navigator.sendBeacon = undefined",
        false,
    ),
    (
        "Object.defineProperty(window, 'crypto', { value: undefined })",
        true,
    ),
    (
        "Object.defineProperty(window, 'localStorage', { get() { throw new Error('mine') } })",
        true,
    ),
    (
        "Object.defineProperty(window, 'localStorage', { value: null })",
        true,
    ),
    (
        "Storage.prototype.setItem = () => { throw new Error('full') }",
        true,
    ),
    (
        "Object.freeze(history); Object.freeze(History.prototype)",
        true,
    ),
    (
        "history.pushState = undefined; window.URL = undefined; window.addEventListener = undefined",
        true,
    ),
    (
        "Object.defineProperty(window, 'clickweir', { value: () => 0 })",
        true,
    ),
    (
        "document.write('<img name=currentScript><img name=cookie><img name=referrer><a id=clickweir></a>')",
        true,
    ),
    ("Date.now = undefined", true),
    (
        "window.setTimeout = window.clearTimeout = () => { throw new Error('mine') }",
        true,
    ),
];

#[tokio::test]
async fn a_hostile_page_sees_no_error_of_the_tracker() {
    let Some(browser) = browser::start(Scripts::On).await else {
        return;
    };
    let sandbox = "content-security-policy: sandbox allow-scripts\r\n";
    let pages = HOSTILE
        .iter()
        .map(|(script, arrives)| (*script, "", *arrives));
    // An origin of its own has neither cookies nor storage.
    let pages = pages.chain([("/* sandboxed */", sandbox, true)]);
    for (script, head, arrives) in pages {
        let page = format!(
            "<!doctype html><title>hostile</title><script>{script}</script>\
             <script src=/clickweir.js></script><script>\
             const loop = {{ depth: 1 }}; loop.self = loop; loop.node = document; loop.big = 10n;\
             if (typeof clickweir === 'function') clickweir('buy', {{ order_id: '\\u2028 \"quoted\"', items: [{{ price: 2 }}],\
                nested: loop, get bad() {{ return NaN }}, when: new Date(0), not() {{ }} }});\
             history.pushState && history.pushState({{}}, '', '#x');</script>"
        );
        let stand = Stand::open();
        stand.show(&page, head);
        browser.open(&stand.origin).await.unwrap();
        assert_eq!(browser.complaints().await.unwrap(), [""; 0], "{script}");
        if !arrives {
            continue;
        }
        let frozen = script.contains("'clickweir'");
        let clicks = stand.clicks(if frozen { 1 } else { 2 }).await;
        the(&clicks, "action", "page_view");
        if !frozen {
            let buy = the(&clicks, "action", "buy");
            assert_eq!(buy["order_id"], "\u{2028} \"quoted\"", "{script}: {buy}");
            assert_eq!(buy["items"][0]["price"], json!(2), "{script}: {buy}");
            assert_eq!(buy["when"], "1970-01-01T00:00:00.000Z", "{script}: {buy}");
            assert_eq!(buy["nested"]["big"], "10", "{script}: {buy}");
            assert_eq!(buy.get("extra"), None, "{script}: {buy}");
        }
    }
}
