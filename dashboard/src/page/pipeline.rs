//! The pipeline's page: what became of every record, how far each partition is, and which
//! records could not become rows.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use askama::Template;
use futures::try_join;

use crate::firewall::{EdgeRules, RuleActivity};
use crate::http::nav::Nav;
use crate::http::problem::{PageProblem, Problem};
use crate::http::reply;
use crate::site::Site;
use crate::view::balance::Balance;
use crate::view::grid::Grid;
use crate::view::human;
use crate::view::panels::{self, LISTED_RUNS, SAMPLES_PER_REASON};
use crate::view::rates::{self, RATE_WINDOW};

#[derive(Template)]
#[template(path = "pipeline.html")]
struct PipelinePage {
    nav: Nav,
    as_of: String,
    /// The rendered panels.
    panels: String,
}

#[derive(Template)]
#[template(path = "pipeline_panels.html")]
struct PipelinePanels {
    balance: Balance,
    accounting: Grid,
    /// How fast all partitions are together.
    pace: String,
    /// Over which time the rates are averaged.
    averaged: String,
    rates: Grid,
    freshness: Grid,
    letters: Grid,
    /// True if older dead letters are not counted.
    cut: bool,
    objects: Grid,
    crawls: Grid,
    object_states: Grid,
    disk: Grid,
    rules: Grid,
    rule_hits: Grid,
    /// Where the rules come from, or what there is instead.
    rule_note: String,
    /// What is wrong with the edge; `None` if nothing is.
    edge_warning: Option<String>,
    /// Why older rules are in force; `None` if they are the newest.
    rule_fault: Option<String>,
    /// What the rollups lack; `None` if they lack nothing.
    backlog: Option<String>,
}

/// `GET /pipeline`
pub(crate) async fn page(site: Data<Site>) -> Result<HttpResponse, PageProblem> {
    let panels = gather(&site).await?;
    let page = PipelinePage {
        nav: Nav::of("/pipeline"),
        as_of: human::clock(site.clock.now()),
        panels: reply::render(&panels),
    };
    Ok(reply::html(StatusCode::OK, &page))
}

/// `GET /pipeline/panels`: the part of the page that changes while it is open.
pub(crate) async fn fragment(site: Data<Site>) -> Result<HttpResponse, PageProblem> {
    Ok(reply::html(StatusCode::OK, &gather(&site).await?))
}

async fn gather(site: &Site) -> Result<PipelinePanels, Problem> {
    let ((balance, freshness), rates, (letters, cut), objects, runs, backlog, disks, states) = try_join!(
        site.balance(),
        async { Ok(site.catalog.rates(RATE_WINDOW).await?) },
        async { Ok(site.catalog.letters(SAMPLES_PER_REASON).await?) },
        async { Ok(site.catalog.newest(LISTED_RUNS).await?) },
        async { Ok(site.catalog.crawls(LISTED_RUNS).await?) },
        async { Ok(site.catalog.backlog().await?) },
        async { Ok(site.disks().await) },
        async { Ok((site.sources.objects)().await) },
    )?;
    let now = site.clock.now();
    let (rule_note, activity) = activity(site);
    Ok(PipelinePanels {
        pace: rates::summary(&rates, &balance, now),
        averaged: rates::averaged_over(&rates, now),
        rates: rates::table(&rates, &balance, now),
        accounting: balance.table(),
        freshness: panels::freshness(&freshness, &balance, now),
        balance,
        letters: panels::letters(&letters),
        cut,
        objects: panels::objects(&objects),
        crawls: panels::crawls(&runs),
        object_states: panels::object_states(&states),
        disk: panels::disk(&disks),
        rules: panels::rules(&activity.rules),
        rule_hits: panels::rule_hits(&activity.hits),
        rule_note,
        edge_warning: (site.sources.edge_warning)(),
        rule_fault: activity.stale,
        backlog: (backlog > 0).then(|| backlog_note(backlog)),
    })
}

/// What the edge's rules did, and where they come from.
fn activity(site: &Site) -> (String, RuleActivity) {
    match &site.sources.rules {
        EdgeRules::Here(activity) => {
            let activity = activity();
            (format!("From {}.", activity.source), activity)
        }
        EdgeRules::Absent => {
            let note = "The edge has no rules. Set producer.rules to a file of rules, or to starter \
                        for those that come with the program.";
            (note.into(), RuleActivity::default())
        }
        EdgeRules::Elsewhere => {
            let note = "The edge is another process. It answers what its rules did at /rules, to \
                        its own machine and to producer.metrics_from.";
            (note.into(), RuleActivity::default())
        }
    }
}

fn backlog_note(objects: u64) -> String {
    format!(
        "{} objects are not in the rollups yet. They will be added automatically. Until then, \
         panels read their rows and are slower.",
        human::count(objects)
    )
}
