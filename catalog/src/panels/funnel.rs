//! How many visitors took one step after another.

use std::time::Duration;

use duckdb::params_from_iter;
use serde::Serialize;
use sink::Location;

use crate::db::engine::Session;
use crate::error::Error;
use crate::panels::filter::Filter;
use crate::panels::source::rows;
use crate::rollup::dimension::{Dimension, short_value};
use crate::sql::TimeCondition;

/// The most steps that a funnel may have.
pub const MAX_STEPS: usize = 8;

/// One step of a funnel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reached {
    /// The step's action.
    pub action: String,
    /// Visitors who took it after all the steps before it, in time.
    pub visitors: u64,
}

/// How many visitors took the actions one after another, the last one within `window` of the
/// first.
pub(crate) fn funnel(
    session: &Session,
    location: &Location,
    filter: &Filter,
    actions: &[String],
    window: Duration,
) -> Result<Vec<Reached>, Error> {
    if actions.is_empty() || actions.len() > MAX_STEPS {
        return Err(Error::Invalid(format!(
            "a funnel has one to {MAX_STEPS} steps, not {}",
            actions.len()
        )));
    }
    let filter = filter.without(Dimension::Action);
    let rows = rows(session, location, &[filter.range()])?;
    let (condition, values) = filter.condition();
    let range = TimeCondition::of("occurred_at", filter.range());
    let condition = format!("{range} AND {condition}");
    let sql = steps(&rows, &condition, actions.len(), window);
    let actions: Vec<String> = actions.iter().map(|one| short_value(one)).collect();
    let all = actions.iter().chain(&values).chain(&actions);
    let mut statement = session.connection.prepare(&sql)?;
    let counted: Vec<u64> = statement.query_row(params_from_iter(all), |row| {
        (0..actions.len()).map(|step| row.get(step)).collect()
    })?;
    let steps = actions.iter().zip(counted);
    let reached = steps.map(|(action, visitors)| Reached {
        action: action.clone(),
        visitors,
    });
    Ok(reached.collect())
}

/// SQL of the visitors who passed each step. Its parameters are the actions, the condition's, and
/// the actions again. `begun_n` of a click that is step `n` is the latest first step from which
/// the steps between lead here: the latest leaves most of the window.
fn steps(rows: &str, condition: &str, steps: usize, window: Duration) -> String {
    let window = i64::try_from(window.as_micros()).unwrap_or(i64::MAX);
    let is: String = (1..=steps)
        .map(|n| format!(", action = ? AS is_{n}"))
        .collect();
    let actions = vec!["?"; steps].join(", ");
    let mut sql = format!(
        "WITH taken AS (
            SELECT visitor_id, epoch_us(occurred_at) AS moment, \"partition\", \"offset\"{is}
            FROM {rows} WHERE {condition} AND visitor_id IS NOT NULL AND action IN ({actions})),
         step_1 AS (SELECT *, CASE WHEN is_1 THEN moment END AS begun_1 FROM taken)"
    );
    for n in 2..=steps {
        let before = n - 1;
        sql.push_str(&format!(
            ", step_{n} AS (
                SELECT *, CASE WHEN is_{n} AND moment - before_{n} <= {window} THEN before_{n} END
                    AS begun_{n}
                FROM (SELECT *, max(begun_{before}) OVER (
                        PARTITION BY visitor_id ORDER BY moment, \"partition\", \"offset\"
                        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before_{n}
                    FROM step_{before}))"
        ));
    }
    let counted = (1..=steps)
        .map(|n| format!("(count(DISTINCT visitor_id) FILTER (begun_{n} IS NOT NULL))::UBIGINT"));
    let counted = counted.collect::<Vec<_>>().join(", ");
    format!("{sql} SELECT {counted} FROM step_{steps}")
}
