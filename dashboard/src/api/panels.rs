//! The panels for programs: JSON, or CSV with `?format=csv` or a path that ends in `.csv`.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderValue;
use actix_web::web::{Data, Path, Query};
use futures::FutureExt;
use futures::future::LocalBoxFuture;
use serde_json::{Value, json};

use crate::firewall::{EdgeRules, RuleActivity};
use crate::http::format::TRUNCATED;
use crate::http::params::{QueryParams, similar};
use crate::http::problem::Problem;
use crate::http::reply;
use crate::select::selection::Selection;
use crate::select::words::parse_dimension;
use crate::site::Site;
use crate::view::grid::Grid;
use crate::view::panels::{self, SAMPLES_PER_REASON};
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
    /// How many rows it has unless `n` asks for another number. `None` if it has all.
    rows: Option<usize>,
}

type Handler =
    for<'a> fn(&'a Site, &'a PanelRequest) -> LocalBoxFuture<'a, Result<Answer, Problem>>;

/// What a panel is asked for.
struct PanelRequest {
    params: QueryParams,
    selection: Selection,
    /// How many rows it may have.
    rows: usize,
}

/// A panel's two faces. Some say more in JSON than a table can.
struct Answer {
    json: Value,
    table: Grid,
    /// True if there are more rows than these.
    truncated: bool,
}

impl From<Grid> for Answer {
    fn from(table: Grid) -> Self {
        Self::new(table.json(), table)
    }
}

impl Answer {
    const fn new(json: Value, table: Grid) -> Self {
        Self {
            json,
            table,
            truncated: false,
        }
    }

    /// The first so many rows of a list, which was asked for one more.
    fn first<T>(mut rows: Vec<T>, count: usize, table: impl FnOnce(&[T]) -> Grid) -> Self {
        let truncated = rows.len() > count;
        rows.truncate(count);
        Self {
            truncated,
            ..table(&rows).into()
        }
    }
}

/// Builds a panel from its name, its description and its handler, and the number of rows that it
/// has unless `n` asks for another.
macro_rules! panel {
    ($name:literal, $about:literal, $handler:ident) => {
        panel!($name, $about, $handler, None)
    };
    ($name:literal, $about:literal, $handler:ident, $rows:expr) => {
        Panel {
            name: $name,
            about: $about,
            handler: |site, request| $handler(site, request).boxed_local(),
            rows: $rows,
        }
    };
}

/// Every panel.
pub(crate) const PANELS: [Panel; 19] = [
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
        breakdown,
        Some(DEFAULT_ROWS)
    ),
    panel!(
        "unbought",
        "products that were viewed and never bought",
        unbought,
        Some(DEFAULT_ROWS)
    ),
    panel!("funnel", "visitors by step (then=view&then=buy)", steps),
    panel!("accounting", "what became of every record", accounting),
    panel!("freshness", "how far each partition is", freshness),
    panel!(
        "rates",
        "how fast records come in and are committed",
        throughput
    ),
    panel!(
        "letters",
        "dead letters by reason and source, with samples",
        letters
    ),
    panel!(
        "objects",
        "the newest objects of the lake",
        objects,
        Some(DEFAULT_ROWS)
    ),
    panel!(
        "crawls",
        "the newest runs of the crawler",
        crawls,
        Some(DEFAULT_ROWS)
    ),
    panel!(
        "object_states",
        "how many objects the lake has, and what becomes of them",
        object_states
    ),
    panel!("disk", "what is kept on this machine's disks", disk),
    panel!(
        "rules",
        "how often the rules of the edge meant a request",
        rules
    ),
    panel!(
        "rule_hits",
        "the newest requests that a rule of the edge meant",
        rule_hits
    ),
    panel!(
        "datasets",
        "the data sets and their newest runs",
        dataset_states
    ),
    panel!(
        "externals",
        "the crawls of external tables",
        externals,
        Some(DEFAULT_ROWS)
    ),
    panel!(
        "quarantined",
        "objects that external tables do not show",
        quarantined,
        Some(DEFAULT_ROWS)
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
        rows: row_count(panel, &params)?,
        params: params.into_inner(),
    };
    let answer = (panel.handler)(&site, &request).await?;
    let mut response = if csv {
        reply::csv(panel.name, answer.table.csv())
    } else {
        reply::json(&answer.json)
    };
    if panel.rows.is_some() {
        let truncated = if answer.truncated { "true" } else { "false" };
        let headers = response.headers_mut();
        headers.insert(TRUNCATED, HeaderValue::from_static(truncated));
    }
    Ok(response)
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
    Ok(Answer::new(json, table))
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
    let (by, n) = (parse_dimension(by)?, request.rows);
    let window = site.window(&request.selection).await?;
    let catalog = &site.catalog;
    let found = catalog.breakdown(&window.filter, by, request.selection.metric, n);
    let found = found.await?;
    let table = panels::breakdown(by.name(), &found);
    let json = json!(found);
    Ok(Answer::new(json, table))
}

