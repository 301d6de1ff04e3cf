//! Matomo's trackers: a picture for a hit, unless it wants none, and a count for a list of them.

use actix_web::HttpResponse;

use super::{Client, GET_AND_POST, parameter, picture};
use crate::accept::format::{MatomoHits, is_json};

/// By this a client asks for an answer without a picture.
const NO_PICTURE: &[u8] = b"send_image=0";

/// Hits in the query, in a form or in a list.
pub(in crate::http) const MATOMO: Client = Client {
    name: "matomo",
    paths: &["/matomo.php", "/piwik.php"],
    methods: GET_AND_POST,
    format: |_, query| Box::new(MatomoHits { query }),
    answer: |request, taken| {
        if is_json(&taken.body) {
            return HttpResponse::Ok().json(serde_json::json!({
                "status": "success",
                "tracked": taken.appended.clicks + taken.appended.left_out,
                "invalid": taken.appended.rejected.len(),
            }));
        }
        let is_in_form = taken
            .body
            .windows(NO_PICTURE.len())
            .any(|part| part == NO_PICTURE);
        match is_in_form || parameter(request, "send_image") == Some("0") {
            true => HttpResponse::NoContent().finish(),
            false => picture(),
        }
    },
};
