//! The page for SQL.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use catalog::Rows;
use serde::Deserialize;

use crate::http::format::ResultFormat;
use crate::http::guard::is_from_elsewhere;
use crate::http::nav::Nav;
use crate::http::params::percent_encode;
use crate::http::problem::Problem;
use crate::http::reply;
use crate::site::Site;
use crate::view::grid::{Cell, Grid};
use crate::view::human;
use crate::view::plot::{Plot, is_numeric};

/// How many rows the page shows. A download has all rows up to `catalog.query_rows`.
const MAX_SHOWN_ROWS: usize = 500;

/// How many bytes of text the rows that the page shows have together. A click may hold a text of
/// any length, and `SELECT *` must not make a page that no browser can show.
const MAX_SHOWN_BYTES: usize = 1 << 20;

/// Queries to start with.
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
pub(crate) struct SqlParams {
    #[serde(default)]
    sql: String,
}

#[derive(Template)]
#[template(path = "sql.html")]
struct SqlPage {
    nav: Nav,
    sql: String,
    /// The limits of a query, in words.
    limits: String,
    /// What went wrong, and what to do.
    problem: Option<(String, String)>,
    answer: Option<SqlAnswer>,
    examples: Vec<(&'static str, String)>,
}

struct SqlAnswer {
    note: String,
    encoded: String,
    plot: Option<Plot>,
    table: Grid,
}

impl SqlAnswer {
    /// The result of a query that may have `max_rows` rows.
    fn of(rows: &Rows, sql: &str, max_rows: usize) -> Self {
        let columns = rows.columns();
        let numeric: Vec<bool> = columns.iter().map(|(_, kind)| is_numeric(kind)).collect();
        let cell = |(place, text): (usize, Option<String>)| match text {
            Some(text) if numeric[place] => Cell::Number(text),
            text => Cell::text(text),
        };
        let row = |row: Vec<Option<String>>| row.into_iter().enumerate().map(cell).collect();
        let mut bytes = 0;
        let shown = rows.cells().take(MAX_SHOWN_ROWS).map(row);
        let shown = shown.take_while(|row: &Vec<Cell>| {
            bytes += row.iter().map(|cell| cell.display().len()).sum::<usize>();
            bytes <= MAX_SHOWN_BYTES
        });
        let cells: Vec<_> = shown.collect();
        let columns = columns.into_iter().map(|(name, _)| name);
        Self {
            note: note(rows, cells.len(), max_rows),
            encoded: percent_encode(sql),
            plot: Plot::of(rows),
            table: Grid::new(columns, cells).verbatim(),
        }
    }

    /// The formats of the download.
    fn formats(&self) -> [&'static str; 4] {
        ResultFormat::ALL.map(|(word, _)| word)
    }
}

/// `GET /sql`
pub(crate) async fn page(
    site: Data<Site>,
    request: HttpRequest,
    params: Query<SqlParams>,
) -> HttpResponse {
    let sql = params.into_inner().sql;
    let (status, problem, answer) = if sql.trim().is_empty() {
        (StatusCode::OK, None, None)
    } else if is_from_elsewhere(request.headers()) {
        let problem = Problem::invalid(
            "this statement came by a link from another site, and was not run",
            "read it, then run it",
        );
        (StatusCode::OK, Some(problem), None)
    } else {
        match site.query(&request, "page", &sql).await {
            Ok(rows) => {
                let answer = SqlAnswer::of(&rows, &sql, site.catalog.config().query_rows);
                (StatusCode::OK, None, Some(answer))
            }
            Err(problem) => (problem.status, Some(problem), None),
        }
    };
    let examples = EXAMPLES
        .map(|(label, sql)| (label, percent_encode(sql)))
        .into();
    let sql = if sql.is_empty() {
        EXAMPLES[0].1.to_owned()
    } else {
        sql
    };
    reply::html(
        status,
        &SqlPage {
            nav: Nav::of("/sql"),
            sql,
            limits: limits(site.catalog.config()),
            problem: problem.map(|problem| {
                (
                    human::sentence(&problem.error),
                    human::sentence(&problem.remedy),
                )
            }),
            answer,
            examples,
        },
    )
}

/// How many rows there are, how long they took, and how many of them the page shows.
fn note(rows: &Rows, shown: usize, max_rows: usize) -> String {
    let count = match rows.len() {
        1 => "1 row".to_owned(),
        count => format!("{} rows", human::count(count as u64)),
    };
    let took = human::duration(rows.took);
    let mut note = if rows.truncated {
        format!("the first {count} (catalog.query_rows) in {took}")
    } else {
        format!("{count} in {took}")
    };
    if let Some(more) = &rows.note {
        note.push_str(&format!("; {more}"));
    }
    if rows.len() > shown {
        let max_rows = human::count(max_rows as u64);
        note.push_str(&format!(". Showing {shown}. Downloads stop at {max_rows}."));
    }
    note
}

/// `30 s, 512 MiB, 10,000 rows`.
fn limits(config: &catalog::Config) -> String {
    let memory = human::size(config.query_memory.as_u64()).replace(".0 ", " ");
    format!(
        "{}, {memory}, {} rows",
        human::duration(config.query_timeout),
        human::count(config.query_rows as u64)
    )
}
