//! An object that a table shows, and which of them are read together.

use sink::Location;

use crate::sql::{file, list};

/// An object that a table shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) path: String,
    /// True if its columns are exactly those that this program writes.
    pub(crate) current: bool,
    /// How many rows it has.
    pub(crate) rows: u64,
}

/// Splits pieces into slices of at most so many rows, or of one piece.
pub(crate) fn slices(pieces: &[Piece], max_rows: u64) -> impl Iterator<Item = &[Piece]> {
    let mut rest = pieces;
    std::iter::from_fn(move || {
        let slice;
        (slice, rest) = rest.split_at(fitting(rest, max_rows, |piece| piece.rows));
        (!slice.is_empty()).then_some(slice)
    })
}

/// How many of the first items have at most so many rows together; at least one, if there is one.
pub(crate) fn fitting<T>(items: &[T], max_rows: u64, rows: impl Fn(&T) -> u64) -> usize {
    let mut sum = 0;
    let fits = |item: &&T| {
        sum += rows(item);
        sum <= max_rows
    };
    let count = items.iter().take_while(fits).count();
    count.max(1).min(items.len())
}

/// Objects that one `read_parquet` reads.
#[derive(Debug, Default)]
pub(crate) struct ReadGroup {
    /// True if their columns are exactly those that this program writes.
    pub(crate) current: bool,
    paths: Vec<String>,
}

impl ReadGroup {
    /// The objects' absolute names, as a list in SQL.
    pub(crate) fn list(&self, location: &Location) -> String {
        self.first(location, usize::MAX)
    }

    /// The first so many of them.
    pub(crate) fn first(&self, location: &Location, count: usize) -> String {
        let paths = self.paths.iter().take(count);
        list(paths.map(|path| file(&location.absolute(path))))
    }
}

/// Groups pieces by what can be read together, those of other versions last. No group is empty.
pub(crate) fn groups(pieces: &[Piece]) -> Vec<ReadGroup> {
    let group = |current: bool| {
        let pieces = pieces.iter().filter(|piece| piece.current == current);
        let paths: Vec<String> = pieces.map(|piece| piece.path.clone()).collect();
        (!paths.is_empty()).then_some(ReadGroup { current, paths })
    };
    [true, false].into_iter().filter_map(group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invariant_7_a_list_means_what_it_says() {
        let folder = Location::Folder("/a [b]/it's*".into());
        let groups = groups(&[Piece {
            path: "x?.parquet".into(),
            current: true,
            rows: 1,
        }]);
        assert_eq!(
            groups[0].list(&folder),
            "['/a [[]b]/it''s[*]/x[?].parquet']"
        );
    }
}
