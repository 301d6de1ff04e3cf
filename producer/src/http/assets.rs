//! Files that are compiled into the binary, the tracker for any site's pages first.

use actix_web::http::header;
use actix_web::{HttpResponse, Resource};

use super::answer::only_get;

/// The content type of a script.
pub(crate) const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// The script that sends clicks from the pages of any site.
pub(super) fn tracker() -> Resource {
    asset(
        "/clickweir.js",
        JAVASCRIPT,
        include_str!("../../assets/clickweir.js"),
    )
}

/// Makes a resource that answers `text`, which browsers may keep for five minutes and pages of
/// any origin may load.
pub(crate) fn asset(path: &str, content_type: &'static str, text: &'static str) -> Resource {
    let answer = move || async move {
        HttpResponse::Ok()
            .content_type(content_type)
            .insert_header((header::CACHE_CONTROL, "public, max-age=300"))
            .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
            .insert_header((header::CROSS_ORIGIN_RESOURCE_POLICY, "cross-origin"))
            .body(text)
    };
    only_get(path, answer)
}
