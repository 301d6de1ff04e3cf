//! The links between the pages.

/// The links to the other pages. Those pages that share range and filters are linked with them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Nav {
    /// The path of the page that shows the links; empty if it is none of them.
    pub(crate) here: &'static str,
    /// The query that the pages share.
    pub(crate) query: String,
}

impl Nav {
    /// For a page without range and filters.
    pub(crate) fn of(here: &'static str) -> Self {
        let query = String::new();
        Self { here, query }
    }

    /// The pages: path with query, name, key, and whether it is this one.
    pub(crate) fn links(&self) -> [(String, &'static str, char, bool); 5] {
        let shared = |path: &str| format!("{path}{}", self.query);
        let pages = [
            (shared("/"), "/", "Dashboard", 'd'),
            (shared("/funnel"), "/funnel", "Funnel", 'f'),
            ("/sql".into(), "/sql", "SQL", 's'),
            ("/datasets".into(), "/datasets", "Data sets", 't'),
            ("/pipeline".into(), "/pipeline", "Pipeline", 'p'),
        ];
        pages.map(|(link, path, name, key)| (link, name, key, path == self.here))
    }
}
