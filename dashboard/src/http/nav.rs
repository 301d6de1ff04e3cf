//! The links between the pages.

/// The links to the other pages; those that share range and filters carry them along.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Nav {
    /// The path of the page that shows it; empty on none of them.
    pub(crate) here: &'static str,
    /// The query that the pages share.
    pub(crate) query: String,
}

impl Nav {
    /// Of a page without range and filters.
    pub(crate) fn of(here: &'static str) -> Self {
        let query = String::new();
        Self { here, query }
    }

    /// The pages: path with query, name, key, whether it is this one.
    pub(crate) fn links(&self) -> [(String, &'static str, char, bool); 5] {
        let shared = |path: &str| format!("{path}{}", self.query);
        let pages = [
            (shared("/"), "/", "Dashboard", 'd'),
            (shared("/funnel"), "/funnel", "Funnel", 'f'),
            ("/sql".into(), "/sql", "SQL", 's'),
            ("/datasets".into(), "/datasets", "Data sets", 't'),
            ("/pipeline".into(), "/pipeline", "Pipeline", 'p'),
        ];
        pages.map(|(place, path, name, key)| (place, name, key, path == self.here))
    }
}
