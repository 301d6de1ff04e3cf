//! What stands above a page: where it leads, its range, its filters. All of it is links and
//! forms that write the URL.

use catalog::Dimension;

use crate::select::selection::Selection;
use crate::view::cards::{Chip, chips};

/// Range and filters of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Controls {
    /// The path of the page.
    pub(crate) path: &'static str,
    /// The named ranges: query, label, whether it is this.
    pub(crate) ranges: Vec<(String, &'static str, bool)>,
    /// Begin and end, as the form for other dates shows them.
    pub(crate) edges: (String, String),
    /// What the form for other dates sends along.
    pub(crate) dated: Vec<(&'static str, String)>,
    /// What the form for a filter sends along.
    pub(crate) kept: Vec<(&'static str, String)>,
    pub(crate) chips: Vec<Chip>,
    /// The query without any filter.
    pub(crate) bare: String,
}

impl Controls {
    pub(crate) fn of(path: &'static str, selection: &Selection) -> Self {
        let bare = Selection {
            only: Default::default(),
            ..selection.clone()
        };
        Self {
            path,
            ranges: selection.ranges(),
            edges: selection.edges(),
            dated: selection.fields(&["range", "from", "to", "step"]),
            kept: selection.fields(&[]),
            chips: chips(selection),
            bare: bare.query(),
        }
    }

    /// What can be filtered by.
    pub(crate) fn dimensions(&self) -> [&'static str; 8] {
        Dimension::ALL.map(Dimension::name)
    }
}
