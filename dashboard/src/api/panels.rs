//! The panels for programs: JSON, or CSV with `?format=csv` or a path that ends in `.csv`.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path, Query};
use futures::FutureExt;
use futures::future::LocalBoxFuture;
use serde_json::{Value, json};

use crate::http::params::{QueryParams, similar};
use crate::http::problem::Problem;
use crate::http::reply;
use crate::select::selection::Selection;
use crate::select::words::parse_dimension;
use crate::site::Site;
use crate::view::grid::Grid;
use crate::view::panels::{self, LISTED_RUNS, SAMPLES_PER_REASON};
use crate::view::periods::Periods;
use crate::view::rates::{self, RATE_WINDOW};
use crate::view::{datasets, funnel, stacked};

/// How many rows a program gets unless it asks for another number.
const DEFAULT_ROWS: usize = 300;
/// How many rows a program may ask for.
const MAX_ROWS: usize = 10_000;

/// A panel, at `/api/{name}`.
pub(crate) struct Panel {
    pub(crate) name: &'static str,
    /// What it holds, in a few words.
    pub(crate) about: &'static str,
    handler: Handler,
}

type Handler =
    for<'a> fn(&'a Site, &'a PanelRequest) -> LocalBoxFuture<'a, Result<Answer, Problem>>;

/// What a panel is asked for.
struct PanelRequest {
    params: QueryParams,
    selection: Selection,
}

/// A panel's two faces. Some say more in JSON than a table can.
struct Answer {
    json: Value,
    table: Grid,
}

impl From<Grid> for Answer {
    fn from(table: Grid) -> Self {
        let json = table.json();
        Self { json, table }
    }
}

/// Builds a panel from its name, its description and its handler.
macro_rules! panel {
    ($name:literal, $about:literal, $handler:ident) => {
        Panel {
            name: $name,
            about: $about,
            handler: |site, request| $handler(site, request).boxed_local(),
        }
    };
}

/// Every panel.
pub(crate) const PANELS: [Panel; 16] = [
    panel!(
        "totals",
        "clicks, visitors, orders and revenue of a range",
        totals
    ),
    panel!(
        "series",
        "one metric by step, and the period before",
        series
    ),
    panel!("actions", "clicks by step and action", actions),
    panel!(
        "breakdown",
        "clicks and revenue by the values of a dimension (by=)",
        breakdown
    ),
    panel!(
        "unbought",
        "products that were viewed and never bought",
        unbought
    ),
    panel!("funnel", "visitors by step (then=view&then=buy)", steps),
    panel!("accounting", "what became of every record", accounting),
    panel!("freshness", "how far each partition is", freshness),
    panel!(
        "rates",
        "how fast records come in and are committed",
        throughput
    ),
    panel!("letters", "dead letters by reason, with samples", letters),
    panel!("objects", "the newest objects of the lake", objects),
    panel!("crawls", "the newest runs of the crawler", crawls),
    panel!("disk", "what is kept on this machine's disks", disk),
    panel!(
        "datasets",
        "the data sets and their newest runs",
        dataset_states
    ),
    panel!("externals", "the crawls of external tables", externals),
    panel!(
        "quarantined",
        "objects that external tables do not show",
        quarantined
    ),
];

/// `GET /api/{panel}`
pub(crate) async fn panel(
    site: Data<Site>,
    name: Path<String>,
    params: Query<QueryParams>,
) -> Result<HttpResponse, Problem> {
    let (name, dotted) = match name.strip_suffix(".csv") {
        Some(name) => (name, true),
        None => (name.as_str(), false),
    };
    let csv = match params.get("format") {
        None | Some("json") => dotted,
        Some("csv") => true,
        Some(other) => {
            return Err(Problem::invalid(
                format!("unknown format '{other}'"),
                "choose json or csv",
            ));
        }
    };
    let panel = PANELS.iter().find(|panel| panel.name == name);
    let panel = panel.ok_or_else(|| unknown(name))?;
    let request = PanelRequest {
        selection: Selection::read(&params)?,
        params: params.into_inner(),
    };
    let answer = (panel.handler)(&site, &request).await?;
    Ok(if csv {
        reply::csv(panel.name, answer.table.csv())
    } else {
        reply::json(&answer.json)
    })
}

/// 404 that names the panels.
fn unknown(name: &str) -> Problem {
    let names: Vec<_> = PANELS.iter().map(|panel| panel.name).collect();
    let guess = similar(name, names.iter().copied());
    let guess = guess.map(|guess| format!(". Did you mean '{guess}'?"));
    Problem::new(
        StatusCode::NOT_FOUND,
        format!("unknown panel '{name}'{}", guess.unwrap_or_default()),
        &format!("the panels are {}", names.join(", ")),
    )
}

