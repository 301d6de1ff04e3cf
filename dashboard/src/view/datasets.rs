//! The tables about data sets and external tables.

use std::time::Duration;

use catalog::{Adoption, DatasetState, Quarantined};

use crate::view::grid::{Cell, Grid};

/// One row for each data set.
pub(crate) fn states(datasets: &[DatasetState]) -> Grid {
    let rows = datasets.iter().map(|state| {
        let newest = state.runs.first();
        vec![
            Cell::Text(state.name.clone()),
            Cell::Text(state.when.clone()),
            state.rows.map_or(Cell::Empty, Cell::Count),
            newest.map_or(Cell::Empty, |run| Cell::Time(run.started_at)),
            newest.map_or(Cell::Empty, |run| {
                Cell::Lasting(Duration::from_millis(run.took_ms))
            }),
            Cell::text(newest.and_then(|run| run.error.clone())),
        ]
    });
    let columns = ["name", "made", "rows", "started_at", "took_s", "error"];
    Grid::new(columns, rows.collect())
}

/// One row for each crawl of an external table.
pub(crate) fn adoptions(runs: &[Adoption]) -> Grid {
    let rows = runs.iter().map(|run| {
        vec![
            Cell::Text(run.name.clone()),
            Cell::Time(run.started_at),
            Cell::Lasting(Duration::from_millis(run.took_ms)),
            Cell::Count(run.found),
            Cell::Count(run.adopted),
            Cell::Count(run.rows),
            Cell::Count(run.quarantined),
            Cell::Count(run.gone),
            Cell::Count(run.left_out),
            Cell::text(Some(run.detail.clone()).filter(|detail| !detail.is_empty())),
        ]
    });
    let columns = [
        "table",
        "started_at",
        "took_s",
        "found",
        "shown",
        "rows",
        "quarantined",
        "gone",
        "left_out",
        "detail",
    ];
    Grid::new(columns, rows.collect())
}

/// One row for each object that an external table does not show.
pub(crate) fn quarantined(objects: &[Quarantined]) -> Grid {
    let rows = objects.iter().map(|object| {
        vec![
            Cell::Text(object.name.clone()),
            Cell::Text(object.path.clone()),
            Cell::Size(object.bytes),
            Cell::Text(object.reason.clone()),
        ]
    });
    Grid::new(["table", "path", "bytes", "reason"], rows.collect())
}
