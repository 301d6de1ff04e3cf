//! What a person reads: lines on standard output, errors on standard error.

use std::io::Write;

/// Writes one line; a closed pipe ends nothing.
pub(crate) fn line(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Writes lines.
pub(crate) fn lines(texts: &[String]) {
    let mut out = std::io::stdout().lock();
    for text in texts {
        if writeln!(out, "{text}").is_err() {
            return;
        }
    }
}

/// Tells what happens now, on standard error.
pub(crate) fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Tells an error and what caused it, in one sentence.
pub(crate) fn error(error: &anyhow::Error) {
    note(&format!("clickweir: {}", sentence(error)));
}

/// An error and its causes, each once.
pub(crate) fn sentence(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if text.contains(&cause) {
            continue;
        }
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&cause);
    }
    text
}

/// Rows as a table: columns as wide as their cells, at most 60 characters each.
pub(crate) fn table(header: &[String], rows: &[Vec<String>]) -> String {
    const MOST: usize = 60;
    let cut = |text: &str| -> String {
        let clean: String = text
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        if clean.chars().count() <= MOST {
            return clean;
        }
        clean.chars().take(MOST - 1).chain(['…']).collect()
    };
    let all: Vec<Vec<String>> = std::iter::once(header)
        .chain(rows.iter().map(Vec::as_slice))
        .map(|row| row.iter().map(|cell| cut(cell)).collect())
        .collect();
    let widths: Vec<usize> = (0..header.len())
        .map(|i| {
            all.iter()
                .filter_map(|row| row.get(i))
                .map(|c| c.chars().count())
                .max()
        })
        .map(Option::unwrap_or_default)
        .collect();
    let mut text = String::new();
    for (number, row) in all.iter().enumerate() {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell}{}", " ".repeat(width - cell.chars().count())))
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
        if number == 0 {
            let rule: Vec<String> = widths.iter().map(|width| "─".repeat(*width)).collect();
            text.push_str(&rule.join("  "));
            text.push('\n');
        }
    }
    text
}
