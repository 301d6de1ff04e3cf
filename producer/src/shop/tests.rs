use std::sync::Arc;

use topic::Envelope;

use crate::testing::{self, FakeWriter};

/// A browser without scripts: it keeps cookies, follows redirects and loads pixels.
struct ScriptlessBrowser {
    base: String,
    client: reqwest::Client,
    cookies: String,
    topic: Arc<FakeWriter>,
}

struct FetchedPage {
    status: u16,
    html: String,
}

impl ScriptlessBrowser {
    fn open() -> Self {
        let (base, topic) = testing::serve_shop();
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Self {
            base,
            client,
            cookies: String::new(),
            topic,
        }
    }

    async fn fetch(&mut self, path: &str, form: Option<&str>) -> FetchedPage {
        let url = format!("{}{path}", self.base);
        let request = match form {
            Some(fields) => self
                .client
                .post(url)
                .header("content-type", "application/x-www-form-urlencoded")
                .body(fields.to_owned()),
            None => self.client.get(url),
        };
        let response = request
            .header("cookie", &self.cookies)
            .send()
            .await
            .unwrap();
        let cookies: Vec<_> = response
            .headers()
            .get_all("set-cookie")
            .iter()
            .filter_map(|cookie| cookie.to_str().ok()?.split(';').next())
            .map(str::to_owned)
            .collect();
        if !cookies.is_empty() {
            self.cookies = cookies.join("; ");
        }
        let status = response.status().as_u16();
        let next = response
            .headers()
            .get("location")
            .map(|to| to.to_str().unwrap().to_owned());
        match next {
            Some(next) => Box::pin(self.fetch(&next, None)).await,
            None => FetchedPage {
                status,
                html: response.text().await.unwrap(),
            },
        }
    }

    /// Loads a page's pixels and returns their clicks.
    async fn load_pixels(&mut self, page: &FetchedPage) -> Vec<serde_json::Value> {
        let before = self.topic.drafts().len();
        for part in page.html.split("<noscript><img src=\"").skip(1) {
            let address = part.split('"').next().unwrap().replace("&#38;", "&");
            let address = address.replace("&amp;", "&");
            assert_eq!(self.fetch(&address, None).await.status, 200, "{address}");
        }
        let envelopes = self.topic.envelopes();
        let clicks = envelopes[before..].iter().map(|value| {
            let envelope = Envelope::decode(value.as_bytes()).unwrap();
            assert!(!envelope.id_generated, "the pixel has an id");
            serde_json::from_str(envelope.click).unwrap()
        });
        clicks.collect()
    }

