//! Free SQL: the page, and the one way in which it and the API ask.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use catalog::{Caller, Rows};
use serde::Deserialize;

use crate::http::format::Format;
use crate::http::nav::Nav;
use crate::http::problem::{self, Problem};
use crate::select::selection::percent;
use crate::site::Site;
use crate::view::human;
use crate::view::plot::{Plot, is_numeric};
use crate::view::table::{Cell, Sheet};

/// Rows that the page shows; the download holds all that the query answered.
const SHOWN: usize = 500;

/// Queries to begin with.
const EXAMPLES: [(&str, &str); 9] = [
    (
        "The newest clicks",
        "SELECT occurred_at, action, product_name, visitor_id, country\nFROM clicks\nORDER BY occurred_at DESC\nLIMIT 20",
    ),
    (
        "Clicks by minute, up to this moment",
        "FROM clicks_per_minute\nORDER BY minute DESC, clicks DESC\nLIMIT 100",
    ),
    (
        "Visitors, orders and revenue by minute, up to this moment",
        "FROM totals_per_minute\nORDER BY minute DESC\nLIMIT 60",
    ),
    (
        "What sells in the last ten minutes",
        "SELECT product_id, max(product_name) AS name, sum(views) AS views,\n       sum(buys) AS buys, sum(revenue) AS revenue\nFROM products_per_minute\nWHERE minute > now() - INTERVAL 10 MINUTE\nGROUP BY product_id\nORDER BY revenue DESC, views DESC\nLIMIT 20",
    ),
    (
        "Clicks by hour and action",
        "SELECT date_trunc('hour', occurred_at) AS hour, action, count(*) AS clicks\nFROM clicks\nGROUP BY ALL\nORDER BY hour DESC, clicks DESC\nLIMIT 100",
    ),
    (
        "Products that are viewed much and bought little",
        "SELECT product_id, any_value(product_name) AS name,\n       count(*) FILTER (action = 'view') AS views,\n       count(*) FILTER (action = 'buy') AS buys,\n       round(100 * buys / views, 1) AS percent\nFROM clicks\nGROUP BY product_id\nHAVING views > 0\nORDER BY views - 10 * buys DESC\nLIMIT 20",
    ),
    (
        "From the first view to the buy, by visitor",
        "SELECT visitor_id, min(occurred_at) FILTER (action = 'view') AS viewed,\n       min(occurred_at) FILTER (action = 'buy') AS bought, bought - viewed AS took\nFROM clicks\nGROUP BY visitor_id\nHAVING bought > viewed\nORDER BY took\nLIMIT 20",
    ),
    (
        "Dead letters by reason",
        "SELECT reason, count(*) AS letters, any_value(detail) AS example\nFROM dead_letters\nGROUP BY reason\nORDER BY letters DESC",
    ),
    ("The columns of the table", "DESCRIBE clicks"),
];

/// The query of `/sql`.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Question {
    #[serde(default)]
    sql: String,
}

/// Asks the catalog; its bounds on time, memory and rows hold for everybody, and it logs what was
/// asked, by whom, and what came of it.
pub(crate) async fn ask(
    site: &Site,
    request: &HttpRequest,
    way: &str,
    sql: &str,
) -> Result<Rows, Problem> {
    if sql.trim().is_empty() {
        return Err(Problem::invalid(
            "there is no SQL",
            "write one SELECT, such as FROM clicks LIMIT 5",
        ));
    }
    let asker = Caller {
        way: way.to_owned(),
        peer: request.peer_addr().map(|peer| peer.ip()),
    };
    Ok(site.catalog.ask(&asker, sql).await?)
}

#[derive(Template)]
#[template(path = "sql.html")]
struct SqlPage {
    nav: Nav,
    sql: String,
    problem: Option<Problem>,
    answer: Option<Shown>,
    examples: Vec<(&'static str, String)>,
}

struct Shown {
    note: String,
    encoded: String,
    plot: Option<Plot>,
    sheet: Sheet,
}

impl Shown {
    /// The forms in which the answer can be had.
    fn formats(&self) -> [&'static str; 4] {
        Format::ALL.map(|(word, _)| word)
    }
}

/// `GET /sql`
pub(crate) async fn page(
    site: Data<Site>,
    request: HttpRequest,
    question: Query<Question>,
) -> HttpResponse {
    let sql = question.into_inner().sql;
    let (status, problem, answer) = if sql.trim().is_empty() {
        (StatusCode::OK, None, None)
    } else {
        match ask(&site, &request, "page", &sql).await {
            Ok(rows) => (StatusCode::OK, None, Some(shown(&rows, &sql))),
            Err(problem) => (problem.status, Some(problem), None),
        }
    };
    let examples = EXAMPLES.map(|(label, sql)| (label, percent(sql))).into();
    let sql = if sql.is_empty() {
        EXAMPLES[0].1.to_owned()
    } else {
        sql
    };
    problem::html(
        status,
        &SqlPage {
            nav: Nav::of("/sql"),
            sql,
            problem,
            answer,
            examples,
        },
    )
}

fn shown(rows: &Rows, sql: &str) -> Shown {
    let columns = rows.columns();
    let numeric: Vec<bool> = columns.iter().map(|(_, kind)| is_numeric(kind)).collect();
    let cell = |(place, text): (usize, Option<String>)| match text {
        Some(text) if numeric[place] => Cell::Number(text),
        text => Cell::text(text),
    };
    let cells = rows.cells().take(SHOWN);
    let cells = cells
        .map(|row| row.into_iter().enumerate().map(cell).collect())
        .collect();
    let sheet = Sheet::new(columns.into_iter().map(|(name, _)| name), cells).verbatim();
    let count = rows.len();
    let mut note = match count {
        1 => "1 row".to_owned(),
        count => format!("{} rows", human::count(count as u64)),
    };
    if rows.truncated {
        note.insert_str(0, "the first ");
        note.push_str(" (catalog.query_rows)");
    }
    note.push_str(&format!(" in {}", human::lasting(rows.took)));
    if count > SHOWN {
        note.push_str(&format!("; {SHOWN} are shown, the files hold all"));
    }
    if let Some(known) = &rows.note {
        note.push_str(&format!("; {known}"));
    }
    Shown {
        note,
        encoded: percent(sql),
        plot: Plot::of(rows),
        sheet,
    }
}