async fn totals(site: &Site, request: &PanelRequest) -> Result<Answer, Problem> {
    let window = site.window(&request.selection).await?;
    let (now, before) = site.totals(&window).await?;
    let json = json!({
        "from": window.filter.from.to_string(),
        "to": window.filter.to.to_string(),
        "now": now,
        "before": before,
    });
    let table = panels::totals(&now, before.as_ref());
    Ok(Answer { json, table })
}

async fn series(site: &Site, request: &PanelRequest) -> Result<Answer, Problem> {
    let window = site.window(&request.selection).await?;
    let periods = Periods::of(site, &window, request.selection.metric).await?;
    Ok(periods.table().into())
}

async fn actions(site: &Site, request: &PanelRequest) -> Result<Answer, Problem> {
    let window = site.window(&request.selection).await?;
    let buckets = site.catalog.actions_by(&window.filter, window.step).await?;
    Ok(stacked::long_table(&buckets, window.step).into())
}

async fn breakdown(site: &Site, request: &PanelRequest) -> Result<Answer, Problem> {
    let by = request.params.get("by").ok_or_else(|| {
        Problem::invalid(
            "there is no dimension",
            "add by=product, or another dimension",
        )
    })?;
    let (by, n) = (parse_dimension(by)?, row_count(&request.params)?);
    let window = site.window(&request.selection).await?;
    let catalog = &site.catalog;
    let found = catalog.breakdown(&window.filter, by, request.selection.metric, n);
    let found = found.await?;
    let table = panels::breakdown(by.name(), &found);
    let json = json!(found);
    Ok(Answer { json, table })
}

async fn unbought(site: &Site, request: &PanelRequest) -> Result<Answer, Problem> {
    let window = site.window(&request.selection).await?;
    let found = funnel::unbought(site, &window, row_count(&request.params)?).await?;
    let table = panels::breakdown("product", &found);
    let json = json!(found);
    Ok(Answer { json, table })
}

async fn steps(site: &Site, request: &PanelRequest) -> Result<Answer, Problem> {
    let window = site.window(&request.selection).await?;
    let (_, steps) = funnel::steps(site, &request.selection).await?;
    let reached = funnel::reached(site, &window, &steps, request.selection.window).await?;
    let table = funnel::table(&reached);
    let json = json!(reached);
    Ok(Answer { json, table })
}

async fn accounting(site: &Site, _: &PanelRequest) -> Result<Answer, Problem> {
    let (balance, _) = site.balance().await?;
    let (json, table) = (balance.json(), balance.table());
    Ok(Answer { json, table })
}

async fn freshness(site: &Site, _: &PanelRequest) -> Result<Answer, Problem> {
    let (balance, freshness) = site.balance().await?;
    Ok(panels::freshness(&freshness, &balance, site.clock.now()).into())
}

async fn throughput(site: &Site, _: &PanelRequest) -> Result<Answer, Problem> {
    let (balance, _) = site.balance().await?;
    let rates = site.catalog.rates(RATE_WINDOW).await?;
    Ok(rates::table(&rates, &balance, site.clock.now()).into())
}

async fn letters(site: &Site, _: &PanelRequest) -> Result<Answer, Problem> {
    let (letters, _) = site.catalog.letters(SAMPLES_PER_REASON).await?;
    let (json, table) = (json!(letters), panels::letters(&letters));
    Ok(Answer { json, table })
}

async fn objects(site: &Site, request: &PanelRequest) -> Result<Answer, Problem> {
    let objects = site.catalog.newest(row_count(&request.params)?).await?;
    Ok(panels::objects(&objects).into())
}

async fn crawls(site: &Site, _: &PanelRequest) -> Result<Answer, Problem> {
    Ok(panels::crawls(&site.catalog.crawls(LISTED_RUNS).await?).into())
}

async fn disk(site: &Site, _: &PanelRequest) -> Result<Answer, Problem> {
    Ok(panels::disk(&site.disks().await).into())
}

async fn dataset_states(site: &Site, _: &PanelRequest) -> Result<Answer, Problem> {
    Ok(datasets::states(&site.catalog.datasets().await?).into())
}

async fn externals(site: &Site, _: &PanelRequest) -> Result<Answer, Problem> {
    Ok(datasets::adoptions(&site.catalog.adoptions(LISTED_RUNS).await?).into())
}

async fn quarantined(site: &Site, _: &PanelRequest) -> Result<Answer, Problem> {
    Ok(datasets::quarantined(&site.catalog.quarantined(LISTED_RUNS).await?).into())
}

/// The number of rows that `n` asks for.
fn row_count(params: &QueryParams) -> Result<usize, Problem> {
    let Some(text) = params.get("n") else {
        return Ok(DEFAULT_ROWS);
    };
    let number = text.parse().ok().filter(|n| (1..=MAX_ROWS).contains(n));
    number.ok_or_else(|| {
        Problem::invalid(
            format!("'{text}' is not a number of rows"),
            &format!("write `n` as a number from 1 to {MAX_ROWS}"),
        )
    })
}
