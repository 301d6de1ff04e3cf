//! What a person reads: answers on standard output, notes and errors on standard error.

use std::io::{ErrorKind, Write};

use anyhow::bail;
use comfy_table::presets::NOTHING;
use comfy_table::{ColumnConstraint, Row, Table, TableComponent, Width};

/// The widest cell of a table, in columns of a terminal.
const MAX_CELL_WIDTH: u16 = 60;
/// How many spaces follow a column, before the one that separates it from the next.
const PADDING: u16 = 1;

/// Writes one line. A closed pipe is no error.
pub(crate) fn line(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Writes an answer. A closed pipe is no error: its reader has read enough.
///
/// # Errors
/// Fails when it cannot be written whole, since half an answer looks like one.
pub(crate) fn answer(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            bail!("the answer cannot be written to standard output: {error}")
        }
        _ => Ok(()),
    }
}

/// Writes a note to standard error.
pub(crate) fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Writes an error and its causes, in one sentence.
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

/// Rows as a table without borders. A cell is one line of at most [`MAX_CELL_WIDTH`] columns.
pub(crate) fn table(header: &[String], rows: &[Vec<String>]) -> String {
    let row = |cells: &[String]| {
        let clean = |text: &String| text.replace(char::is_control, " ");
        let mut row = Row::from(cells.iter().map(clean));
        row.max_height(1);
        row
    };
    let mut table = Table::new();
    table
        .force_no_tty()
        .load_preset(NOTHING)
        .set_style(TableComponent::HeaderLines, '─')
        .set_style(TableComponent::VerticalLines, ' ')
        .set_truncation_indicator("…")
        .set_header(row(header))
        .add_rows(rows.iter().map(|cells| row(cells)));
    let width = ColumnConstraint::UpperBoundary(Width::Fixed(MAX_CELL_WIDTH + PADDING));
    for column in table.column_iter_mut() {
        column.set_padding((0, PADDING)).set_constraint(width);
    }
    let mut text = table.trim_fmt();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_aligned_columns_and_cells_of_one_line() {
        let texts = |cells: &[&str]| cells.iter().map(ToString::to_string).collect::<Vec<_>>();
        let rows = [
            texts(&["teapot", "12"]),
            texts(&["急須", "3"]),
            texts(&["two\nlines", &"x".repeat(70)]),
        ];
        let expect = format!(
            "product    sold\n{} {}\nteapot     12\n急須       3\ntwo lines  {}…\n",
            "─".repeat(9 + 1),
            "─".repeat(60 + 1),
            "x".repeat(59)
        );
        assert_eq!(table(&texts(&["product", "sold"]), &rows), expect);
    }

    #[test]
    fn a_sentence_tells_each_cause_once() {
        let error = anyhow::anyhow!("no such host").context("the topic cannot be opened");
        assert_eq!(sentence(&error), "the topic cannot be opened: no such host");
        let error = anyhow::anyhow!("no such host").context("failed: no such host");
        assert_eq!(sentence(&error), "failed: no such host");
    }
}
