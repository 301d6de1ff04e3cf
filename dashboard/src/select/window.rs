//! A selection at one moment, over one lake: what is read from the catalog.

use std::time::Duration;

use catalog::{Filter, Step, Timestamp};

use crate::http::problem::Problem;
use crate::select::axis;
use crate::select::range::{DAY_MICROS, HOUR_MICROS, TimeRange};
use crate::select::selection::Selection;
use crate::select::words::{STEPS, step_word};

/// A range with two ends, a step that fits it, and the period before.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TimeWindow {
    pub(crate) filter: Filter,
    pub(crate) step: Step,
    /// The step that was asked for, and how many the range has of it; `None` if `step` is that
    /// one.
    pub(crate) too_fine: Option<(Step, u64)>,
    /// The period before, up to the same point; `None` if the range has no fixed length.
    pub(crate) before: Option<Filter>,
}

impl TimeWindow {
    /// The selection at `now`, over a lake whose clicks have an `occurred_at` in `span` (least
    /// and greatest). If the range has too many of the step that is asked for, the finest step
    /// that fits takes its place.
    ///
    /// # Errors
    /// 400 if no longer step fits either.
    pub(crate) fn of(
        selection: &Selection,
        now: Timestamp,
        span: Option<(Timestamp, Timestamp)>,
    ) -> Result<Self, Problem> {
        let (from, to) = ends(selection.range, now, span);
        let length = to.since(from);
        let apart = match selection.range {
            TimeRange::Last(micros) => Some(Duration::from_micros(micros.unsigned_abs())),
            TimeRange::Between(Some(from), Some(to)) => Some(to.since(from)),
            TimeRange::All | TimeRange::Between(..) => None,
        };
        let (step, too_fine) = match selection.step {
            None => (axis::best_step(length), None),
            Some(step) if axis::fits(step, length) => (step, None),
            Some(step) => {
                let count = axis::count(step, length);
                let longer = STEPS.into_iter().map(|(_, longer)| longer);
                let fit = longer.skip_while(|longer| *longer <= step);
                let longer = fit.into_iter().find(|longer| axis::fits(*longer, length));
                let longer = longer.ok_or_else(|| {
                    Problem::invalid(
                        format!("the range has {count} steps of a {}", step_word(step)),
                        "choose a shorter range",
                    )
                })?;
                (longer, Some((step, count)))
            }
        };
        let only = selection.only.clone();
        let filter = Filter { from, to, only };
        Ok(Self {
            before: apart.map(|apart| filter.earlier(apart)),
            filter,
            step,
            too_fine,
        })
    }

    /// How long the period before is; `None` if there is no such period.
    pub(crate) fn apart(&self) -> Option<Duration> {
        let before = self.before.as_ref()?;
        Some(self.filter.from.since(before.from))
    }
}

fn ends(
    range: TimeRange,
    now: Timestamp,
    span: Option<(Timestamp, Timestamp)>,
) -> (Timestamp, Timestamp) {
    let (least, beyond) = span.map_or((now, now), |(least, greatest)| {
        let beyond = greatest.micros().saturating_add(1);
        (least, Timestamp::from_micros(beyond))
    });
    let (from, to) = match range {
        TimeRange::Last(micros) => {
            let end = if micros < DAY_MICROS {
                now.micros()
            } else {
                (now.hour() + 1) * HOUR_MICROS
            };
            (Timestamp::from_micros(end - micros), now)
        }
        TimeRange::All => (least, beyond),
        TimeRange::Between(from, to) => (from.unwrap_or(least), to.unwrap_or(beyond)),
    };
    (from, to.max(from))
}
