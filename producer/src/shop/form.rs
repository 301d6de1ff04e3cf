//! A form of the shop's pages: read within the edge's limits, and from the shop's own pages only.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::http::header::HeaderName;
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};
use url::form_urlencoded;

use crate::accept::rejection::error_body;
use crate::http::answer::{header_text, json, refusal};
use crate::http::origin::PageOrigin;
use crate::http::state::EdgeState;

/// The largest form, in bytes.
const MAX_FORM_BYTES: usize = 4_096;
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// A form's fields by their names; of equal names the last counts.
pub(super) struct FormFields(BTreeMap<String, String>);

impl FormFields {
    /// Reads a form. The error is the answer.
    pub(super) async fn read(
        state: &EdgeState,
        request: &HttpRequest,
        payload: Payload,
    ) -> Result<Self, HttpResponse> {
        let read = state.read_body(request, payload, MAX_FORM_BYTES).await;
        let (body, _held) = read.map_err(|rejection| {
            state.monitor.metrics.rejected(rejection.kind(), 1);
            refusal(&rejection)
        })?;
        // Another site's page could log its visitor in under a name of its own choice.
        let site = header_text(request, FETCH_SITE);
        let is_own = state.page_origin(request) == PageOrigin::Own
            && site.is_none_or(|site| matches!(site, "same-origin" | "none"));
        if !is_own {
            state.monitor.metrics.rejected("origin", 1);
            let error = "another site's page sent the shop's form";
            let remedy = "open the shop's own page and send its form";
            return Err(json(StatusCode::FORBIDDEN, error_body(error, remedy, None)));
        }
        let fields = form_urlencoded::parse(&body);
        Ok(Self(fields.into_owned().collect()))
    }

    /// The text of a field; empty if the form has none of this name.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}
