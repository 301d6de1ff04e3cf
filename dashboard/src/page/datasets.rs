//! Tables that the configuration adds to the lake's: data sets with their runs and a button,
//! external tables with what was found in them and what was not shown.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use askama::Template;
use catalog::{Adoption, DatasetState, Quarantined};

use crate::http::nav::Nav;
use crate::http::problem::{self, PageProblem};
use crate::select::selection::percent;
use crate::site::Site;
use crate::view::human;
use crate::view::table::{Cell, Sheet};

/// How many runs and objects the page shows.
const SHOWN: usize = 50;

#[derive(Template)]
#[template(path = "datasets.html")]
struct DatasetsPage {
    nav: Nav,
    datasets: Vec<Shown>,
    externals: Vec<(String, String, String)>,
    runs: Sheet,
    quarantined: Sheet,
}

/// A data set, as its card shows it.
struct Shown {
    state: DatasetState,
    /// What its newest run came to.
    newest: String,
    error: Option<String>,
    /// The address of its rows on the SQL page.
    rows: String,
    runs: Sheet,
}

/// `GET /datasets`
pub(crate) async fn page(site: Data<Site>) -> Result<HttpResponse, PageProblem> {
    let page = shown(&site)
        .await
        .map_err(|error| PageProblem(error.into()))?;
    Ok(problem::html(StatusCode::OK, &page))
}

/// `POST /datasets/{name}/refresh`: makes a data set again, then shows the page.
pub(crate) async fn refresh(
    site: Data<Site>,
    name: Path<String>,
) -> Result<HttpResponse, PageProblem> {
    let run = site.catalog.refresh(&name).await;
    run.map_err(|error| PageProblem(error.into()))?;
    Ok(problem::see("/datasets"))
}

async fn shown(site: &Site) -> Result<DatasetsPage, catalog::Error> {
    let catalog = &site.catalog;
    let datasets = catalog.datasets().await?.into_iter().map(card).collect();
    let externals = catalog.config().externals.iter().map(|external| {
        let rows = percent(&format!("FROM {} LIMIT 100", external.name));
        (external.name.clone(), external.path.clone(), rows)
    });
    Ok(DatasetsPage {
        nav: Nav::of("/datasets"),
        datasets,
        externals: externals.collect(),
        runs: adoptions(&catalog.adoptions(SHOWN).await?),
        quarantined: quarantined(&catalog.quarantined(SHOWN).await?),
    })
}

fn card(state: DatasetState) -> Shown {
    let took = |ms| human::lasting(Duration::from_millis(ms));
    let newest = match (state.runs.first(), state.rows) {
        (None, _) => "It was not made yet.".to_owned(),
        (Some(run), Some(rows)) => format!(
            "{} rows; made at {}, in {}.",
            human::count(rows),
            human::time(run.started_at),
            took(run.took_ms)
        ),
        (Some(_), None) => "No run of it has succeeded yet.".to_owned(),
    };
    let rows = state.runs.iter().map(|run| {
        vec![
            Cell::Time(run.started_at),
            Cell::Lasting(Duration::from_millis(run.took_ms)),
            run.rows.map_or(Cell::Empty, Cell::Count),
            Cell::text(run.error.clone()),
        ]
    });
    Shown {
        newest,
        error: state.runs.first().and_then(|run| run.error.clone()),
        rows: percent(&format!("FROM {} LIMIT 100", state.name)),
        runs: Sheet::new(["started_at", "took_s", "rows", "error"], rows.collect()),
        state,
    }
}

/// The data sets, for programs: a row each.
pub(crate) fn states(datasets: &[DatasetState]) -> Sheet {
    let rows = datasets.iter().map(|state| {
        let newest = state.runs.first();
        vec![
            Cell::Text(state.name.clone()),
            Cell::Text(state.when.clone()),
            state.rows.map_or(Cell::Empty, Cell::Count),
            newest.map_or(Cell::Empty, |run| Cell::Time(run.started_at)),
            newest.map_or(Cell::Empty, |run| {
                Cell::Lasting(Duration::from_millis(run.took_ms))
            }),
            Cell::text(newest.and_then(|run| run.error.clone())),
        ]
    });
    let columns = ["name", "made", "rows", "started_at", "took_s", "error"];
    Sheet::new(columns, rows.collect())
}

/// The runs over external trees.
pub(crate) fn adoptions(runs: &[Adoption]) -> Sheet {
    let rows = runs.iter().map(|run| {
        vec![
            Cell::Text(run.name.clone()),
            Cell::Time(run.started_at),
            Cell::Lasting(Duration::from_millis(run.took_ms)),
            Cell::Count(run.found),
            Cell::Count(run.adopted),
            Cell::Count(run.rows),
            Cell::Count(run.quarantined),
            Cell::Count(run.gone),
            Cell::text(Some(run.detail.clone()).filter(|detail| !detail.is_empty())),
        ]
    });
    let columns = [
        "table",
        "started_at",
        "took_s",
        "found",
        "shown",
        "rows",
        "quarantined",
        "gone",
        "detail",
    ];
    Sheet::new(columns, rows.collect())
}

/// The objects that external tables do not show.
pub(crate) fn quarantined(objects: &[Quarantined]) -> Sheet {
    let rows = objects.iter().map(|object| {
        vec![
            Cell::Text(object.name.clone()),
            Cell::Text(object.path.clone()),
            Cell::Size(object.bytes),
            Cell::Text(object.reason.clone()),
        ]
    });
    Sheet::new(["table", "path", "bytes", "reason"], rows.collect())
}

#[cfg(test)]
mod tests {
    use crate::tests::fixture::{Served, told};

    #[tokio::test(flavor = "multi_thread")]
    async fn a_data_set_is_made_by_its_button_and_shown() {
        let served = Served::full().await;
        let (_, page) = served.read("/datasets").await;
        assert!(
            page.contains("It was not made yet.")
                && page.contains("<h2 id=\"set-1\">by_product</h2>"),
            "{page}"
        );
        let (status, page) = told(served.post("/datasets/by_product/refresh")).await;
        assert!(status == 200 && page.contains("4 rows; made at"), "{page}");
        let states = served.json("/api/datasets").await;
        assert_eq!(states[0]["rows"], 4, "{states}");
        let (_, rows) = served
            .read("/api/query?format=csv&sql=SELECT%20sum(n)%20FROM%20by_product")
            .await;
        assert!(rows.contains("10"), "{rows}");
        let (status, page) = told(served.post("/datasets/none/refresh")).await;
        assert!(
            status == 400 && page.contains("there are by_product"),
            "{page}"
        );
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn without_any_the_page_says_how_to_begin() {
        let served = Served::empty().await;
        let (status, page) = served.read("/datasets").await;
        assert!(
            status == 200 && page.contains("[[dataset]]") && page.contains("[[external]]"),
            "{page}"
        );
    }
}
