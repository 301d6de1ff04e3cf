//! What the tracker sends and stores by the visitor's choice.

use serde_json::{Value, json};
use tests::browser::{self, Browser, Scripts};

use super::stand::Stand;

/// What the page's site has stored in the browser.
const STORED: &str =
    "return [document.cookie, ...Object.keys(localStorage).sort()].join(' ').trim()";

struct Site {
    browser: Browser,
    stand: Stand,
}

impl Site {
    async fn open() -> Option<Self> {
        let (browser, stand) = (browser::start(Scripts::On).await?, Stand::open());
        Some(Self { browser, stand })
    }

    /// Opens a page whose tag has these attributes.
    async fn visit(&self, attributes: &str, query: &str) {
        let tag = format!("<script src=/clickweir.js {attributes} defer></script>");
        let page = format!("<!doctype html><title>page</title>{tag}");
        self.stand.show(&page, "");
        let address = format!("{}/{query}", self.stand.origin);
        self.browser.open(&address).await.unwrap();
    }

    async fn run(&self, script: &str) -> Value {
        self.browser.run(script).await.unwrap()
    }

    async fn forget(&self) {
        self.run("localStorage.clear(); document.cookie = 'clickweir_visitor=; max-age=0; path=/'")
            .await;
    }

    /// Waits for clicks, which must be of these actions; returns them in this order.
    async fn sent(&self, actions: &[&str]) -> Vec<Value> {
        let mut clicks = self.stand.clicks(actions.len()).await;
        assert_eq!(clicks.len(), actions.len(), "{clicks:#?}");
        let take = |action: &&str| {
            let at = clicks.iter().position(|click| click["action"] == **action);
            clicks.remove(at.unwrap_or_else(|| panic!("no {action} in {clicks:#?}")))
        };
        actions.iter().map(take).collect()
    }
}

fn has_ids(click: &Value) -> bool {
    let ids = ["visitor_id", "session_id", "user_id"];
    ids.iter().any(|id| click.get(id).is_some())
}

#[tokio::test]
async fn without_consent_nothing_is_sent_or_stored() {
    let Some(site) = Site::open().await else {
        return;
    };
    let required = "data-consent=required data-user_id=u-1";
    site.visit(required, "?utm_source=mail").await;
    site.run("clickweir('early')").await;
    assert_eq!(site.run(STORED).await, "");
    site.run("clickweir.consent('granted'); clickweir('late')")
        .await;
    let clicks = site.sent(&["page_view", "early", "late"]).await;
    for click in &clicks {
        assert_eq!(click["visitor_id"], clicks[0]["visitor_id"]);
        assert!(
            click["session_id"].is_string() && click["user_id"] == "u-1",
            "{click}"
        );
        assert_eq!(
            (&click["utm_source"], click.get("cookieless")),
            (&json!("mail"), None)
        );
    }
    // The next page knows.
    site.visit(required, "").await;
    let next = site.sent(&["page_view"]).await.remove(0);
    assert_eq!(next["visitor_id"], clicks[0]["visitor_id"]);
    // A refusal takes back what was stored, and a later grant does not send what was done between.
    site.run("clickweir.consent('denied'); clickweir('hidden')")
        .await;
    assert_eq!(site.run(STORED).await, "");
    site.visit(required, "").await;
    site.run("clickweir('hidden'); clickweir.consent('denied'); clickweir.consent('granted'); clickweir('seen')")
        .await;
    let seen = site.sent(&["seen"]).await.remove(0);
    assert_ne!(seen["visitor_id"], clicks[0]["visitor_id"]);
    site.forget().await;

    // Where consent is not required, a refusal is an objection, which is remembered.
    site.visit("", "").await;
    site.sent(&["page_view"]).await;
    site.run("clickweir.consent('denied'); clickweir('hidden')")
        .await;
    assert_eq!(site.run(STORED).await, "clickweir.consent");
    site.visit("", "").await;
    site.run("clickweir('hidden'); clickweir.consent('granted'); clickweir('seen')")
        .await;
    site.sent(&["seen"]).await;
    assert_eq!(site.browser.complaints().await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn cookieless_clicks_carry_no_id_and_leave_nothing() {
    let Some(site) = Site::open().await else {
        return;
    };
    let ids = "data-cookieless data-visitor_id=v data-user_id=u";
    site.visit(ids, "?utm_source=mail").await;
    site.run(
        "history.pushState({}, '', '/b'); clickweir('buy', { visitor_id: 'v', order_id: 'o' })",
    )
    .await;
    let clicks = site.sent(&["page_view", "page_view", "buy"]).await;
    for click in &clicks {
        assert!(!has_ids(click) && click["cookieless"] == true, "{click}");
        assert_eq!(click["utm_source"], "mail");
    }
    assert_eq!(clicks[2]["order_id"], "o");
    assert_eq!(site.run(STORED).await, "");
    // Consent lifts it; with consent required, too, so that a refusal costs no click.
    site.visit("data-cookieless data-consent=required", "")
        .await;
    site.run("clickweir.consent('granted'); clickweir('full'); clickweir.consent('denied'); clickweir('less')")
        .await;
    let clicks = site.sent(&["page_view", "full", "less"]).await;
    assert_eq!(
        clicks.iter().map(has_ids).collect::<Vec<_>>(),
        [false, true, false]
    );
    assert_eq!(site.run(STORED).await, "");

    // A browser's signals, by the tag's policy.
    let signals =
        "Object.defineProperty(Navigator.prototype, 'globalPrivacyControl', { get: () => true });
        Object.defineProperty(Navigator.prototype, 'doNotTrack', { get: () => '1' })";
    let script = json!({ "source": signals });
    let added = site
        .browser
        .cdp("Page.addScriptToEvaluateOnNewDocument", script);
    added.await.unwrap();
    for (attributes, expect) in [
        ("", Some(true)),
        ("data-gpc=ignore data-dnt=ignore", Some(true)),
        ("data-gpc=cookieless", Some(false)),
        ("data-dnt=cookieless", Some(false)),
        ("data-gpc=off", None),
        ("data-gpc=cookieless data-dnt=off", None),
    ] {
        site.visit(attributes, "").await;
        match expect {
            Some(expect) => {
                let click = site.sent(&["page_view"]).await.remove(0);
                assert_eq!(has_ids(&click), expect, "{attributes}");
            }
            None => assert_eq!(
                site.run("return clickweir('hidden') ?? 'none'").await,
                "none"
            ),
        }
        site.forget().await;
    }
}

#[tokio::test]
async fn the_owner_opts_out_for_good() {
    let Some(site) = Site::open().await else {
        return;
    };
    site.visit("", "?clickweir=off").await;
    site.run("clickweir('own')").await;
    site.visit("data-cookieless", "").await;
    assert_eq!(site.run(STORED).await, "clickweir.off");
    site.visit("", "?clickweir=on").await;
    site.sent(&["page_view"]).await;
    site.run(
        "clickweir.optOut(); clickweir('own'); clickweir.consent('granted'); clickweir('own')",
    )
    .await;
    site.visit("", "").await;
    site.run("clickweir.optIn(); clickweir('seen')").await;
    site.sent(&["seen"]).await;
}
