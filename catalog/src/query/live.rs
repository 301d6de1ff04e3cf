//! `clicks_live`: the lake's clicks, and after each partition's registered end the tail's.

use sink::{Offset, Timestamp};

use crate::db::table_function::exported;
use crate::names::{CLICKS, LIVE_VIEWS, TAIL};
use crate::rollup::measures::{TRADE, WORTH};
use crate::sql::{Moment, joined};
use crate::tables::table::Table;
use crate::tail::snapshot::TailStatus;

/// The minute of arrival, which late clicks do not change.
const MINUTE: &str = "make_timestamptz((epoch_us(appended_at) // 60000000) * 60000000) AS minute";

/// `clicks_live`, the views over it and `tail`, by name. They are over the lake's views and the
/// exported rows of the tail.
pub(crate) fn live_views(statuses: &[TailStatus]) -> Vec<(String, String)> {
    let columns = Table::Clicks.column_list();
    let tail_rows = exported(TAIL);
    let [clicks_live, clicks, totals, products] = LIVE_VIEWS;
    let buys = "count(*) FILTER (action = 'buy') AS buys";
    let revenue = format!("coalesce(sum({WORTH}) FILTER ({TRADE}), 0) AS revenue");
    let views = [
        (
            clicks_live,
            format!("SELECT {columns} FROM {CLICKS} UNION ALL SELECT {columns} FROM {tail_rows}"),
        ),
        (
            clicks,
            format!(
                "SELECT {MINUTE}, action, count(*) AS clicks, count(DISTINCT visitor_id) AS visitors
                 FROM {clicks_live} GROUP BY ALL"
            ),
        ),
        (
            totals,
            format!(
                "SELECT {MINUTE}, count(*) AS clicks, count(DISTINCT visitor_id) AS visitors, {buys},
                    count(DISTINCT order_id) FILTER ({TRADE}) AS orders, {revenue}
                 FROM {clicks_live} GROUP BY ALL"
            ),
        ),
        (
            products,
            format!(
                "SELECT {MINUTE}, product_id, arg_max(product_name, occurred_at) AS product_name,
                    count(*) FILTER (action = 'view') AS views, {buys}, {revenue}
                 FROM {clicks_live} WHERE product_id IS NOT NULL GROUP BY ALL"
            ),
        ),
        (TAIL, tail_table(statuses)),
    ];
    views.map(|(name, select)| (name.to_owned(), select)).into()
}

/// SQL of the table `tail`.
fn tail_table(statuses: &[TailStatus]) -> String {
    let number = |offset: Option<Offset>| offset.map_or("NULL".to_owned(), |at| at.to_string());
    let moment = |at: Option<Timestamp>| at.map_or("NULL".to_owned(), |at| Moment(at).to_string());
    let row = |status: &TailStatus| {
        format!(
            "({}, {}, {}, {}, {}, {})",
            status.partition,
            number(status.registered_end),
            status.first,
            status.end,
            status.rows,
            moment(status.complete_from)
        )
    };
    let mut rows: Vec<String> = statuses.iter().map(row).collect();
    let is_empty = rows.is_empty();
    if is_empty {
        rows.push("(NULL, NULL, NULL, NULL, NULL, NULL)".to_owned());
    }
    format!(
        "SELECT partition::INTEGER AS partition, registered_end::BIGINT AS registered_end,
                tail_first::BIGINT AS tail_first, tail_end::BIGINT AS tail_end,
                \"rows\"::BIGINT AS \"rows\",
                complete_from::TIMESTAMP WITH TIME ZONE AS complete_from
            FROM (VALUES {}) AS t(partition, registered_end, tail_first, tail_end, \"rows\", complete_from)
            WHERE {}",
        joined(rows, ", "),
        !is_empty
    )
}
