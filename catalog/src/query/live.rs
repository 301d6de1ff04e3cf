//! `clicks_live`: the lake's clicks and, behind each partition's registered end, the tail's.

use sink::{Offset, Timestamp};

use crate::db::engine::Session;
use crate::db::table_function::FUNCTION;
use crate::error::Error;
use crate::names::{LIVE_VIEWS, TAIL};
use crate::query::views::Desk;
use crate::rollup::measures::{TRADE, WORTH};
use crate::tables::table::Table;
use crate::tail::snapshot::Standing;

/// The minute of arrival, which late clicks do not change.
const MINUTE: &str = "make_timestamptz((epoch_us(appended_at) // 60000000) * 60000000) AS minute";

impl Session<Desk> {
    /// Makes `clicks_live`, the views over it and `tail` show what is lent of the tail beside
    /// this snapshot. After [`Session::bind_lake`].
    pub(crate) fn bind_live(&mut self, standings: &[Standing]) -> Result<(), Error> {
        let columns = Table::Clicks.columns();
        let names: Vec<String> = columns
            .iter()
            .map(|(name, _)| format!("\"{name}\""))
            .collect();
        let names = names.join(", ");
        let live = format!(
            "SELECT {names} FROM clicks UNION ALL SELECT {names} FROM {FUNCTION}('{TAIL}')"
        );
        let [clicks_live, clicks, totals, products] = LIVE_VIEWS;
        self.show(clicks_live, &live)?;
        self.show(
            clicks,
            &format!(
                "SELECT {MINUTE}, action, count(*) AS clicks, count(DISTINCT visitor_id) AS visitors
                 FROM {clicks_live} GROUP BY ALL"
            ),
        )?;
        let buys = "count(*) FILTER (action = 'buy') AS buys";
        let revenue = format!("coalesce(sum({WORTH}) FILTER ({TRADE}), 0) AS revenue");
        self.show(
            totals,
            &format!(
                "SELECT {MINUTE}, count(*) AS clicks, count(DISTINCT visitor_id) AS visitors, {buys},
                    count(DISTINCT order_id) FILTER ({TRADE}) AS orders, {revenue}
                 FROM {clicks_live} GROUP BY ALL"
            ),
        )?;
        self.show(
            products,
            &format!(
                "SELECT {MINUTE}, product_id, arg_max(product_name, occurred_at) AS product_name,
                    count(*) FILTER (action = 'view') AS views, {buys}, {revenue}
                 FROM {clicks_live} WHERE product_id IS NOT NULL GROUP BY ALL"
            ),
        )?;
        self.show(TAIL, &table(standings))?;
        Ok(())
    }
}

/// SQL of the table `tail`.
fn table(standings: &[Standing]) -> String {
    let number = |offset: Option<Offset>| offset.map_or("NULL".to_owned(), |at| at.to_string());
    let moment = |at: Option<Timestamp>| {
        at.map_or("NULL".to_owned(), |at| {
            format!("make_timestamptz({})", at.micros())
        })
    };
    let row = |standing: &Standing| {
        format!(
            "({}, {}, {}, {}, {}, {})",
            standing.partition,
            number(standing.registered_end),
            standing.first,
            standing.end,
            standing.rows,
            moment(standing.complete_from)
        )
    };
    let mut rows: Vec<String> = standings.iter().map(row).collect();
    let none = rows.is_empty();
    if none {
        rows.push("(NULL, NULL, NULL, NULL, NULL, NULL)".to_owned());
    }
    format!(
        "SELECT partition::UINTEGER AS partition, registered_end::UBIGINT AS registered_end,
                tail_first::UBIGINT AS tail_first, tail_end::UBIGINT AS tail_end,
                \"rows\"::UBIGINT AS \"rows\",
                complete_from::TIMESTAMP WITH TIME ZONE AS complete_from
            FROM (VALUES {}) AS t(partition, registered_end, tail_first, tail_end, \"rows\", complete_from)
            WHERE {}",
        rows.join(", "),
        !none
    )
}
