//! The tables that the configuration adds: data sets with their runs, and external tables with
//! what was found in them and what is not shown.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use askama::Template;
use catalog::DatasetState;

use crate::http::nav::Nav;
use crate::http::params::percent_encode;
use crate::http::problem::PageProblem;
use crate::http::reply;
use crate::site::Site;
use crate::view::datasets::{adoptions, quarantined};
use crate::view::grid::{Cell, Grid};
use crate::view::human;

/// How many runs and objects the page shows.
const MAX_RUNS: usize = 50;

#[derive(Template)]
#[template(path = "datasets.html")]
struct DatasetsPage {
    nav: Nav,
    datasets: Vec<DatasetCard>,
    /// Name, path, and the query of its rows on the SQL page.
    externals: Vec<(String, String, String)>,
    runs: Grid,
    quarantined: Grid,
}

/// A data set on its card.
struct DatasetCard {
    state: DatasetState,
    /// The outcome of its newest run.
    newest: String,
    error: Option<String>,
    /// The query of its rows on the SQL page.
    rows: String,
    runs: Grid,
}

/// `GET /datasets`
pub(crate) async fn page(site: Data<Site>) -> Result<HttpResponse, PageProblem> {
    let page = gather(&site)
        .await
        .map_err(|error| PageProblem(error.into()))?;
    Ok(reply::html(StatusCode::OK, &page))
}

/// `POST /datasets/{name}/refresh`: builds a data set again, then shows the page.
pub(crate) async fn refresh(
    site: Data<Site>,
    name: Path<String>,
) -> Result<HttpResponse, PageProblem> {
    let run = site.catalog.refresh(&name).await;
    run.map_err(|error| PageProblem(error.into()))?;
    Ok(reply::redirect("/datasets"))
}

async fn gather(site: &Site) -> Result<DatasetsPage, catalog::Error> {
    let catalog = &site.catalog;
    let datasets = catalog.datasets().await?.into_iter().map(card).collect();
    let externals = catalog.config().externals.iter().map(|external| {
        let rows = percent_encode(&format!("FROM {} LIMIT 100", external.name));
        (external.name.clone(), external.path.clone(), rows)
    });
    Ok(DatasetsPage {
        nav: Nav::of("/datasets"),
        datasets,
        externals: externals.collect(),
        runs: adoptions(&catalog.adoptions(MAX_RUNS).await?),
        quarantined: quarantined(&catalog.quarantined(MAX_RUNS).await?),
    })
}

fn card(state: DatasetState) -> DatasetCard {
    let took = |ms| human::duration(Duration::from_millis(ms));
    let newest = match (state.runs.first(), state.rows) {
        (None, _) => "Not built yet.".to_owned(),
        (Some(run), Some(rows)) => format!(
            "{} rows; last built {}, in {}.",
            human::count(rows),
            human::time(run.started_at),
            took(run.took_ms)
        ),
        (Some(_), None) => "No run has succeeded yet.".to_owned(),
    };
    let rows = state.runs.iter().map(|run| {
        vec![
            Cell::Time(run.started_at),
            Cell::Lasting(Duration::from_millis(run.took_ms)),
            run.rows.map_or(Cell::Empty, Cell::Count),
            Cell::text(run.error.clone()),
        ]
    });
    DatasetCard {
        newest,
        error: state.runs.first().and_then(|run| run.error.clone()),
        rows: percent_encode(&format!("FROM {} LIMIT 100", state.name)),
        runs: Grid::new(["started_at", "took_s", "rows", "error"], rows.collect()),
        state,
    }
}

#[cfg(test)]
mod tests {
    use crate::tests::fixture::{TestDashboard, answer};

    #[tokio::test(flavor = "multi_thread")]
    async fn a_data_set_is_built_by_its_button_and_shown() {
        let served = TestDashboard::full().await;
        let (_, page) = served.read("/datasets").await;
        assert!(
            page.contains("Not built yet.") && page.contains("<h2 id=\"set-1\">by_product</h2>"),
            "{page}"
        );
        let (status, page) = answer(served.post("/datasets/by_product/refresh")).await;
        assert!(
            status == 200 && page.contains("4 rows; last built"),
            "{page}"
        );
        let states = served.json("/api/datasets").await;
        assert_eq!(states[0]["rows"], 4, "{states}");
        let (_, rows) = served
            .read("/api/query?format=csv&sql=SELECT%20sum(n)%20FROM%20by_product")
            .await;
        assert!(rows.contains("10"), "{rows}");
        let (status, page) = answer(served.post("/datasets/none/refresh")).await;
        assert!(
            status == 400 && page.contains("there are by_product"),
            "{page}"
        );
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn without_data_sets_the_page_says_how_to_start() {
        let served = TestDashboard::empty().await;
        let (status, page) = served.read("/datasets").await;
        assert!(
            status == 200 && page.contains("[[dataset]]") && page.contains("[[external]]"),
            "{page}"
        );
    }
}
