use super::*;

const CHANNELS: &str = "direct internal paid_search paid_social paid_other display affiliate mail \
    sms push search social ai video shopping referral";

/// Visits of `www.shop.example`, whose owner has `brand.example` too: the referrer, `utm_source`,
/// `utm_medium` and the click id, and after the arrow the channel and the source.
const VISITS: &str = "
 | | | -> direct |
 | | unheard | -> direct |
(direct) | | | -> direct |
about:blank | | | -> direct |
chrome-extension://abc/x.html | | | -> direct |
https://www.shop.example/a | | | -> internal |
https://SHOP.example./a | | | -> internal |
https://pay.brand.example:8443/a | | | -> internal |
https://brand.example/ | | | -> internal |
https://notbrand.example/ | | | -> referral | notbrand.example
https://pay.shop.example/ | | | -> referral | pay.shop.example
https://shop.example.evil.example/ | | | -> referral | shop.example.evil.example
https://www.shop.example/a | partner | | -> referral | partner
https://www.shop.example/a | | unheard | -> internal |
https://www.shop.example/a | | | gclid -> paid_search | Google
https://www.shop.example/a | | email | -> mail |
https://www.google.com/ | | | -> search | Google
https://www.google.de/search?q=http://x.example | | | -> search | Google
http://images.google.co.uk/ | | | -> search | Google
https://www.google.com.br | | | -> search | Google
https://google.shop.evil/ | | | -> referral | google.shop.evil
https://notgoogle.com/ | | | -> referral | notgoogle.com
https://news.google.com/ | | | -> referral | Google News
https://mail.google.com/mail/u/0/ | | | -> mail | Gmail
https://shopping.google.co.uk/ | | | -> shopping | Google Shopping
https://gemini.google.com/app | | | -> ai | Gemini
https://r.search.yahoo.com/ | | | -> search | Yahoo
https://search.yahoo.co.jp/ | | | -> search | Yahoo
https://www.amazon.co.uk/dp/1 | | | -> shopping | Amazon
https://t.co/abc | | | -> social | X
https://l.facebook.com/l.php?u=a | | | -> social | Facebook
https://lnkd.in/x | | | -> social | LinkedIn
https://youtu.be/x | | | -> video | YouTube
https://chatgpt.com/ | chatgpt.com | | -> ai | ChatGPT
www.bing.com/search | | | -> search | Bing
//duckduckgo.com/ | | | -> search | DuckDuckGo
android-app://com.google.android.gm/ | | | -> mail | Gmail
android-app://com.google.android.googlequicksearchbox/https/www.google.com | | | -> search | Google
android-app://com.amazon.mShop.android.shopping | | | -> shopping | Amazon
Android-App://org.unheard.google.com | | | -> referral | org.unheard.google.com
https://www.blog.example/post | | | -> referral | blog.example
https://www.google.com/ | | | gclid -> paid_search | Google
 | | | WBRAID -> paid_search | Google
 | | | dclid -> display | Google Display
 | | cpm | gclid -> display | Google
 | google | display | gclid -> display | Google
https://duckduckgo.com/ | | | msclkid -> paid_search | DuckDuckGo
 | spring | email | gclid -> paid_search | Google
 | | | ttclid -> paid_social | TikTok
 | | | unheard -> direct |
 | | | fbclid -> social | Facebook
https://l.instagram.com/ | | | fbclid -> social | Instagram
https://mail.google.com/ | | | fbclid -> mail | Gmail
 | ig | paid | fbclid -> paid_social | Instagram
 | spring | cpc | fbclid -> paid_social | Facebook
 | spring | email | fbclid -> mail | spring
 | spring | | fbclid -> social | Facebook
 | google | cpc | -> paid_search | Google
 | Facebook | PPC | -> paid_social | Facebook
 | idealo | cpc | -> paid_other | idealo
 | unheard | cpc | -> paid_other | unheard
 | unheard | Paid-Social | -> paid_social | unheard
 | unheard | paid_search_brand | -> paid_search | unheard
https://www.bing.com/ | | cpc | -> paid_search | Bing
https://www.bing.com/ | unheard | cpc | -> paid_search | unheard
 | unheard | CPM | -> display | unheard
 | Spring | E-Mail | -> mail | Spring
 | awin | affiliates | -> affiliate | Awin
 | | sms | -> sms |
 | app | push-notification | -> push | app
 | unheard | organic | -> search | unheard
 | facebook | organic | -> social | Facebook
 | unheard | Social_Network | -> social | unheard
 | https://www.facebook.com/x | | -> social | Facebook
 | m.facebook.com | referral | -> social | Facebook
 | LINKEDIN | unheard | -> social | LinkedIn
