//! The measurements as a Markdown table.

use std::fmt;

use crate::terminal::say;

/// One measured number.
pub(crate) struct Figure {
    pub(crate) value: f64,
    /// The unit: `rows per CPU-second`.
    pub(crate) of: &'static str,
}

/// A subject or a peer: its name, how it ran, and the figures of each run, of which the first is
/// compared.
pub(crate) struct Entry {
    pub(crate) bench: &'static str,
    pub(crate) who: &'static str,
    /// Whose CPU was counted.
    pub(crate) counted: &'static str,
    /// The cores of the processes.
    pub(crate) pinned: &'static str,
    pub(crate) backend: &'static str,
    pub(crate) acknowledged: &'static str,
    pub(crate) runs: Vec<Vec<Figure>>,
}

impl Entry {
    /// What the bench's own process does with a lake in a folder.
    pub(crate) const fn of_this_process(bench: &'static str, who: &'static str) -> Self {
        Self {
            bench,
            who,
            counted: "this process, which does nothing else",
            pinned: "nothing",
            backend: "a folder",
            acknowledged: "-",
            runs: Vec::new(),
        }
    }

    /// Keeps a run's figures and prints them.
    pub(crate) fn note(&mut self, turn: usize, run: Vec<Figure>) {
        let shown: Vec<String> = run
            .iter()
            .map(|figure| format!("{} {}", number(figure.value), figure.of))
            .collect();
        let Self {
            bench,
            who,
            backend,
            ..
        } = self;
        say(&format!(
            "{bench}: run {turn}, {who}, {backend}: {}",
            shown.join(", ")
        ));
        self.runs.push(run);
    }

    /// The values of a figure in order.
    fn sorted(&self, of: &str) -> Vec<f64> {
        let all = self.runs.iter().flatten();
        let mut values: Vec<f64> = all.filter(|f| f.of == of).map(|f| f.value).collect();
        values.sort_by(f64::total_cmp);
        values
    }

    /// The median of a figure over the runs; of two in the middle the lower.
    pub(crate) fn median(&self, of: &str) -> f64 {
        let values = self.sorted(of);
        let middle = values.len().saturating_sub(1) / 2;
        values.get(middle).copied().unwrap_or(f64::NAN)
    }

    fn shown(&self, of: &str) -> String {
        let values = self.sorted(of);
        let (Some(least), Some(most)) = (values.first(), values.last()) else {
            return String::new();
        };
        let [median, least, most] = [self.median(of), *least, *most].map(number);
        format!("{median} [{least}–{most}] {of}")
    }
}

/// All entries and comparisons.
#[derive(Default)]
pub(crate) struct Table {
    pub(crate) entries: Vec<Entry>,
    /// Ratios and targets, a sentence each.
    pub(crate) verdicts: Vec<String>,
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| bench | who | median [min–max] | beside it | CPU of | pinning | backend | acknowledged |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|---|---|")?;
        for entry in &self.entries {
            let figures = entry.runs.first().into_iter().flatten();
            let shown: Vec<String> = figures.map(|figure| entry.shown(figure.of)).collect();
            let (first, rest) = shown.split_first().unzip();
            let first = first.map_or("", String::as_str);
            let rest = rest.unwrap_or_default().join("; ");
            let Entry {
                bench,
                who,
                counted,
                pinned,
                backend,
                acknowledged,
                ..
            } = entry;
            writeln!(
                f,
                "| {bench} | {who} | {first} | {rest} | {counted} | {pinned} | {backend} | {acknowledged} |"
            )?;
        }
        writeln!(f)?;
        self.verdicts
            .iter()
            .try_for_each(|verdict| writeln!(f, "- {verdict}"))
    }
}

/// Large numbers with commas, small ones with decimals.
pub(crate) fn number(value: f64) -> String {
    if value < 100.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
