//! The controls at the top of a page: range and filters. All of them are links and forms that
//! write the URL.

use catalog::Dimension;

use crate::select::selection::Selection;
use crate::view::cards::{Chip, chips};

/// Range and filters of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Controls {
    /// The path of the page.
    pub(crate) path: &'static str,
    /// The named ranges: query, label, and whether it is chosen.
    pub(crate) ranges: Vec<(String, &'static str, bool)>,
    /// Start and end, as the form for custom dates shows them.
    pub(crate) edges: (String, String),
    /// The hidden fields of the form for custom dates.
    pub(crate) dated: Vec<(&'static str, String)>,
    /// The hidden fields of the form for a filter.
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
            edges: selection.range.edges(),
            dated: selection.fields(&["range", "from", "to", "step"]),
            kept: selection.fields(&[]),
            chips: chips(selection),
            bare: bare.query(),
        }
    }

    /// What a page can be filtered by.
    pub(crate) fn dimensions(&self) -> [&'static str; 8] {
        Dimension::ALL.map(Dimension::name)
    }
}
