//! The part of an object that a table shows, and which pieces are read together.

use sink::Location;

use crate::sql::{OffsetRange, file, list};

/// The part of an object that a table shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) path: String,
    /// True if its columns are exactly those that this program writes.
    current: bool,
    /// How many of its rows are shown.
    pub(crate) rows: u64,
    /// The lake that the object is in, and the offsets that are shown. `None` if all are.
    cut: Option<(String, OffsetRange)>,
}

impl Piece {
    /// All of an object.
    pub(crate) const fn whole(path: String, current: bool, rows: u64) -> Self {
        Self {
            path,
            current,
            rows,
            cut: None,
        }
    }

    /// The rows of a range in an object of the lake of that name.
    pub(crate) const fn cut(
        path: String,
        current: bool,
        rows: u64,
        lake: String,
        range: OffsetRange,
    ) -> Self {
        Self {
            path,
            current,
            rows,
            cut: Some((lake, range)),
        }
    }
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
    /// The lake that they are in, if they are cut. In one lake each offset occurs once, so ranges
    /// of offsets say which rows of all these objects are shown.
    lake: Option<String>,
    /// True if their columns are exactly those that this program writes.
    pub(crate) current: bool,
    paths: Vec<String>,
    /// The offsets that are shown. Empty if all are.
    pub(crate) ranges: Vec<OffsetRange>,
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

/// Groups pieces by what can be read together. No group is empty.
pub(crate) fn groups(pieces: &[Piece]) -> Vec<ReadGroup> {
    let mut groups: Vec<ReadGroup> = Vec::new();
    for piece in pieces {
        let lake = piece.cut.as_ref().map(|(lake, ..)| lake);
        let same =
            |group: &ReadGroup| group.lake.as_ref() == lake && group.current == piece.current;
        let at = groups.iter().position(same).unwrap_or_else(|| {
            groups.push(ReadGroup {
                lake: lake.cloned(),
                current: piece.current,
                ..ReadGroup::default()
            });
            groups.len() - 1
        });
        let group = &mut groups[at];
        // An object has two pieces if a range in its middle is replaced.
        if group.paths.last() != Some(&piece.path) {
            group.paths.push(piece.path.clone());
        }
        group
            .ranges
            .extend(piece.cut.as_ref().map(|(_, range)| *range));
    }
    // A view over the same groups has the same text, whichever object came first.
    groups.sort_by(|a, b| (&a.lake, !a.current).cmp(&(&b.lake, !b.current)));
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invariant_7_a_list_means_what_it_says() {
        let folder = Location::Folder("/a [b]/it's*".into());
        let groups = groups(&[Piece::whole("x?.parquet".into(), true, 1)]);
        assert_eq!(
            groups[0].list(&folder),
            "['/a [[]b]/it''s[*]/x[?].parquet']"
        );
    }
}
