//! What a shell shows of an erasure, and of a certificate.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use sink::{Lake, SignedCertificate, SubjectShare};

use super::request::{AskedSubject, ForgetProgress, ForgetReport, ForgetSubject};
use crate::command::owner::Target;
use crate::command::work::watch;
use crate::print;
use crate::settings::Settings;

/// Looks at what is somebody's, or erases it and writes the certificate.
pub(crate) async fn forget(
    settings: Settings,
    asked: AskedSubject,
    yes: bool,
    file: Option<&Path>,
) -> anyhow::Result<ExitCode> {
    let target = Target::find(settings).await?;
    let bar = ProgressBar::new(0);
    bar.set_style(ProgressStyle::with_template(
        "{msg} {human_pos}/{human_len} {elapsed}",
    )?);
    let show = |bar: &ProgressBar, progress: &ForgetProgress| {
        bar.set_message(progress.stage.clone());
        bar.set_length(progress.all);
        bar.set_position(progress.done);
    };
    let work = ForgetSubject { asked, yes };
    match watch(&target, work, &bar, show).await? {
        ForgetReport::Preview { shares, settles } => {
            print::answer(&preview(&shares))?;
            for name in settles {
                print::note(&format!(
                    "the replay {name} is promoted: `clickweir rollback {name}` could not undo it \
                     any more"
                ));
            }
            print::note("nothing was erased; the same command with --yes erases it");
        }
        ForgetReport::Erased(signed) => {
            let json = serde_json::to_string_pretty(&signed)?;
            let file = match file {
                Some(file) => file.to_owned(),
                None => format!("certificate-{}.json", signed.certificate.id).into(),
            };
            std::fs::write(&file, format!("{json}\n")).with_context(|| {
                format!(
                    "it is erased, and {} cannot be written; the lake has the certificate too, \
                     at {}",
                    file.display(),
                    signed.path()
                )
            })?;
            print::answer(&format!(
                "erased: {} rows and dead letters, {} objects became {}; {} certifies it",
                signed.certificate.taken,
                signed.certificate.before.len(),
                signed.certificate.after.len(),
                file.display()
            ))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn preview(shares: &BTreeMap<String, SubjectShare>) -> String {
    let header = [
        "table",
        "rows",
        "dead letters",
        "objects",
        "a replay would skip",
    ];
    let rows: Vec<Vec<String>> = shares
        .iter()
        .map(|(table, share)| {
            let numbers = [share.rows, share.letters, share.objects, share.replayable];
            let cells = numbers.iter().map(ToString::to_string);
            std::iter::once(table.clone()).chain(cells).collect()
        })
        .collect();
    print::table(&header.map(str::to_owned), &rows)
}

/// Compares a certificate with the lake. The exit code is 1 if it is not proved.
pub(crate) async fn verify(settings: Settings, file: &Path) -> anyhow::Result<ExitCode> {
    let json = std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let signed = SignedCertificate::parse(&json)?;
    let lake = Lake::open(&settings.sections.lake)?;
    let bar = ProgressBar::new(0);
    bar.set_style(ProgressStyle::with_template(
        "objects {bar:40} {human_pos}/{human_len}",
    )?);
    let progress = |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    };
    let faults = lake.prove(&signed, &progress).await?;
    bar.finish_and_clear();
    for fault in &faults {
        print::line(&format!("not proved: {fault}"));
    }
    if !faults.is_empty() {
        return Ok(ExitCode::FAILURE);
    }
    let said = &signed.certificate;
    print::answer(&format!(
        "proved: this lake has signed it; the {} entries of its ledgers are as it says; the {} \
         objects before are gone; no object holds a row or a dead letter of the subject below the \
         request of {}. Not covered:",
        said.entries.len(),
        said.before.len(),
        said.asked_at
    ))?;
    for what in &said.not_covered {
        print::line(&format!("- {what}"));
    }
    Ok(ExitCode::SUCCESS)
}
