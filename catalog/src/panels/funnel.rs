//! How many visitors took one step after another.

use std::time::Duration;

use duckdb::params_from_iter;
use serde::Serialize;

use crate::catalog::Catalog;
use crate::error::Error;
use crate::panels::filter::Filter;
use crate::panels::source::rows;
use crate::rollup::dimension::Dimension;
use crate::sql::within;

/// Steps that a funnel may have.
pub const MOST_STEPS: usize = 8;

/// One step of a funnel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reached {
    /// The action that it takes.
    pub action: String,
    /// Visitors who took it after all the steps before, in time.
    pub visitors: u64,
}

impl Catalog {
    /// How many visitors took the actions one after another, the last one within `window` of
    /// the first, each a click of its own and all of them within the filter's range, whatever
    /// action is filtered by. A click without a visitor counts for nobody; of two clicks of
    /// one moment the one that arrived first is the earlier.
    ///
    /// # Errors
    /// [`Error::Invalid`] for no step or more than [`MOST_STEPS`]; the database's, and the
    /// lake's as the database met it.
    pub async fn funnel(
        &self,
        filter: &Filter,
        actions: &[String],
        window: Duration,
    ) -> Result<Vec<Reached>, Error> {
        if actions.is_empty() || actions.len() > MOST_STEPS {
            return Err(Error::Invalid(format!(
                "a funnel has one to {MOST_STEPS} steps, not {}",
                actions.len()
            )));
        }
        let filter = filter.without(Dimension::Action);
        let (location, actions) = (self.inner.lake.location().clone(), actions.to_owned());
        self.read(move |session| {
            let rows = rows(session, &location, &[(filter.from, filter.to)])?;
            let (condition, values) = filter.condition();
            let range = within("occurred_at", filter.from, filter.to);
            let sql = passed(
                &rows,
                &format!("{range} AND {condition}"),
                actions.len(),
                window,
            );
            let all = actions.iter().chain(&values).chain(&actions);
            let mut statement = session.connection.prepare(&sql)?;
            let counted: Vec<u64> = statement.query_row(params_from_iter(all), |row| {
                (0..actions.len()).map(|step| row.get(step)).collect()
            })?;
            let steps = actions.into_iter().zip(counted);
            Ok(steps
                .map(|(action, visitors)| Reached { action, visitors })
                .collect())
        })
        .await
    }
}

/// SQL of the visitors who passed each step; its parameters are the actions, the condition's,
/// and the actions again. `begun_n` of a click that is step `n` is the latest first step from
/// which the steps between lead here: it leaves most of the window.
fn passed(rows: &str, condition: &str, steps: usize, window: Duration) -> String {
    let window = i64::try_from(window.as_micros()).unwrap_or(i64::MAX);
    let is: String = (1..=steps)
        .map(|n| format!(", action = ? AS is_{n}"))
        .collect();
    let among = vec!["?"; steps].join(", ");
    let mut sql = format!(
        "WITH taken AS (
            SELECT visitor_id, epoch_us(occurred_at) AS moment, \"partition\", \"offset\"{is}
            FROM {rows} WHERE {condition} AND visitor_id IS NOT NULL AND action IN ({among})),
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
