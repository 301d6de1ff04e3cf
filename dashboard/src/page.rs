//! The dashboard's page: `/`, and `/panels`, the part of it that is fetched again.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Query};
use askama::Template;
use catalog::{Product, Step, Timestamp, Values};
use futures::try_join;

use crate::axis::Chart;
use crate::balance::Balance;
use crate::figures;
use crate::panels::{self, Bar, Figure, LISTED, RUNS};
use crate::reply::{PageProblem, Problem, html};
use crate::selection::{Asked, Selection, Window, word};
use crate::sheet::Sheet;
use crate::site::Site;

/// What sends a first click to the edge at `edge`.
fn first_click(edge: &str) -> String {
    format!(
        r#"curl -i {edge}/v1/events \
  -H 'content-type: application/json' \
  -d '{{"id":"first","action":"view","product_id":"p1","visitor_id":"me"}}'"#
    )
}

#[derive(Template)]
#[template(path = "dashboard.html")]
struct Dashboard {
    as_of: String,
    ranges: Vec<(String, &'static str, bool)>,
    range_name: &'static str,
    edges: (String, String),
    steps: Vec<Choice>,
    action_choices: Vec<Choice>,
    country_choices: Vec<Choice>,
    product: String,
    /// The panels, rendered: the template's own text around escaped values.
    panels: String,
}

/// A value of a form's list, its label, and whether it is chosen.
type Choice = (String, String, bool);

#[derive(Template)]
#[template(path = "panels.html")]
struct Panels {
    /// When this was read.
    as_of: Timestamp,
    hint: Option<Hint>,
    first_click: String,
    range_text: String,
    /// The query of the page, with its question mark; empty for the default.
    mark: String,
    totals: Vec<Figure>,
    step: &'static str,
    actions: Sheet,
    cut: Option<String>,
    /// The chart's numbers as JSON that cannot end a `script` element.
    chart: String,
    products: Vec<Listed>,
    countries: Listed,
    balance: Balance,
    accounting: Sheet,
    freshness: Sheet,
    crawls: Sheet,
}

/// Why a page is empty.
enum Hint {
    EmptyLake,
    Elsewhere {
        least: String,
        greatest: String,
        all: String,
    },
}

/// A list that is shown as bars, with its table.
struct Listed {
    title: String,
    action: String,
    bars: Vec<Bar>,
    sheet: Sheet,
}

/// `GET /`
pub(crate) async fn page(
    site: Data<Site>,
    asked: Query<Asked>,
) -> Result<HttpResponse, PageProblem> {
    let selection = Selection::read(asked.into_inner())?;
    let (panels, values) = try_join!(gather(&site, &selection), async {
        Ok(site.catalog.filter_values().await?)
    })?;
    let page = Dashboard::over(&selection, &values, &panels);
    Ok(html(StatusCode::OK, &page))
}

/// `GET /panels`: what changes while the page is open.
pub(crate) async fn fragment(
    site: Data<Site>,
    asked: Query<Asked>,
) -> Result<HttpResponse, PageProblem> {
    let selection = Selection::read(asked.into_inner())?;
    let panels = gather(&site, &selection).await?;
    Ok(html(StatusCode::OK, &panels))
}

impl Dashboard {
    fn over(selection: &Selection, values: &Values, panels: &Panels) -> Self {
        let steps = [
            ("", "by the range"),
            ("hour", "hour"),
            ("day", "day"),
            ("month", "month"),
        ];
        let chosen = selection.step.map(word).unwrap_or_default();
        let steps = steps.map(|(value, label)| (value.into(), label.into(), value == chosen));
        Self {
            as_of: panels.as_of.datetime().format("%H:%M:%S").to_string(),
            ranges: selection.ranges(),
            range_name: selection.range_name(),
            edges: selection.edges(),
            steps: steps.into(),
            action_choices: choices(&values.actions, selection.action.as_deref()),
            country_choices: choices(&values.countries, selection.country.as_deref()),
            product: selection.product.clone().unwrap_or_default(),
            panels: panels
                .render()
                .expect("a template over plain text and numbers renders"),
        }
    }
}

/// "any", the values there are, and the chosen one also where it is not among them.
fn choices(values: &[String], chosen: Option<&str>) -> Vec<Choice> {
    let unlisted = chosen.filter(|chosen| !values.iter().any(|value| value == chosen));
    let any = (String::new(), "any".to_owned(), chosen.is_none());
    let listed = values.iter().map(String::as_str).chain(unlisted);
    let choice = |value: &str| (value.to_owned(), value.to_owned(), Some(value) == chosen);
    std::iter::once(any).chain(listed.map(choice)).collect()
}

async fn gather(site: &Site, selection: &Selection) -> Result<Panels, Problem> {
    let span = site.catalog.span().await?;
    let now = site.clock.now();
    let window = selection.window(now, span);
    let Window {
        filter,
        step,
        compared,
    } = &window;
    let (totals, buckets, products, countries, (balance, freshness), runs) = try_join!(
        async { Ok(site.catalog.totals(filter).await?) },
        async { Ok(site.catalog.actions_by(filter, *step).await?) },
        panels::products(site, &window),
        async { Ok(site.catalog.countries(filter, LISTED).await?) },
        site.balance(),
        async { Ok(site.catalog.crawls(RUNS).await?) },
    )?;
    let chart = Chart::lay(&buckets, filter, *step);
    let (actions, cut) = chart.table(*step);
    let hint = match span {
        None => Some(Hint::EmptyLake),
        Some((least, greatest)) if totals.now.clicks == 0 => Some(Hint::Elsewhere {
            least: figures::time(least),
            greatest: figures::time(greatest),
            all: selection.wider().query(),
        }),
        Some(_) => None,
    };
    let query = selection.query();
    let counted: Vec<_> = countries
        .iter()
        .map(|one| {
            let name = one.country.clone().unwrap_or_else(|| "not known".into());
            (name, String::new(), one.clicks)
        })
        .collect();
    Ok(Panels {
        as_of: now,
        hint,
        first_click: first_click(&site.sources.edge),
        range_text: range_text(&window),
        mark: if query.is_empty() {
            query
        } else {
            format!("?{query}")
        },
        totals: panels::figures(&totals, *compared),
        step: word(*step),
        actions,
        cut,
        chart: chart.inline(),
        products: products
            .into_iter()
            .map(|(action, list)| listed(action, &list))
            .collect(),
        countries: Listed {
            title: "Countries".into(),
            action: String::new(),
            bars: panels::bars(&counted),
            sheet: panels::countries(&countries),
        },
        accounting: balance.sheet(),
        freshness: panels::freshness(&freshness, &balance, now),
        balance,
        crawls: panels::crawls(&runs),
    })
}

fn listed(action: String, products: &[Product]) -> Listed {
    let counted: Vec<_> = products
        .iter()
        .map(|product| match product.name.clone() {
            Some(name) => (name, product.product_id.clone(), product.clicks),
            None => (product.product_id.clone(), String::new(), product.clicks),
        })
        .collect();
    let title = match action.as_str() {
        "view" => "Most viewed".to_owned(),
        "buy" => "Most bought".to_owned(),
        other => format!("Products by “{other}”"),
    };
    let sheet = panels::product_sheet(products.iter().map(|product| (action.as_str(), product)));
    Listed {
        title,
        action,
        bars: panels::bars(&counted),
        sheet,
    }
}

/// The range in words, to the minute.
fn range_text(window: &Window) -> String {
    let minute = |at: Timestamp| at.datetime().format("%Y-%m-%d %H:%M").to_string();
    let Window { filter, step, .. } = window;
    let form = match step {
        Step::Month => |at: Timestamp| at.datetime().format("%Y-%m-%d").to_string(),
        Step::Hour | Step::Day => minute,
    };
    format!("{} to {}", form(filter.from), form(filter.to))
}
