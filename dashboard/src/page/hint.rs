//! What a page says when it shows no clicks.

use catalog::Timestamp;

use crate::select::range::TimeRange;
use crate::select::selection::Selection;
use crate::view::human;

/// Why a page is empty.
pub(crate) enum Hint {
    EmptyLake,
    Elsewhere {
        least: String,
        greatest: String,
        /// The link to the next wider selection, and its text.
        wider: String,
        label: &'static str,
    },
}

impl Hint {
    /// The hint for a page with so many clicks, over a lake whose clicks have an `occurred_at`
    /// in `span`; `None` if the page is not empty.
    pub(crate) fn of(
        span: Option<(Timestamp, Timestamp)>,
        clicks: u64,
        selection: &Selection,
        path: &str,
    ) -> Option<Self> {
        match span {
            None => Some(Self::EmptyLake),
            Some((least, greatest)) if clicks == 0 => Some(Self::Elsewhere {
                least: human::time(least),
                greatest: human::time(greatest),
                wider: format!("{path}{}", selection.wider().query()),
                label: if selection.range == TimeRange::All {
                    "Remove all filters"
                } else {
                    "Show all dates"
                },
            }),
            Some(_) => None,
        }
    }
}

/// A command that sends a first click to the edge at `edge`.
pub(crate) fn first_click(edge: &str) -> String {
    format!(
        r#"curl -i {edge}/v1/events \
  -H 'content-type: application/json' \
  -d '{{"id":"first","action":"view","product_id":"p1","visitor_id":"me"}}'"#
    )
}
