//! Files that are compiled into the binary, the tracker for any site's pages first.

use std::io::Write;
use std::sync::LazyLock;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, Resource};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::answer::{header_text, only_get};

/// The content type of a script.
pub(crate) const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// The tracker without comments and long names; `make tracker` makes it of `clickweir.js`.
const TRACKER: &str = include_str!("../../assets/clickweir.min.js");

static TRACKER_GZIP: LazyLock<Bytes> = LazyLock::new(|| {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let written = encoder.write_all(TRACKER.as_bytes());
    let bytes = written.and_then(|()| encoder.finish());
    bytes.expect("memory takes everything").into()
});

/// The script that sends clicks from the pages of any site, compressed if the browser takes that.
pub(super) fn tracker() -> Resource {
    let answer = move |request: HttpRequest| async move {
        let encodings = header_text(&request, header::ACCEPT_ENCODING).unwrap_or_default();
        let mut answer = shared(JAVASCRIPT);
        answer.insert_header((header::VARY, "Accept-Encoding"));
        match takes_gzip(encodings) {
            true => answer
                .insert_header((header::CONTENT_ENCODING, "gzip"))
                .body(TRACKER_GZIP.clone()),
            false => answer.body(TRACKER),
        }
    };
    only_get("/clickweir.js", answer)
}

/// Returns true if an `Accept-Encoding` names gzip and does not refuse it.
fn takes_gzip(encodings: &str) -> bool {
    encodings.split(',').any(|encoding| {
        let (name, weight) = encoding.split_once(';').unwrap_or((encoding, ""));
        let is_refused = matches!(weight.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000");
        name.trim().eq_ignore_ascii_case("gzip") && !is_refused
    })
}

/// Makes a resource that answers `text`, which browsers may keep for five minutes and pages of
/// any origin may load.
pub(crate) fn asset(path: &str, content_type: &'static str, text: &'static str) -> Resource {
    let answer = move || async move { shared(content_type).body(text) };
    only_get(path, answer)
}

/// Begins an answer that browsers may keep for five minutes and pages of any origin may load.
fn shared(content_type: &'static str) -> HttpResponseBuilder {
    let mut answer = HttpResponse::Ok();
    answer
        .content_type(content_type)
        .insert_header((header::CACHE_CONTROL, "public, max-age=300"))
        .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .insert_header((header::CROSS_ORIGIN_RESOURCE_POLICY, "cross-origin"));
    answer
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::hex::hex_of;

    /// The largest tracker, compressed.
    const MAX_TRACKER_BYTES: usize = 4_000;

    #[test]
    fn the_tracker_is_small_and_made_of_its_source() {
        let size = TRACKER_GZIP.len();
        assert!(size <= MAX_TRACKER_BYTES, "{size} bytes");
        let digest = Sha256::digest(include_bytes!("../../assets/clickweir.js"));
        let digest = hex_of(&digest[..8]);
        let first = TRACKER.lines().next().unwrap();
        assert!(
            first.ends_with(&format!("clickweir.js {digest}")),
            "clickweir.js is {digest}, and its small form says: {first}: run `make tracker`"
        );
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_tracker_is_served_compressed_and_plain() {
        let (base, _) = crate::testing::serve(crate::testing::config());
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        for (encodings, expect) in [("br, gzip", Some("gzip")), ("br", None)] {
            let asked = client.get(format!("{base}/clickweir.js"));
            let answer = asked.header("accept-encoding", encodings).send().await;
            let answer = answer.unwrap();
            let head = |name: &str| {
                answer
                    .headers()
                    .get(name)
                    .map(|text| text.to_str().unwrap())
            };
            assert_eq!(head("content-encoding"), expect);
            assert_eq!(head("vary"), Some("Accept-Encoding"));
            assert_eq!(head("content-type"), Some(JAVASCRIPT));
            let body = answer.bytes().await.unwrap();
            match expect {
                Some(_) => assert_eq!(body, *TRACKER_GZIP),
                None => assert_eq!(body, TRACKER),
            }
        }
    }

    #[test]
    fn a_browser_gets_gzip_if_it_takes_it() {
        let check = |encodings: &str, expect: bool| {
            assert_eq!(takes_gzip(encodings), expect, "{encodings}");
        };
        check("gzip, deflate, br, zstd", true);
        check("br;q=1.0, GZIP;q=0.5", true);
        check("", false);
        check("br, gzip;q=0", false);
        check("identity", false);
    }
}
