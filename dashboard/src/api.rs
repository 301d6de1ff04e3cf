//! The panels for programs: JSON, or CSV with `?format=csv` or a path that ends in `.csv`.

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::web::{Data, Json, Path, Query};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::panels::{self, RUNS};
use crate::reply::{self, Problem};
use crate::selection::{Asked, Selection};
use crate::sheet::Sheet;
use crate::site::Site;
use crate::sql::ask;
use crate::{axis, command, datasets};

/// Countries that a program gets.
const COUNTRIES: usize = 300;

/// `GET /api/{panel}`
pub(crate) async fn panel(
    site: Data<Site>,
    name: Path<String>,
    asked: Query<Asked>,
) -> Result<HttpResponse, Problem> {
    let asked = asked.into_inner();
    let (name, dotted) = match name.strip_suffix(".csv") {
        Some(name) => (name.to_owned(), true),
        None => (name.into_inner(), false),
    };
    let csv = match asked.format.as_deref() {
        None | Some("" | "json") => dotted,
        Some("csv") => true,
        Some(other) => {
            return Err(Problem::invalid(
                format!("format {other:?} is not known"),
                "write json or csv",
            ));
        }
    };
    let selection = Selection::read(asked)?;
    let (json, sheet) = made(&site, &name, &selection).await?;
    Ok(if csv {
        reply::csv(&name, sheet.csv())
    } else {
        reply::json(&json)
    })
}

/// A panel's two faces; some say more in JSON than a table can.
async fn made(site: &Site, name: &str, selection: &Selection) -> Result<(Value, Sheet), Problem> {
    let alike = |sheet: Sheet| (sheet.json(), sheet);
    Ok(match name {
        "totals" => {
            let window = site.window(selection).await?;
            let totals = site.catalog.totals(&window.filter).await?;
            let before = window.compared.then_some(totals.before);
            let json = json!({
                "from": window.filter.from.to_string(),
                "to": window.filter.to.to_string(),
                "now": totals.now,
                "before": before,
            });
            (json, panels::totals(&totals, window.compared))
        }
        "actions" => {
            let window = site.window(selection).await?;
            let buckets = site.catalog.actions_by(&window.filter, window.step).await?;
            alike(axis::long(&buckets, window.step))
        }
        "products" => {
            let window = site.window(selection).await?;
            let lists = panels::products(site, &window).await?;
            let flat = lists.iter().flat_map(|(action, products)| {
                products
                    .iter()
                    .map(move |product| (action.as_str(), product))
            });
            alike(panels::product_sheet(flat))
        }
        "countries" => {
            let window = site.window(selection).await?;
            alike(panels::countries(
                &site.catalog.countries(&window.filter, COUNTRIES).await?,
            ))
        }
        "accounting" => {
            let (balance, _) = site.balance().await?;
            (balance.json(), balance.sheet())
        }
        "freshness" => {
            let (balance, freshness) = site.balance().await?;
            alike(panels::freshness(&freshness, &balance, site.clock.now()))
        }
        "datasets" => alike(datasets::states(&site.catalog.datasets().await?)),
        "externals" => alike(datasets::adoptions(&site.catalog.adoptions(RUNS).await?)),
        "quarantined" => alike(datasets::quarantined(
            &site.catalog.quarantined(RUNS).await?,
        )),
        "crawls" => alike(panels::crawls(&site.catalog.crawls(RUNS).await?)),
        unknown => return Err(Problem::missing(&format!("/api/{unknown}"))),
    })
}

/// What `POST /api/query` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Question {
    sql: String,
}

/// `POST /api/query`
pub(crate) async fn query(
    site: Data<Site>,
    question: Json<Question>,
) -> Result<HttpResponse, Problem> {
    let rows = ask(&site, &question.sql).await?;
    Ok(reply::written_json(rows.json()))
}

/// `POST /api/crawl`: a crawl now.
pub(crate) async fn crawl(site: Data<Site>) -> Result<HttpResponse, Problem> {
    Ok(reply::json(&site.catalog.crawl(false).await?))
}

/// `POST /command/{name}`: for the owner's shell only.
pub(crate) async fn command(
    site: Data<Site>,
    request: HttpRequest,
    name: Path<String>,
    body: Json<Value>,
) -> Result<HttpResponse, Problem> {
    let commands: &command::Commands = &site.sources.commands;
    let header = request.headers().get(header::AUTHORIZATION);
    if !commands.admits(header.map(HeaderValue::as_bytes)) {
        return Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "commands are for the owner of this process",
            "send the token of its owner.json as `Authorization: Bearer …`",
        ));
    }
    let Some(run) = commands.get(&name) else {
        let known: Vec<_> = commands.names().collect();
        return Err(Problem::new(
            StatusCode::NOT_FOUND,
            format!("there is no command {:?}", name.as_str()),
            &format!("known are: {}", known.join(", ")),
        ));
    };
    Ok(reply::json(&run(body.into_inner()).await?))
}