    async fn actions(&mut self, path: &str, form: Option<&str>) -> Vec<String> {
        let page = self.fetch(path, form).await;
        let clicks = self.load_pixels(&page).await;
        clicks
            .iter()
            .map(|click| click["action"].as_str().unwrap().to_owned())
            .collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_step_is_one_click_without_scripts() {
    let mut browser = ScriptlessBrowser::open();
    let account = "name=Ada&password=sluice-gate";
    assert_eq!(browser.actions("/", None).await, ["browse"]);
    assert_eq!(browser.actions("/product/tea", None).await, ["view"]);
    assert_eq!(
        browser.actions("/sign-up", Some(account)).await,
        ["sign_up", "browse"]
    );
    assert_eq!(
        browser
            .actions("/buy", Some("product_id=tea&quantity=2"))
            .await,
        ["buy"]
    );
    assert!(
        browser.actions("/thanks", None).await.is_empty(),
        "a reload buys nothing"
    );
    assert_eq!(
        browser.actions("/log-out", Some("")).await,
        ["log_out", "browse"]
    );
    assert_eq!(browser.actions("/log-out", Some("")).await, ["browse"]);
    assert!(
        browser
            .actions("/log-in", Some("name=Ada&password=wrong"))
            .await
            .is_empty()
    );
    assert_eq!(
        browser.actions("/log-in", Some(account)).await,
        ["log_in", "browse"]
    );

    let keys: std::collections::BTreeSet<_> = browser
        .topic
        .drafts()
        .into_iter()
        .map(|draft| draft.key)
        .collect();
    assert_eq!(keys.len(), 1, "one visitor, one key");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_names_the_good_and_the_customer() {
    let mut browser = ScriptlessBrowser::open();
    browser
        .actions("/sign-up", Some("name=Ada&password=sluice-gate"))
        .await;
    let page = browser
        .fetch("/buy", Some("product_id=tea&quantity=2"))
        .await;
    let click = browser.load_pixels(&page).await.remove(0);
    assert_eq!(click["product_name"], "Towpath Tea");
    assert_eq!(
        (&click["price"], &click["quantity"]),
        (&8.9.into(), &2.into())
    );
    assert!(click["user_id"].as_str().unwrap().starts_with("u-"));
    assert!(click["url"].as_str().unwrap().ends_with("/thanks"));
    assert!(page.html.contains(click["order_id"].as_str().unwrap()));
    let session = browser.cookies.split(['=', ';']).nth(1).unwrap();
    assert!(
        !page.html.contains(session),
        "the session's secret is not on the page"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_of_several_lines_is_one_order_without_scripts() {
    let mut browser = ScriptlessBrowser::open();
    let add = async |browser: &mut ScriptlessBrowser, good: &str, quantity: u32| {
        let form = format!("product_id={good}&quantity={quantity}");
        browser.actions("/basket/add", Some(&form)).await
    };
    assert_eq!(add(&mut browser, "tea", 2).await, ["add_to_cart"]);
    assert_eq!(add(&mut browser, "mug", 1).await, ["add_to_cart"]);
    assert_eq!(add(&mut browser, "hat", 9).await, ["add_to_cart"]);
    assert!(add(&mut browser, "hat", 1).await.is_empty(), "nine at most");
    let remove = "product_id=hat";
    let removed = browser.actions("/basket/remove", Some(remove)).await;
    assert_eq!(removed, ["remove_from_cart"]);
    let removed = browser.actions("/basket/remove", Some(remove)).await;
    assert!(removed.is_empty(), "it is out already");
    // The basket is the session's, also after its customer logged in.
    let account = "name=Ada&password=sluice-gate";
    browser.actions("/sign-up", Some(account)).await;
    let page = browser.fetch("/basket", None).await;
    assert!(page.html.contains("€ 32.30"), "{}", page.html);
    let begun = browser.actions("/checkout", None).await;
    assert_eq!(begun, ["begin_checkout", "begin_checkout"], "a line each");

    let page = browser.fetch("/checkout", Some("")).await;
    let clicks = browser.load_pixels(&page).await;
    let of = |field: &str| {
        clicks
            .iter()
            .map(|click| click[field].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(of("action"), ["buy", "buy"]);
    assert_eq!(of("product_id"), ["tea", "mug"]);
    assert_eq!(of("quantity"), [2, 1]);
    assert_eq!(of("price"), [8.9, 14.5]);
    assert_eq!(of("order_id")[0], of("order_id")[1]);
    assert_ne!(of("id")[0], of("id")[1]);
    assert!(page.html.contains("2 × Towpath Tea") && page.html.contains("1 × Heron Blue Mug"));

    assert!(browser.actions("/checkout", Some("")).await.is_empty());
    let page = browser.fetch("/checkout", None).await;
    assert!(page.html.contains("nothing in it yet"), "{}", page.html);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_is_a_new_click() {
    let mut browser = ScriptlessBrowser::open();
    for _ in 0..2 {
        browser.actions("/product/mug", None).await;
    }
    let ids = browser.topic.envelopes();
    let ids: Vec<_> = ids
        .iter()
        .map(|v| Envelope::decode(v.as_bytes()).unwrap().id)
        .collect();
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn input_29_what_a_visitor_wrote_is_escaped() {
    let mut browser = ScriptlessBrowser::open();
    let form = "name=%3Cscript%3Ealert(1)%3C/script%3E%22&password=sluice-gate";
    let page = browser.fetch("/sign-up", Some(form)).await;
    assert!(
        page.html.contains("alert(1)") && !page.html.contains("<script>alert"),
        "{}",
        page.html
    );
    let page = browser
        .fetch("/?utm_source=%22%3E%3Cscript%3Ealert(2)%3C/script%3E", None)
        .await;
    assert!(!page.html.contains("<script>alert"));
    assert_eq!(
        browser.load_pixels(&page).await[0]["utm_source"],
        "\"><script>alert(2)</script>"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_shop_does_not_have_is_refused() {
    let mut browser = ScriptlessBrowser::open();
    assert_eq!(browser.fetch("/product/none", None).await.status, 404);
    assert_eq!(
        browser
            .fetch("/buy", Some("product_id=tea&quantity=99"))
            .await
            .status,
        404
    );
    for form in ["product_id=tea&quantity=0", "product_id=none&quantity=1"] {
        assert_eq!(browser.fetch("/basket/add", Some(form)).await.status, 404);
    }
    let form = "product_id=none";
    assert_eq!(
        browser.fetch("/basket/remove", Some(form)).await.status,
        404
    );
    assert_eq!(
        browser
            .fetch("/sign-up", Some("name=&password="))
            .await
            .status,
        422
    );
    assert_eq!(browser.fetch("/buy", None).await.status, 405);
    for asset in ["/shop.css", "/shop.js", "/shop.svg", "/clickweir.js"] {
        assert_eq!(browser.fetch(asset, None).await.status, 200);
    }
    assert!(browser.topic.drafts().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_16_a_planted_session_reads_nothing_and_forms_are_the_shops_own() {
    let mut browser = ScriptlessBrowser::open();
    browser.fetch("/", None).await;
    let planted = browser.cookies.clone();
    let account = "name=Ada&password=sluice-gate";
    let page = browser.fetch("/sign-up", Some(account)).await;
    assert!(page.html.contains("Log out"));
    let own = std::mem::replace(&mut browser.cookies, planted.clone());
    assert_ne!(own, planted);
    let page = browser.fetch("/", None).await;
    assert!(!page.html.contains("Log out") && !page.html.contains("Ada"));

    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        for path in [
            "/log-in",
            "/sign-up",
            "/log-out",
            "/buy",
            "/basket/add",
            "/basket/remove",
            "/checkout",
        ] {
            let asked = browser.client.post(format!("{}{path}", browser.base));
            let asked = asked
                .header(name, value)
                .header("cookie", &own)
                .body(account);
            assert_eq!(asked.send().await.unwrap().status(), 403, "{name} {path}");
        }
    }
    let asked = browser.client.post(format!("{}/log-in", browser.base));
    let asked = asked.header("origin", &browser.base).body(account);
    assert_eq!(asked.send().await.unwrap().status(), 303);
    let asked = browser.client.get(format!("{}/", browser.base));
    let asked = asked
        .header("x-forwarded-proto", "https")
        .send()
        .await
        .unwrap();
    let cookies = asked.headers().get_all("set-cookie");
    assert!(
        cookies
            .iter()
            .all(|cookie| cookie.to_str().unwrap().contains("; Secure"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_16_guesses_end_and_a_slow_form_is_let_go() {
    let mut browser = ScriptlessBrowser::open();
    for n in 0..12 {
        let form = format!("name=Ada&password=guess-{n:04}");
        let expect = if n < 10 { 422 } else { 429 };
        assert_eq!(
            browser.fetch("/log-in", Some(&form)).await.status,
            expect,
            "{n}"
        );
    }
    let form = format!("name={}", "x".repeat(5_000));
    assert_eq!(browser.fetch("/log-in", Some(&form)).await.status, 413);

    let config = crate::Config {
        shop: true,
        body_timeout: std::time::Duration::from_millis(200),
        ..testing::config()
    };
    let (base, _) = testing::serve(config);
    let slow = tokio_util::io::ReaderStream::new(tokio::io::empty());
    let endless = futures::StreamExt::chain(slow, futures::stream::pending());
    let asked = browser.client.post(format!("{base}/log-in"));
    let asked = asked.body(reqwest::Body::wrap_stream(endless));
    assert_eq!(asked.send().await.unwrap().status(), 408);
}
