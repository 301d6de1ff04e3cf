//! The tables of the panels, which are drawn, downloaded, or sent as JSON.

use std::time::Duration;

use catalog::{Breakdown, Freshness, Letters, Object, Run, Slice, Timestamp, Totals};

use crate::disk::{DiskUse, ObjectState};
use crate::firewall::{EdgeHit, RuleCount};
use crate::view::balance::Balance;
use crate::view::grid::{Cell, Grid};

/// How many values a panel lists.
pub(crate) const TOP_VALUES: usize = 10;
/// How many runs the history lists.
pub(crate) const LISTED_RUNS: usize = 20;
/// How many dead letters are shown for each reason.
pub(crate) const SAMPLES_PER_REASON: usize = 3;

/// One row for each period.
pub(crate) fn totals(now: &Totals, before: Option<&Totals>) -> Grid {
    let row = |period: &str, totals: &Totals| {
        vec![
            Cell::Text(period.into()),
            Cell::Count(totals.clicks),
            Cell::Count(totals.visitors),
            Cell::Count(totals.buyers),
            Cell::Count(totals.buys),
            Cell::Count(totals.orders),
            Cell::Money(totals.revenue),
        ]
    };
    let mut rows = vec![row("now", now)];
    rows.extend(before.map(|before| row("before", before)));
    Grid::new(
        [
            "period", "clicks", "visitors", "buyers", "buys", "orders", "revenue",
        ],
        rows,
    )
}

/// One row for each value of a dimension. The last row is for clicks without a value.
pub(crate) fn breakdown(name: &str, breakdown: &Breakdown) -> Grid {
    let named = breakdown.slices.iter().any(|slice| slice.name.is_some());
    let row = |slice: &Slice| {
        let mut row = vec![Cell::text(slice.value.clone())];
        if named {
            row.push(Cell::text(slice.name.clone()));
        }
        row.extend([
            Cell::Count(slice.clicks),
            Cell::Count(slice.views),
            Cell::Count(slice.buys),
            Cell::Whole(slice.quantity),
            Cell::Money(slice.revenue),
        ]);
        row
    };
    let mut columns = vec![name];
    if named {
        columns.push("name");
    }
    columns.extend(["clicks", "views", "buys", "quantity", "revenue"]);
    let without = Some(&breakdown.without).filter(|without| without.clicks > 0);
    let rows = breakdown.slices.iter().chain(without).map(row).collect();
    Grid::new(columns, rows)
}

/// One row for each sample of a dead letter.
pub(crate) fn letters(letters: &[Letters]) -> Grid {
    let rows = letters.iter().flat_map(|reason| {
        reason.samples.iter().map(|letter| {
            vec![
                Cell::Text(reason.reason.clone()),
                Cell::Text(reason.source.clone()),
                Cell::Count(reason.count),
                Cell::Count(letter.partition.0.into()),
                Cell::Count(letter.offset.0),
                Cell::Time(letter.appended_at),
                Cell::Text(letter.detail.clone()),
                Cell::Text(letter.raw.clone()),
            ]
        })
    });
    let columns = [
        "reason",
        "source",
        "letters",
        "partition",
        "offset",
        "appended_at",
        "detail",
        "record",
    ];
    Grid::new(columns, rows.collect())
}

/// One row for each place on this machine's disks.
pub(crate) fn disk(places: &[DiskUse]) -> Grid {
    let row = |one: &DiskUse| {
        vec![
            Cell::Text(one.place.into()),
            Cell::Size(one.bytes),
            one.growth.map_or(Cell::Empty, Cell::Size),
            Cell::Size(one.free),
            one.full_in.map_or(Cell::Empty, Cell::Lasting),
        ]
    };
    let columns = ["place", "size", "growth_a_day", "free", "full_in"];
    Grid::new(columns, places.iter().map(row).collect())
}

/// One row for each fate of the lake's objects.
pub(crate) fn object_states(states: &[ObjectState]) -> Grid {
    let row = |one: &ObjectState| {
        vec![
            Cell::Text(one.state.into()),
            Cell::Count(one.objects),
            Cell::Size(one.bytes),
            Cell::Count(one.rows),
        ]
    };
    let columns = ["state", "objects", "size", "rows"];
    Grid::new(columns, states.iter().map(row).collect())
}

