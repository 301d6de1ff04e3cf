//! What machines ask: does it live, is it ready, and how does it fare.

use std::fmt::Write;

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use actix_web::web::Data;

use crate::http::problem::Problem;
use crate::site::Site;
use crate::view::human;

/// `GET /healthz`: this process answers.
pub(crate) async fn healthz() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .body("ok\n")
}

/// `GET /readyz`: the catalog answers, and what it shows is of now.
pub(crate) async fn readyz(site: Data<Site>) -> Result<HttpResponse, Problem> {
    let unready = |error: String| {
        let remedy = "look at the crawler's log; the lake may be out of reach";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, error, remedy)
    };
    match site.crawled().await? {
        None => Err(unready("the lake was never crawled".into())),
        Some(age) if age > site.stale_after => Err(unready(format!(
            "the last crawl ended {} ago",
            human::duration(age)
        ))),
        Some(_) => Ok(HttpResponse::Ok()
            .content_type("text/plain; charset=utf-8")
            .body("ready\n")),
    }
}

/// `GET /metrics`: Prometheus' text format.
pub(crate) async fn metrics(site: Data<Site>) -> Result<HttpResponse, Problem> {
    let (balance, freshness) = site.balance().await?;
    let runs = site.catalog.crawls(1).await?;
    let held = site.catalog.memory_bytes().await?;
    let now = site.clock.now();
    let mut text = String::with_capacity(2048);
    let mut family = |name: &str, kind: &str, help: &str, samples: &[(Option<u32>, f64)]| {
        let written = (|| {
            writeln!(text, "# HELP clickweir_{name} {help}")?;
            writeln!(text, "# TYPE clickweir_{name} {kind}")?;
            for (partition, value) in samples {
                match partition {
                    Some(n) => writeln!(text, "clickweir_{name}{{partition=\"{n}\"}} {value}")?,
                    None => writeln!(text, "clickweir_{name} {value}")?,
                }
            }
            Ok::<(), std::fmt::Error>(())
        })();
        written.expect("a string takes all");
    };
    let each = |of: &dyn Fn(&catalog::Freshness) -> Option<f64>| -> Vec<_> {
        freshness
            .iter()
            .filter_map(|one| Some((Some(one.partition.0), of(one)?)))
            .collect()
    };
    family(
        "freshness_seconds",
        "gauge",
        "Age of the newest record that the catalog shows, by the topic's append time.",
        &each(&|one| Some(now.since(one.appended_at?).as_secs_f64())),
    );
    family(
        "registered_end",
        "counter",
        "Offset at which the catalog's registered range ends.",
        &each(&|one| Some(precise(one.registered_end.0))),
    );
    family(
        "objects",
        "gauge",
        "Objects registered.",
        &each(&|one| Some(precise(one.objects))),
    );
    family(
        "object_bytes",
        "gauge",
        "Their bytes.",
        &each(&|one| Some(precise(one.bytes))),
    );
    let lag: Vec<_> = balance
        .pending()
        .map(|(n, lag)| (Some(n), precise(lag)))
        .collect();
    family(
        "lag_records",
        "gauge",
        "Records in the topic that the catalog does not show yet.",
        &lag,
    );
    family(
        "database_memory_bytes",
        "gauge",
        "Memory that the databases hold, which catalog.memory and catalog.query_memory limit.",
        &[(None, precise(held))],
    );
    let adds_up = f64::from(u8::from(balance.adds_up()));
    family(
        "accounting_adds_up",
        "gauge",
        "1 where accepted equals what became of it.",
        &[(None, adds_up)],
    );
    if let (Some(run), Some(age)) = (runs.first(), site.crawled().await?) {
        let one = |value: f64| [(None, value)];
        family(
            "crawl_age_seconds",
            "gauge",
            "Time since the newest crawl ended.",
            &one(age.as_secs_f64()),
        );
        family(
            "crawl_seconds",
            "gauge",
            "How long the newest crawl took.",
            &one(precise(run.took_ms) / 1e3),
        );
        family(
            "crawl_held",
            "gauge",
            "Objects that the newest crawl held.",
            &one(precise(run.held)),
        );
        family(
            "crawl_refused",
            "gauge",
            "Objects that the newest crawl refused.",
            &one(precise(run.refused)),
        );
    }
    Ok(HttpResponse::Ok()
        .insert_header((
            header::CONTENT_TYPE,
            "text/plain; version=0.0.4; charset=utf-8",
        ))
        .body(text))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "the format's numbers are floats"
)]
const fn precise(number: u64) -> f64 {
    number as f64
}
