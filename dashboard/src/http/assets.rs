//! The files that pages need. They are inside the binary; nothing is fetched from elsewhere.

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::Path;
use rust_embed::Embed;

use crate::http::problem::{PageProblem, Problem};

#[derive(Embed)]
#[folder = "assets"]
struct OwnAssets;

/// The chart library uPlot 1.6 (MIT), which `make setup` fetches.
#[derive(Embed)]
#[folder = "../vendor/uplot"]
struct UplotAssets;

/// `GET /assets/{file}`: a file of a closed list.
pub(crate) async fn asset(file: Path<String>) -> Result<HttpResponse, PageProblem> {
    let found = match file.as_str() {
        "style.css" => (OwnAssets::get("style.css"), "text/css; charset=utf-8"),
        "dashboard.js" => (
            OwnAssets::get("dashboard.js"),
            "text/javascript; charset=utf-8",
        ),
        "live.js" => (OwnAssets::get("live.js"), "text/javascript; charset=utf-8"),
        "page.js" => (OwnAssets::get("page.js"), "text/javascript; charset=utf-8"),
        "sql.js" => (OwnAssets::get("sql.js"), "text/javascript; charset=utf-8"),
        "icon.svg" => (OwnAssets::get("icon.svg"), "image/svg+xml"),
        "uplot.js" => (
            UplotAssets::get("uPlot.iife.min.js"),
            "text/javascript; charset=utf-8",
        ),
        "uplot.css" => (UplotAssets::get("uPlot.min.css"), "text/css; charset=utf-8"),
        "uplot.LICENSE" => (UplotAssets::get("LICENSE"), "text/plain; charset=utf-8"),
        _ => return Err(Problem::not_found(&format!("/assets/{file}")).into()),
    };
    let (Some(bytes), kind) = found else {
        return Err(Problem::not_found(&format!("/assets/{file}")).into());
    };
    // Cached for a short time only: a new binary must not meet an old script.
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, kind))
        .insert_header((header::CACHE_CONTROL, "max-age=60"))
        .body(bytes.data.into_owned()))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::OwnAssets;

    /// The colours of a palette, by their names.
    fn palette(text: &str) -> HashMap<&str, [f64; 3]> {
        let lines = text
            .lines()
            .filter_map(|line| line.trim().split_once(": #"));
        let colours = lines.filter_map(|(name, hex)| {
            let channel = |at: usize| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
            let channels = [channel(0)?, channel(2)?, channel(4)?];
            Some((name, channels.map(|one| f64::from(one) / 255.0)))
        });
        colours.collect()
    }

    /// WCAG 2's relative luminance.
    fn luminance(colour: [f64; 3]) -> f64 {
        let [red, green, blue] = colour.map(|one| {
            if one <= 0.04045 {
                one / 12.92
            } else {
                ((one + 0.055) / 1.055).powf(2.4)
            }
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    #[test]
    fn both_palettes_have_the_contrast_of_wcag_aa() {
        let file = OwnAssets::get("style.css").unwrap();
        let css = String::from_utf8(file.data.into_owned()).unwrap();
        let (light, rest) = css
            .split_once("@media (prefers-color-scheme: dark)")
            .unwrap();
        let (dark, _) = rest.split_once("box-sizing").unwrap();
        for (name, palette) in [("light", palette(light)), ("dark", palette(dark))] {
            let check = |front: &str, ground: &str, least: f64| {
                let [front_is, ground_is] = [front, ground].map(|one| luminance(palette[one]));
                let (more, less) = (front_is.max(ground_is), front_is.min(ground_is));
                let contrast = (more + 0.05) / (less + 0.05);
                assert!(
                    contrast >= least,
                    "{name}: {front} on {ground} has {contrast:.2}"
                );
            };
            for ground in ["--page", "--card", "--warn-page"] {
                for front in ["--ink", "--soft", "--accent"] {
                    check(front, ground, 4.5);
                }
            }
            check("--good", "--card", 4.5);
            check("--bad", "--card", 4.5);
            check("--bad", "--page", 4.5);
            check("--accent-ink", "--accent", 4.5);
            // Lines and borders need less.
            for drawn in ["--s0", "--s1", "--s2", "--s3", "--s4", "--s5"] {
                check(drawn, "--card", 2.7);
            }
            check("--soft", "--card", 3.0);
        }
    }
}
