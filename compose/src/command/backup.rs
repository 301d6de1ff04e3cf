//! `clickweir backup`: copies the lake to another place, and lists what is there.
//!
//! It needs the lake and its place alone, so it runs here, beside the process that owns the files.

use std::process::ExitCode;

use bytesize::ByteSize;
use clap::Args;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use sink::{BackedUp, Backup, BackupScene, BackupStore, CopyProgress};

use crate::node::Node;
use crate::print;
use crate::settings::Settings;

/// How many of the things that a backup lacks are named.
const MAX_NAMED_LACKS: usize = 20;

/// Where backups are, and what is done there.
#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    /// The place: file:FOLDER or s3://BUCKET/PREFIX, which the section [backup] says how to reach
    to: String,
    /// Keeps so many backups, the newest ones; deletes older ones and what only they need
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    keep: Option<u32>,
    /// Only lists the backups that are there
    #[arg(long, conflicts_with = "keep")]
    list: bool,
}

/// Makes a backup and prints what it came to. The exit code is 1 if it lacks something.
pub(crate) async fn backup(settings: Settings, args: BackupArgs) -> anyhow::Result<ExitCode> {
    let sections = &settings.sections;
    let place = sections.backup.at(&args.to, &sections.lake);
    if args.list {
        let store = BackupStore::open(&place, &sections.lake)?;
        return list(&store.backups().await?);
    }
    let store = BackupStore::make(&place, &sections.lake)?;
    let configuration = settings.without_secrets()?;
    let node = Node::new(settings);
    let bar = bar()?;
    let scene = BackupScene {
        now: node.clock.now(),
        version: env!("CARGO_PKG_VERSION"),
        configuration: &configuration,
        keep: args.keep.and_then(|keep| usize::try_from(keep).ok()),
        progress: &|progress| show(&bar, progress),
    };
    let made = node.lake().await?.back_up(&store, &scene).await;
    bar.finish_and_clear();
    let made = made?;
    print::answer(&sentences(&made, args.keep))?;
    note_lacks(&made.backup.lacks);
    Ok(match made.backup.lacks.is_empty() {
        true => ExitCode::SUCCESS,
        false => {
            print::note(
                "`clickweir repair` rebuilds what is damaged or missing; then back up again; \
                 older backups are kept until one is whole",
            );
            ExitCode::FAILURE
        }
    })
}

/// Shows bytes and objects on their way.
pub(super) fn bar() -> anyhow::Result<ProgressBar> {
    let bar = ProgressBar::new(0);
    bar.set_style(ProgressStyle::with_template(
        "{msg} {bar:40} {binary_bytes}/{binary_total_bytes} {eta} left",
    )?);
    Ok(bar)
}

pub(super) fn show(bar: &ProgressBar, progress: &CopyProgress) {
    let (done, all) = (
        HumanCount(progress.objects),
        HumanCount(progress.of_objects),
    );
    bar.set_message(format!("{done} of {all} objects"));
    bar.set_length(progress.of_bytes);
    bar.set_position(progress.bytes);
}

pub(super) fn size(bytes: u64) -> String {
    ByteSize(bytes).display().iec().to_string()
}

fn sentences(made: &BackedUp, keep: Option<u32>) -> String {
    let backup = &made.backup;
    let mut said = format!(
        "backup {}: copied {} of {} objects, {} of {}; the lake has {} rows there",
        backup.number,
        HumanCount(made.copied),
        HumanCount(backup.objects),
        size(made.copied_bytes),
        size(backup.bytes),
        HumanCount(backup.rows),
    );
    if let (Some(keep), true) = (keep, made.pruned.backups > 0) {
        let pruned = &made.pruned;
        said.push_str(&format!(
            "\nkept {keep}: deleted {} older, and {} objects of {} that only they needed",
            pruned.backups,
            HumanCount(pruned.objects),
            size(pruned.bytes)
        ));
    }
    said
}

/// Names what a backup or a restored lake lacks.
pub(super) fn note_lacks(lacks: &[String]) {
    for lack in lacks.iter().take(MAX_NAMED_LACKS) {
        print::note(&format!("lacks {lack}"));
    }
    if let Some(more) = lacks
        .len()
        .checked_sub(MAX_NAMED_LACKS)
        .filter(|more| *more > 0)
    {
        print::note(&format!("lacks {more} objects more"));
    }
}

/// Prints the backups that are there.
pub(super) fn list(backups: &[Backup]) -> anyhow::Result<ExitCode> {
    let names = ["backup", "made at", "rows", "objects", "bytes", "lacks"];
    let header: Vec<String> = names.iter().map(ToString::to_string).collect();
    let rows: Vec<Vec<String>> = backups
        .iter()
        .map(|backup| {
            vec![
                backup.number.to_string(),
                backup.made_at.to_string(),
                backup.rows.to_string(),
                backup.objects.to_string(),
                backup.bytes.to_string(),
                backup.lacks.len().to_string(),
            ]
        })
        .collect();
    print::answer(&print::table(&header, &rows))?;
    Ok(ExitCode::SUCCESS)
}
