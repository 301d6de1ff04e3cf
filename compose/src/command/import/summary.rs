//! What an import came to, in lines.

use producer::import::ImportReport;

/// What became of a file, or would become of it, in lines.
pub(super) fn told(report: &ImportReport, checked: bool) -> Vec<String> {
    let unit = if report.has_items { "item" } else { "line" };
    let count = |number: u64, what: &str| match number {
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    };
    let letters = report.letters.lines;
    let lines = match report.records == report.lines {
        true => count(report.lines, unit),
        false => format!(
            "{} of {}",
            count(report.lines, unit),
            count(report.records, "record")
        ),
    };
    let mut told = vec![match checked {
        true => format!(
            "{lines}: {} and {}, if they were sent; nothing was sent",
            count(report.rows(), "row"),
            count(letters, "dead letter"),
        ),
        false => format!(
            "{lines}: {} sent now ({}, {}), {} were there already ({}, {})",
            report.sent,
            count(report.sent - report.rejected, "row"),
            count(report.rejected, "dead letter"),
            report.skipped,
            count(report.skipped - report.skipped_letters, "row"),
            count(report.skipped_letters, "dead letter"),
        ),
    }];
    for reason in &report.letters.reasons {
        told.push(format!(
            "{} ({}): {}",
            count(reason.lines, "dead letter"),
            reason.reason,
            reason.detail
        ));
        for (line, text) in &reason.first {
            told.push(format!("  {unit} {line}: {text}"));
        }
    }
    let shown: u64 = report
        .letters
        .reasons
        .iter()
        .map(|reason| reason.lines)
        .sum();
    if shown < letters {
        let rest = count(letters - shown, "dead letter");
        told.push(format!("{rest} for other reasons"));
    }
    if report.has_namesake {
        told.push(format!(
            "a file of this name with other content was imported before: its rows stay, and all {unit}s of this one \
             were new ({unit}s are told apart by the file's bytes); to send only what was mended, \
             import a file of those {unit}s"
        ));
    }
    if !report.complete {
        told.push(
            "stopped before the end: run the same import again, it goes on from there".into(),
        );
    } else if report.rows() == 0 && report.lines > 0 {
        told.push(
            "no line became a row: fix the mapping and import the file again (--check tries it \
             without sending)"
                .into(),
        );
    }
    told
}

#[cfg(test)]
mod tests {
    use producer::import::{LetterCount, LetterReason};

    use super::*;

    #[test]
    fn the_report_says_what_became_of_each_line() {
        let mut report = ImportReport {
            lines: 5,
            records: 5,
            sent: 3,
            skipped: 2,
            rejected: 1,
            complete: true,
            letters: LetterCount {
                lines: 1,
                reasons: vec![LetterReason {
                    reason: "bad_time".into(),
                    detail: "occurred_at: not a time of the format \"%Y\"".into(),
                    lines: 1,
                    first: vec![(2, "soon".into())],
                }],
            },
            ..ImportReport::default()
        };
        let expect = [
            "5 lines: 3 sent now (2 rows, 1 dead letter), 2 were there already (2 rows, 0 dead letters)",
            "1 dead letter (bad_time): occurred_at: not a time of the format \"%Y\"",
            "  line 2: soon",
        ];
        assert_eq!(told(&report, false), expect);
        report = ImportReport {
            lines: 1,
            records: 1,
            sent: 0,
            skipped: 0,
            has_items: true,
            ..report
        };
        let expect = [
            "1 item: 0 rows and 1 dead letter, if they were sent; nothing was sent",
            expect[1],
            "  item 2: soon",
        ];
        let checked = told(&report, true);
        assert_eq!(checked[..3], expect);
        assert!(checked[3].starts_with("no line became a row"));
        report = ImportReport {
            lines: 2,
            records: 7,
            sent: 4,
            skipped: 3,
            ..ImportReport::default()
        };
        assert_eq!(
            told(&report, false)[0],
            "2 lines of 7 records: 4 sent now (4 rows, 0 dead letters), 3 were there already (3 rows, 0 dead letters)"
        );
    }
}