https://www.bing.com/ | | referral | -> referral | Bing
https://www.bing.com/ | Partner-A | | -> referral | Partner-A
";

fn is_channel(text: &str) -> bool {
    CHANNELS.split_whitespace().any(|channel| channel == text)
}

fn of<'v>(own_hosts: &'v [String], texts: [&'v str; 4]) -> VisitSource<'v> {
    let [referrer, utm_source, utm_medium, click_id] = texts.map(Some);
    VisitSource::of(&Visit {
        own_host: Some("www.shop.example"),
        own_hosts,
        referrer,
        utm_source,
        utm_medium,
        click_id,
    })
}

#[test]
fn each_visit_has_its_channel_and_source() {
    let own_hosts = ["brand.example".to_owned()];
    for line in VISITS.lines().filter(|line| !line.is_empty()) {
        let (given, expected) = line.split_once("-> ").unwrap();
        let given: Vec<_> = given.split('|').map(str::trim).collect();
        let (channel, source) = expected.split_once('|').unwrap();
        let visit = match given[..] {
            [referrer, source, medium, click] => of(&own_hosts, [referrer, source, medium, click]),
            _ => panic!("{line}"),
        };
        assert_eq!(visit.channel, channel.trim(), "{line}");
        assert_eq!(
            visit.source.as_deref().unwrap_or_default(),
            source.trim(),
            "{line}"
        );
        assert!(is_channel(visit.channel), "{line}");
    }
}

#[test]
fn the_list_is_sorted_and_each_line_has_a_host_a_channel_and_a_name() {
    assert!(version().parse::<u32>().is_ok(), "{}", version());
    let hosts: Vec<_> = lines().map(|(host, _)| host).collect();
    assert_eq!(hosts.len(), LIST.lines().count() - 1);
    assert!(hosts.is_sorted_by(|one, next| one < next));
    for line in LIST.lines().skip(1) {
        assert_eq!(line.split('\t').count(), 3, "{line}");
        assert!(
            line.split('\t')
                .all(|field| !field.is_empty() && field.trim() == field),
            "{line}"
        );
    }
    for (host, site) in lines() {
        assert_eq!(lower(host), host);
        assert_eq!(without_www(host), host);
        assert!(!host.trim_end_matches(".*").contains('*'), "{host}");
        assert!(is_channel(site.channel), "{host}");
        assert!(!["direct", "internal"].contains(&site.channel), "{host}");
        assert_eq!(by_name(&host.replace('*', "co.uk")), Some(site), "{host}");
        // A name has one channel, because `utm_source` can be a name.
        assert_eq!(NAMES.get(&site.name.to_lowercase()), Some(&site), "{host}");
    }
    for kind in CLICKS.iter().flat_map(|(_, kinds)| *kinds) {
        assert!(click(kind).is_some(), "{kind}");
    }
}

#[test]
fn odd_referrers_have_a_host_or_none() {
    for (text, host) in [
        ("http://", None),
        ("https:///path", None),
        ("http://.", None),
        ("http://a..b/", None),
        ("http://:80/", None),
        ("http://www./", Some("www")),
        ("http://user:secret@Blog.Example:80/", Some("blog.example")),
        ("http://a@b@blog.example", Some("blog.example")),
        ("http://blog.example:x/", None),
        ("http://blog.example\\@shop.example/", Some("blog.example")),
        ("http://a b/", None),
        ("http://<script>/", None),
        ("http://MÜNCHEN.example/ä", Some("münchen.example")),
        ("http://日本.example", Some("日本.example")),
        ("http://[2001:DB8::1]:80/", Some("[2001:db8::1]")),
        ("http://[x]/", None),
        ("http://10.0.0.1/", Some("10.0.0.1")),
        ("http://localhost:8080/", Some("localhost")),
        ("javascript:alert(1)//", None),
        ("ftp://blog.example/", None),
        ("\u{0}", None),
    ] {
        assert_eq!(referrer_host(text).as_deref(), host, "{text}");
    }
}

#[test]
fn hostile_text_is_no_harm() {
    let long =
        ["a.", ".", "ä", "//", "[", "@", ":", "İ", "google.com."].map(|part| part.repeat(9_999));
    let odd = [
        "",
        "http://",
        "wwwä.",
        "日本語",
        "ß.de",
        "\u{202e}",
        "a\tb",
        "%00",
        "co.uk",
    ];
    let texts: Vec<_> = long.iter().map(String::as_str).chain(odd).collect();
    let own_hosts = ["", "ä", ".", "日本.example"].map(str::to_owned);
    for text in texts {
        let address = format!("http://{text}");
        for referrer in [text, &address] {
            for texts in [[referrer, "", "", ""], [referrer, text, text, text]] {
                assert!(is_channel(of(&own_hosts, texts).channel));
            }
        }
    }
}
