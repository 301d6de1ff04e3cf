//! `clickweir restore`: makes the lake of a backup.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use indicatif::HumanCount;
use sink::{Backup, BackupStore, Lake, RestoreScene, Restored};
use topic::{Identity, Offset, Open, Partition, clock};

use super::backup::{bar, list, note_lacks, show, size};
use super::owner::Target;
use crate::print;
use crate::settings::Settings;

/// Which backup is restored, and how.
#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// Where backups are: file:FOLDER or s3://BUCKET/PREFIX
    from: String,
    /// The number of the backup [default: the newest]
    #[arg(long, value_name = "N")]
    backup: Option<u64>,
    /// Also carries out the erasures of this lake or newer backup, such as the lost lake itself, if
    /// its ledger can still be read
    #[arg(long, value_name = "URL")]
    erasures_of: Vec<String>,
    /// The topic is lost, too: makes a new one at topic.url, which begins where the lake ends, or
    /// further on, where a request for an erasure ends
    #[arg(long)]
    new_topic: bool,
    /// Only lists the backups that are there
    #[arg(long)]
    list: bool,
    /// Only prints the backup's configuration, which has no secrets
    #[arg(long, conflicts_with = "list")]
    configuration: bool,
}

/// Restores, shows its progress and prints what it did. The exit code is 1 if something is lacking.
pub(crate) async fn restore(settings: Settings, args: RestoreArgs) -> anyhow::Result<ExitCode> {
    let sections = &settings.sections;
    let place = |url: &str| sections.backup.at(url, &sections.lake);
    let store = BackupStore::open(&place(&args.from), &sections.lake)?;
    let backups = store.backups().await?;
    if args.list {
        return list(&backups);
    }
    let backup = chosen(&store, &backups, args.backup)?;
    if args.configuration {
        print::answer(backup.configuration.trim_end())?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Target::Owner(_) = Target::find(settings.clone()).await? {
        bail!(
            "a clickweir is running on {}: end it, restore, and start it again",
            settings.folder().display()
        );
    }
    let topic = match args.new_topic {
        true => Some(topic_folder(&settings)?),
        false => None,
    };
    let mut erasures_of = Vec::new();
    for url in &args.erasures_of {
        erasures_of.push(BackupStore::ledger_at(&place(url)).await?);
    }
    let into = Lake::open(&sections.lake)?.with_spill(settings.folder());
    settings.make_folder()?;
    backup.claim(&into).await?;
    // Before the lake is there: a restore that was cut off goes on until both are.
    let mut beginnings = None;
    if let Some(folder) = &topic {
        let begins = beginnings.insert(store.beginnings(backup, &erasures_of).await?);
        make_topic(&settings, folder, (&backup.topic, begins)).await?;
    }
    let bar = bar()?;
    let scene = RestoreScene {
        now: clock::system().now(),
        erasures_of: &erasures_of,
        beginnings: beginnings.as_ref(),
        progress: &|progress| show(&bar, progress),
        erasing: &|done, all| bar.set_message(format!("erasing: {done} of {all} objects")),
    };
    let restored = store.restore(backup, &into, &scene).await;
    bar.finish_and_clear();
    let restored = restored?;
    forget_catalog(&sections.catalog.path)?;
    print::answer(&sentences(backup, &restored, &into, args.new_topic))?;
    note_lacks(&restored.lacks);
    Ok(match restored.lacks.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn chosen<'a>(
    store: &BackupStore,
    backups: &'a [Backup],
    number: Option<u64>,
) -> anyhow::Result<&'a Backup> {
    let Some(newest) = backups.last() else {
        bail!("there is no backup at {}", store.location());
    };
    let Some(number) = number else {
        return Ok(newest);
    };
    let found = backups.iter().find(|backup| backup.number == number);
    found.with_context(|| {
        let numbers: Vec<String> = backups.iter().map(|one| one.number.to_string()).collect();
        format!(
            "there is no backup {number} at {} (there are {})",
            store.location(),
            numbers.join(", ")
        )
    })
}

/// The folder of a topic that can be made anew.
fn topic_folder(settings: &Settings) -> anyhow::Result<PathBuf> {
    let url = &settings.sections.topic.url;
    let Some(folder) = url.strip_prefix("file:") else {
        bail!(
            "--new-topic makes a topic in a folder, and topic.url is {url}: a new topic of Kafka \
             has another identity and needs a lake.url of its own"
        );
    };
    Ok(folder.into())
}

/// Makes the topic under another name first: what is cut off is no topic.
async fn make_topic(
    settings: &Settings,
    folder: &Path,
    (identity, begins): (&Identity, &BTreeMap<Partition, Offset>),
) -> anyhow::Result<()> {
    let config = &settings.sections.topic;
    if topic::embedded::has_topic(folder) {
        let with = Open {
            clock: clock::system(),
            create: false,
        };
        let topic = topic::open(config, with).await?;
        let marks = topic.watermarks().await?;
        let fits = |(of, begin): (_, &Offset)| {
            let marks = marks.get(of);
            marks.is_some_and(|marks| marks.low == *begin && marks.high == *begin)
        };
        if topic.identity() == identity && begins.iter().all(fits) {
            return Ok(());
        }
        bail!(
            "there is a topic in {}: leave --new-topic out, or move it away",
            folder.display()
        );
    }
    let fresh = folder.with_extension("new");
    let made = async {
        if fresh.exists() {
            fs::remove_dir_all(&fresh)?;
        }
        topic::embedded::begin(config, &fresh, identity, begins).await?;
        fs::rename(&fresh, folder)?;
        anyhow::Ok(())
    };
    made.await
        .with_context(|| format!("no topic can be made in {}", folder.display()))
}

/// Deletes the catalog of the lake that was there before: the next process makes it anew.
fn forget_catalog(path: &Path) -> anyhow::Result<()> {
    for file in [path, &catalog::beside(path, ".wal")] {
        match fs::remove_file(file) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).with_context(|| {
                    format!(
                        "the lake is restored; delete its old catalog {}",
                        file.display()
                    )
                });
            }
            _ => {}
        }
    }
    Ok(())
}

fn sentences(backup: &Backup, restored: &Restored, into: &Lake, new_topic: bool) -> String {
    let mut said = vec![format!(
        "restored backup {} of {} into {}: {} objects of {}, {} rows",
        backup.number,
        backup.made_at,
        into.location(),
        HumanCount(backup.objects),
        size(backup.bytes),
        HumanCount(backup.rows),
    )];
    for id in &restored.erased {
        said.push(format!(
            "carried out the erasure {id}: its certificate is _ledger/certificate-{id}.json"
        ));
    }
    said.push(match new_topic {
        true => "made a topic that begins where the lake ends; start clickweir, and then audit"
            .to_owned(),
        false => {
            "start clickweir, which takes what the topic holds beyond the lake's end, and then \
                  audit"
                .to_owned()
        }
    });
    said.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_catalog_goes_with_its_log_whatever_it_is_called() {
        for name in ["catalog.duckdb", "shop.db", "shop"] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(name);
            for file in [&path, &folder.path().join(format!("{name}.wal"))] {
                fs::write(file, "old").unwrap();
            }
            forget_catalog(&path).unwrap();
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{name}");
            forget_catalog(&path).unwrap();
        }
    }
}
