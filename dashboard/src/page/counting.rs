//! `GET /counting`: what each number means, and what is counted once.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;

use crate::http::nav::Nav;
use crate::http::reply;

#[derive(Template)]
#[template(path = "counting.html")]
struct CountingPage {
    nav: Nav,
}

/// `GET /counting`
pub(crate) async fn page() -> HttpResponse {
    let nav = Nav::default();
    reply::html(StatusCode::OK, &CountingPage { nav })
}
