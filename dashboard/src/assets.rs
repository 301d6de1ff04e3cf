//! The files that pages need, inside the binary: nothing is fetched from elsewhere.

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::Path;
use rust_embed::Embed;

use crate::reply::{PageProblem, Problem};

#[derive(Embed)]
#[folder = "assets"]
struct Own;

/// uPlot 1.6 (MIT), as `make setup` fetched it.
#[derive(Embed)]
#[folder = "../vendor/uplot"]
struct Uplot;

/// `GET /assets/{file}`: one file of a closed list.
pub(crate) async fn asset(file: Path<String>) -> Result<HttpResponse, PageProblem> {
    let found = match file.as_str() {
        "style.css" => (Own::get("style.css"), "text/css; charset=utf-8"),
        "dashboard.js" => (Own::get("dashboard.js"), "text/javascript; charset=utf-8"),
        "sql.js" => (Own::get("sql.js"), "text/javascript; charset=utf-8"),
        "icon.svg" => (Own::get("icon.svg"), "image/svg+xml"),
        "uplot.js" => (
            Uplot::get("uPlot.iife.min.js"),
            "text/javascript; charset=utf-8",
        ),
        "uplot.css" => (Uplot::get("uPlot.min.css"), "text/css; charset=utf-8"),
        "uplot.LICENSE" => (Uplot::get("LICENSE"), "text/plain; charset=utf-8"),
        _ => return Err(Problem::missing(&format!("/assets/{file}")).into()),
    };
    let (Some(bytes), kind) = found else {
        return Err(Problem::missing(&format!("/assets/{file}")).into());
    };
    // Revalidated, not trusted for long: a new binary must not meet an old script.
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, kind))
        .insert_header((header::CACHE_CONTROL, "max-age=60"))
        .body(bytes.data.into_owned()))
}