async fn unbought(site: &Site, request: &PanelRequest) -> Result<Answer, Problem> {
    let window = site.window(&request.selection).await?;
    let found = funnel::unbought(site, &window, request.rows).await?;
    let table = panels::breakdown("product", &found);
    let json = json!(found);
    Ok(Answer::new(json, table))
}

async fn steps(site: &Site, request: &PanelRequest) -> Result<Answer, Problem> {
    let window = site.window(&request.selection).await?;
    let (_, steps) = funnel::steps(site, &request.selection).await?;
    let reached = funnel::reached(site, &window, &steps, request.selection.window).await?;
    let table = funnel::table(&reached);
    let json = json!(reached);
    Ok(Answer::new(json, table))
}

async fn accounting(site: &Site, _: &PanelRequest) -> Result<Answer, Problem> {
    let (balance, _) = site.balance().await?;
    let (json, table) = (balance.json(), balance.table());
    Ok(Answer::new(json, table))
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
    Ok(Answer::new(json, table))
}

async fn objects(site: &Site, request: &PanelRequest) -> Result<Answer, Problem> {
    let objects = site.catalog.newest(request.rows + 1).await?;
    Ok(Answer::first(objects, request.rows, panels::objects))
}

async fn crawls(site: &Site, request: &PanelRequest) -> Result<Answer, Problem> {
    let crawls = site.catalog.crawls(request.rows + 1).await?;
    Ok(Answer::first(crawls, request.rows, panels::crawls))
}

async fn disk(site: &Site, _: &PanelRequest) -> Result<Answer, Problem> {
    Ok(panels::disk(&site.disks().await).into())
}

async fn object_states(site: &Site, _: &PanelRequest) -> Result<Answer, Problem> {
    let states = (site.sources.objects)().await;
    Ok(panels::object_states(&states).into())
}

/// What the rules did. An edge that is another process shows it itself.
fn activity(site: &Site) -> RuleActivity {
    match &site.sources.rules {
        EdgeRules::Here(activity) => activity(),
        EdgeRules::Absent | EdgeRules::Elsewhere => RuleActivity::default(),
    }
}

async fn rules(site: &Site, _: &PanelRequest) -> Result<Answer, Problem> {
    Ok(panels::rules(&activity(site).rules).into())
}

async fn rule_hits(site: &Site, _: &PanelRequest) -> Result<Answer, Problem> {
    Ok(panels::rule_hits(&activity(site).hits).into())
}

async fn dataset_states(site: &Site, _: &PanelRequest) -> Result<Answer, Problem> {
    Ok(datasets::states(&site.catalog.datasets().await?).into())
}

async fn externals(site: &Site, request: &PanelRequest) -> Result<Answer, Problem> {
    let runs = site.catalog.adoptions(request.rows + 1).await?;
    Ok(Answer::first(runs, request.rows, datasets::adoptions))
}

async fn quarantined(site: &Site, request: &PanelRequest) -> Result<Answer, Problem> {
    let files = site.catalog.quarantined(request.rows + 1).await?;
    Ok(Answer::first(files, request.rows, datasets::quarantined))
}

/// The number of rows that `n` asks for.
fn row_count(panel: &Panel, params: &QueryParams) -> Result<usize, Problem> {
    let Some(text) = params.get("n") else {
        return Ok(panel.rows.unwrap_or(DEFAULT_ROWS));
    };
    if panel.rows.is_none() {
        let counted = PANELS.iter().filter(|panel| panel.rows.is_some());
        let counted: Vec<_> = counted.map(|panel| panel.name).collect();
        return Err(Problem::invalid(
            format!("'{}' is not a list of so many rows", panel.name),
            &format!("leave `n` out; it goes with {}", counted.join(", ")),
        ));
    }
    let number = text.parse().ok().filter(|n| (1..=MAX_ROWS).contains(n));
    number.ok_or_else(|| {
        Problem::invalid(
            format!("'{text}' is not a number of rows"),
            &format!("write `n` as a number from 1 to {MAX_ROWS}"),
        )
    })
}
