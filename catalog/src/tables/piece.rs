//! What is shown of an object.

use sink::Location;

use crate::sql::{plain, quoted};

/// What is shown of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) path: String,
    /// Whether its columns are exactly those that this program writes.
    current: bool,
    /// How many rows of it are shown.
    pub(crate) rows: u64,
    /// Where not all of it is: the lake it is in, the partition, from which offset, to which.
    cut: Option<(String, u32, u64, u64)>,
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

    /// The rows `first..end` of an object of the lake of that name.
    pub(crate) const fn cut(
        path: String,
        current: bool,
        rows: u64,
        lake: String,
        partition: u32,
        (first, end): (u64, u64),
    ) -> Self {
        Self {
            path,
            current,
            rows,
            cut: Some((lake, partition, first, end)),
        }
    }
}

/// Pieces in groups of no more than so many rows, or of one piece.
pub(crate) fn slices(pieces: &[Piece], most: u64) -> impl Iterator<Item = &[Piece]> {
    let mut rest = pieces;
    std::iter::from_fn(move || {
        let slice;
        (slice, rest) = rest.split_at(fitting(rest, most, |piece| piece.rows));
        (!slice.is_empty()).then_some(slice)
    })
}

/// How many come first whose rows are no more than so many together, or the first one.
pub(crate) fn fitting<T>(all: &[T], most: u64, rows: impl Fn(&T) -> u64) -> usize {
    let mut sum = 0;
    let fits = |one: &&T| {
        sum += rows(one);
        sum <= most
    };
    all.iter().take_while(fits).count().max(1).min(all.len())
}

/// Objects that are read together.
#[derive(Debug, Default)]
pub(crate) struct Part {
    /// The lake they are in, where they are cut: in one lake an offset stands once, so that
    /// ranges of offsets say what is shown of each.
    pub(crate) lake: Option<String>,
    pub(crate) current: bool,
    pub(crate) paths: Vec<String>,
    /// SQL of the ranges.
    pub(crate) within: Vec<String>,
}

/// Sorts pieces into what can be read together; empty parts are left out.
pub(crate) fn parts(pieces: &[Piece]) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for piece in pieces {
        let lake = piece.cut.as_ref().map(|(lake, ..)| lake);
        let same = |part: &Part| part.lake.as_ref() == lake && part.current == piece.current;
        let at = parts.iter().position(same).unwrap_or_else(|| {
            parts.push(Part {
                lake: lake.cloned(),
                current: piece.current,
                ..Part::default()
            });
            parts.len() - 1
        });
        let part = &mut parts[at];
        // An object out of whose middle something is cut has two pieces.
        if part.paths.last() != Some(&piece.path) {
            part.paths.push(piece.path.clone());
        }
        if let Some((_, partition, first, end)) = &piece.cut {
            part.within.push(format!(
                r#"("partition" = {partition} AND "offset" >= {first} AND "offset" < {end})"#
            ));
        }
    }
    // Whichever object came first, a view over the same parts has one text.
    parts.sort_by(|a, b| (&a.lake, !a.current).cmp(&(&b.lake, !b.current)));
    parts
}

/// Absolute names of the lake's paths, as a list in SQL.
pub(crate) fn list(location: &Location, paths: &[String]) -> String {
    let quote = |path: &String| quoted(&plain(&location.absolute(path)));
    let quoted: Vec<String> = paths.iter().map(quote).collect();
    format!("[{}]", quoted.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invariant_7_a_list_means_what_it_says() {
        let folder = Location::Folder("/a [b]/it's*".into());
        assert_eq!(
            list(&folder, &["x?.parquet".to_owned()]),
            "['/a [[]b]/it''s[*]/x[?].parquet']"
        );
    }
}
