//! Google Analytics 4: its servers' protocol and its tag, which read nothing of the answer.

use actix_web::HttpResponse;

use super::{Client, GET_AND_POST, POST};
use crate::accept::format::{GoogleTag, MeasurementProtocol};

/// The Measurement Protocol. Its keys are in the query, which is not kept.
pub(in crate::http) const MEASUREMENT_PROTOCOL: Client = Client {
    name: "ga4",
    paths: &["/mp/collect"],
    methods: POST,
    format: |_, _| Box::new(MeasurementProtocol),
    answer: |_, _| HttpResponse::NoContent().finish(),
};

/// What the tag sends from a page.
pub(in crate::http) const TAG: Client = Client {
    name: "gtag",
    paths: &["/g/collect"],
    methods: GET_AND_POST,
    format: |_, query| Box::new(GoogleTag { query }),
    answer: |_, _| HttpResponse::NoContent().finish(),
};
