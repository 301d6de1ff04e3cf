//! The pipeline's page: what became of every record, how far each partition is, what was
//! refused and why.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use askama::Template;
use futures::try_join;

use crate::http::nav::Nav;
use crate::http::problem::{PageProblem, Problem, html};
use crate::site::Site;
use crate::view::balance::Balance;
use crate::view::human;
use crate::view::panels::{self, RUNS, SAMPLES};
use crate::view::rates;
use crate::view::table::Sheet;

#[derive(Template)]
#[template(path = "pipeline.html")]
struct PipelinePage {
    nav: Nav,
    as_of: String,
    /// The panels, rendered.
    panels: String,
}

#[derive(Template)]
#[template(path = "pipeline_panels.html")]
struct Panels {
    balance: Balance,
    accounting: Sheet,
    /// How fast all partitions are; empty where it is not known.
    pace: String,
    rates: Sheet,
    freshness: Sheet,
    letters: Sheet,
    /// Whether older dead letters are not counted.
    cut: bool,
    objects: Sheet,
    crawls: Sheet,
    /// What the rollups lack; none where they lack nothing.
    backlog: Option<String>,
}

/// `GET /pipeline`
pub(crate) async fn page(site: Data<Site>) -> Result<HttpResponse, PageProblem> {
    let panels = gather(&site).await?;
    let page = PipelinePage {
        nav: Nav::of("/pipeline"),
        as_of: human::clock(site.clock.now()),
        panels: panels
            .render()
            .expect("a template over plain text and numbers renders"),
    };
    Ok(html(StatusCode::OK, &page))
}

/// `GET /pipeline/panels`: what changes while the page is open.
pub(crate) async fn fragment(site: Data<Site>) -> Result<HttpResponse, PageProblem> {
    Ok(html(StatusCode::OK, &gather(&site).await?))
}

async fn gather(site: &Site) -> Result<Panels, Problem> {
    let ((balance, freshness), rates, (letters, cut), objects, runs, backlog) = try_join!(
        site.balance(),
        async { Ok(site.catalog.rates(rates::TIME).await?) },
        async { Ok(site.catalog.letters(SAMPLES).await?) },
        async { Ok(site.catalog.newest(RUNS).await?) },
        async { Ok(site.catalog.crawls(RUNS).await?) },
        async { Ok(site.catalog.backlog().await?) },
    )?;
    let now = site.clock.now();
    Ok(Panels {
        pace: rates::sentence(&rates, &balance, now),
        rates: rates::sheet(&rates, &balance, now),
        accounting: balance.sheet(),
        freshness: panels::freshness(&freshness, &balance, now),
        balance,
        letters: panels::letters(&letters),
        cut,
        objects: panels::objects(&objects),
        crawls: panels::crawls(&runs),
        backlog: (backlog > 0).then(|| behind(backlog)),
    })
}

/// What is so far not in the rollups, in a sentence.
fn behind(backlog: u64) -> String {
    format!(
        "{} objects are registered and not folded into the rollups yet: until they are, which \
         happens by itself, their rows are read, and panels that need them are slower.",
        human::count(backlog)
    )
}