/// One row for each rule of the edge.
pub(crate) fn rules(rules: &[RuleCount]) -> Grid {
    let row = |one: &RuleCount| {
        vec![
            Cell::Text(one.rule.clone()),
            Cell::Text(one.action.into()),
            Cell::Count(one.requests),
        ]
    };
    let columns = ["rule", "action", "requests"];
    Grid::new(columns, rules.iter().map(row).collect())
}

/// One row for each request that a rule of the edge meant.
pub(crate) fn rule_hits(hits: &[EdgeHit]) -> Grid {
    let row = |hit: &EdgeHit| {
        vec![
            Cell::Time(hit.at),
            Cell::Text(hit.rule.clone()),
            Cell::Text(hit.action.into()),
            Cell::Text(hit.method.clone()),
            Cell::Text(hit.path.clone()),
            Cell::text(hit.address.clone()),
            Cell::Text(hit.reason.clone()),
        ]
    };
    let columns = [
        "at", "rule", "action", "method", "path", "address", "reason",
    ];
    Grid::new(columns, hits.iter().map(row).collect())
}

/// Lag and freshness: one row for each partition in the lake.
pub(crate) fn freshness(freshness: &[Freshness], balance: &Balance, now: Timestamp) -> Grid {
    let row = |one: &Freshness| {
        let partition = one.partition.0;
        let pending = balance.pending().find(|&(known, _)| known == partition);
        vec![
            Cell::Count(partition.into()),
            Cell::Count(one.registered_end.0),
            pending.map_or(Cell::Empty, |(_, pending)| Cell::Count(pending)),
            one.appended_at.map_or(Cell::Empty, Cell::Time),
            one.appended_at
                .map_or(Cell::Empty, |at| Cell::Lasting(now.since(at))),
            Cell::Count(one.objects),
            Cell::Size(one.bytes),
        ]
    };
    let columns = [
        "partition",
        "registered_end",
        "pending",
        "newest_record",
        "age_s",
        "objects",
        "bytes",
    ];
    Grid::new(columns, freshness.iter().map(row).collect())
}

/// One row for each object, in the given order: its range, and what became of the records.
pub(crate) fn objects(objects: &[Object]) -> Grid {
    let row = |object: &Object| {
        let (footer, counts) = (&object.footer, &object.footer.counts);
        vec![
            Cell::Text(object.name.to_string()),
            Cell::Time(footer.appended_at),
            Cell::Count(footer.first.0),
            Cell::Count(footer.end.0),
            Cell::Count(counts.rows),
            Cell::Count(counts.dead_letters),
            Cell::Count(counts.duplicates),
            Cell::Count(counts.dropped),
            Cell::Size(object.bytes),
        ]
    };
    let columns = [
        "object",
        "newest_record",
        "first",
        "end",
        "rows",
        "dead_letters",
        "duplicates",
        "dropped",
        "bytes",
    ];
    Grid::new(columns, objects.iter().map(row).collect())
}

/// One row for each run of the crawler, in the given order.
pub(crate) fn crawls(runs: &[Run]) -> Grid {
    let row = |run: &Run| {
        vec![
            Cell::Time(run.started_at),
            Cell::Lasting(Duration::from_millis(run.took_ms)),
            Cell::Text(
                if run.full {
                    "whole lake"
                } else {
                    "newest hours"
                }
                .into(),
            ),
            Cell::Count(run.found),
            Cell::Count(run.registered),
            Cell::Count(run.held),
            Cell::Count(run.refused),
            Cell::Count(run.foreign),
            Cell::text(Some(run.detail.clone()).filter(|detail| !detail.is_empty())),
        ]
    };
    let columns = [
        "started_at",
        "took_s",
        "looked_at",
        "found",
        "registered",
        "held",
        "refused",
        "foreign",
        "detail",
    ];
    Grid::new(columns, runs.iter().map(row).collect())
}
