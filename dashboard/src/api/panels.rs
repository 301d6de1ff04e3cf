//! The panels for programs: JSON, or CSV with `?format=csv` or a path that ends in `.csv`.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path, Query};
use serde_json::{Value, json};

use crate::http::params::Asked;
use crate::http::problem::{self, Problem};
use crate::page::{datasets, funnel};
use crate::select::selection::{Selection, dimension};
use crate::site::Site;
use crate::view::panels::{self, RUNS, SAMPLES};
use crate::view::periods::Periods;
use crate::view::rates;
use crate::view::stacked;
use crate::view::table::Sheet;

/// Values, objects and samples that a program gets unless it asks for another number.
const USUALLY: usize = 300;
/// … and the most that it may ask for.
const MOST: usize = 10_000;

/// `GET /api/{panel}`
pub(crate) async fn panel(
    site: Data<Site>,
    name: Path<String>,
    asked: Query<Asked>,
) -> Result<HttpResponse, Problem> {
    let (name, dotted) = match name.strip_suffix(".csv") {
        Some(name) => (name.to_owned(), true),
        None => (name.into_inner(), false),
    };
    let csv = match asked.get("format") {
        None | Some("json") => dotted,
        Some("csv") => true,
        Some(other) => {
            return Err(Problem::invalid(
                format!("format {other:?} is not known"),
                "write json or csv",
            ));
        }
    };
    let (json, sheet) = made(&site, &name, &asked).await?;
    Ok(if csv {
        problem::csv(&name, sheet.csv())
    } else {
        problem::json(&json)
    })
}

/// A panel's two faces; some say more in JSON than a table can.
async fn made(site: &Site, name: &str, asked: &Asked) -> Result<(Value, Sheet), Problem> {
    let selection = Selection::read(asked)?;
    let alike = |sheet: Sheet| (sheet.json(), sheet);
    let catalog = &site.catalog;
    Ok(match name {
        "totals" => {
            let window = site.window(&selection).await?;
            let (now, before) = site.totals(&window).await?;
            let json = json!({
                "from": window.filter.from.to_string(),
                "to": window.filter.to.to_string(),
                "now": now,
                "before": before,
            });
            (json, panels::totals(&now, before.as_ref()))
        }
        "series" => {
            let window = site.window(&selection).await?;
            alike(Periods::of(site, &window, selection.metric).await?.sheet())
        }
        "actions" => {
            let window = site.window(&selection).await?;
            let buckets = catalog.actions_by(&window.filter, window.step).await?;
            alike(stacked::long(&buckets, window.step))
        }
        "breakdown" => {
            let by = asked.get("by").ok_or_else(|| {
                Problem::invalid("there is no dimension", "write by=product, or another")
            })?;
            let (by, n) = (dimension(by)?, number(asked)?);
            let window = site.window(&selection).await?;
            let found = catalog.breakdown(&window.filter, by, selection.metric, n);
            let found = found.await?;
            let sheet = panels::breakdown(by.name(), &found);
            (json!(found), sheet)
        }
        "unbought" => {
            let n = number(asked)?;
            let window = site.window(&selection).await?;
            let found = funnel::unbought(site, &window, n).await?;
            let sheet = panels::breakdown("product", &found);
            (json!(found), sheet)
        }
        "funnel" => {
            let window = site.window(&selection).await?;
            let (_, steps) = funnel::steps(site, &selection).await?;
            let reached = funnel::reached(site, &window, &steps, selection.window).await?;
            let sheet = funnel::sheet(&reached);
            (json!(reached), sheet)
        }
        "accounting" => {
            let (balance, _) = site.balance().await?;
            (balance.json(), balance.sheet())
        }
        "freshness" => {
            let (balance, freshness) = site.balance().await?;
            alike(panels::freshness(&freshness, &balance, site.clock.now()))
        }
        "rates" => {
            let (balance, _) = site.balance().await?;
            let rates = catalog.rates(rates::TIME).await?;
            alike(rates::sheet(&rates, &balance, site.clock.now()))
        }
        "letters" => {
            let (letters, _) = catalog.letters(SAMPLES).await?;
            (json!(letters), panels::letters(&letters))
        }
        "objects" => alike(panels::objects(&catalog.newest(number(asked)?).await?)),
        "crawls" => alike(panels::crawls(&catalog.crawls(RUNS).await?)),
        "datasets" => alike(datasets::states(&site.catalog.datasets().await?)),
        "externals" => alike(datasets::adoptions(&site.catalog.adoptions(RUNS).await?)),
        "quarantined" => alike(datasets::quarantined(
            &site.catalog.quarantined(RUNS).await?,
        )),
        unknown => return Err(Problem::missing(&format!("/api/{unknown}"))),
    })
}

/// How many rows are asked for.
fn number(asked: &Asked) -> Result<usize, Problem> {
    let Some(text) = asked.get("n") else {
        return Ok(USUALLY);
    };
    let number = text.parse().ok().filter(|n| (1..=MOST).contains(n));
    number.ok_or_else(|| {
        let remedy = format!("write a number from 1 to {MOST}");
        Problem::invalid(format!("n {text:?} is not a number of rows"), &remedy)
    })
}
