//! The command line: the product's specification, as clap reads it.

use std::path::PathBuf;

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use serde::{Deserialize, Serialize};

use crate::command::backup::BackupArgs;
use crate::command::follow::FollowArgs;
use crate::command::forget::{CertificateTask, ForgetArgs};
use crate::command::gap::GapTask;
use crate::command::import::ImportArgs;
use crate::command::objects::ObjectsArgs;
use crate::command::replay::TopicRange;
use crate::command::restore::RestoreArgs;
use crate::command::topic::TopicTask;
use crate::role::Role;

const EXAMPLES: &str = "\
Examples:
  clickweir up                                      everything in one process, in ./data
  clickweir query \"SELECT action, count(*) FROM clicks GROUP BY ALL\"
  clickweir audit                                   proves that nothing is lost or doubled
  clickweir --set sink.max_age=1s up                sets one key
  clickweir config show                             the keys, their values and their sources

Configuration, each over the one before: the defaults, the file of --config (or of
CLICKWEIR_CONFIG, or ./clickweir.toml), CLICKWEIR__SECTION__KEY, --set. RUST_LOG replaces
log.level.

Exit codes:
  0  done; `audit` found nothing, `diff` found no difference, the role is well
  1  failed, or the configuration is wrong (`--set` too), or `audit`, `diff` or `health` found
     something: the output says what
  2  the arguments are wrong";

/// Clicks from the browser to a lake that anyone can query, each exactly once.
#[derive(Debug, Parser)]
#[command(name = "clickweir", version, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct Cli {
    /// A TOML file over the defaults [default: ./clickweir.toml if it exists]
    #[arg(long, global = true, value_name = "FILE", env = "CLICKWEIR_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Sets one key, over file and environment: --set sink.max_age=1s
    #[arg(long, global = true, value_name = "SECTION.KEY=VALUE")]
    pub(crate) set: Vec<String>,
    #[command(subcommand)]
    pub(crate) invocation: Invocation,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Invocation {
    #[command(flatten)]
    Task(Task),
    /// Prints completions for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Runs statements for the process that starts it
    #[command(hide = true)]
    SqlWorker { max_bytes: u64 },
}

/// What needs a configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Runs everything in one process: edge, transformer, catalog, dashboard
    Up {
        /// First sends this many simulated visitors through the shop (producer.shop), then prints
        /// a summary
        #[arg(long, value_name = "N")]
        visitors: Option<u64>,
        /// Seed for the simulated visitors
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Ends after the summary; the exit code is 1 if the audit found anything
        #[arg(long, requires = "visitors")]
        once: bool,
    },
    /// Makes the topic and the bucket if they are missing
    Prepare,
    /// Runs the edge alone: HTTP in, topic out
    Producer,
    /// Runs one member of the consumer group: topic in, lake out
    Transformer,
    /// Registers the lake's new objects in the catalog
    Crawl {
        /// Keeps crawling, every catalog.every
        #[arg(long)]
        watch: bool,
    },
    /// Runs the dashboard, with a crawler, a tail and a catalog of its own
    Dashboard,
    /// Runs the compactor alone: merges what has closed into few large objects, for as long as it runs
    Compactor,
    /// Makes a key that a source of clicks may use, and what a file of keys says of it
    Key {
        /// What the source is called: the column `properties` and the file say it
        name: String,
    },
    /// Sends each line of a file as a click; importing it again sends nothing twice. The exit code is
    /// 1 if no line became a row
    Import(ImportArgs),
    /// Sends each line of a log as a click as soon as it is written, like `tail -F`, until Ctrl-C;
    /// continues where it stopped
    Follow(FollowArgs),
    /// Runs one statement of SQL that reads: `clicks`, `clicks_live`, `dead_letters` and others
    Query {
        /// One SELECT, or `FROM clicks LIMIT 5`
        sql: String,
        /// The format of the output
        #[arg(long, default_value = "table")]
        format: RowFormat,
    },
    /// Proves that every acknowledged click is accounted for once: as a row, a dead letter or a
    /// duplicate, or still in the topic; the exit code is 1 if not
    Audit {
        /// Prints the verdict as JSON
        #[arg(long)]
        json: bool,
        /// Also reads the topic and looks for each of its records in the lake
        #[arg(long)]
        deep: bool,
        /// A client's own list of acknowledged ids, one per line
        #[arg(long, value_name = "FILE")]
        against: Option<PathBuf>,
    },
    /// Merges the objects of closed hours, days and months into few large ones; the rows stay the same
    Compact,
    /// Shows how many objects the lake has, how large they are, and what becomes of them
    Objects(ObjectsArgs),
    /// Shows what is somebody's, and with --yes erases it, and writes a certificate
    Forget(ForgetArgs),
    /// Proves a certificate of an erasure
    Certificate {
        #[command(subcommand)]
        certificate: CertificateTask,
    },
    /// Takes out what is older than the sections `[[retention]]` keep
    Expire {
        /// Only prints what would go
        #[arg(long)]
        dry_run: bool,
    },
    /// Rebuilds from the topic what is damaged or missing
    Repair {
        /// Records as lost what the topic no longer holds
        #[arg(long)]
        give_up: bool,
    },
    /// Copies the lake to another place: what is new since the backup before, and a list
    Backup(BackupArgs),
    /// Makes the lake of a backup; lake.url must be empty
    Restore(RestoreArgs),
    /// Reads a range of the topic again, into a table of its own, `clicks_NAME`
    Replay {
        /// The name of the replay; without a range, continues the replay of this name
        #[arg(long, value_name = "NAME")]
        into: String,
        #[command(flatten)]
        range: TopicRange,
    },
    /// Compares a replay with the live rows; the exit code is 1 if they differ
    Diff {
        /// The name of the replay
        name: String,
        /// Prints the comparison as JSON
        #[arg(long)]
        json: bool,
    },
    /// Puts the replay in the place of the live rows of its range
    Promote {
        /// The name of the replay
        name: String,
        /// Ends the time in which its promotion can be rolled back; what it replaced is deleted
        #[arg(long)]
        settle: bool,
    },
    /// Undoes `promote`, for 30 days or until it is settled
    Rollback {
        /// The name of the replay
        name: String,
    },
    /// Shows what the topic holds [default: describe]
    Topic {
        #[command(subcommand)]
        topic: Option<TopicTask>,
    },
    /// Accepts that records are lost
    Gap {
        #[command(subcommand)]
        gap: GapTask,
    },
    /// Writes a small read-only catalog into the lake, for notebooks
    Publish {
        /// The URL under which readers see the lake [default: lake.url]
        #[arg(long)]
        base: Option<String>,
    },
    /// Checks a role on this machine; the exit code is 1 if it is not well
    Health {
        /// The role
        role: Role,
    },
    /// Shows the configuration [default: show]
    Config {
        #[command(subcommand)]
        config: Option<ConfigTask>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigTask {
    /// Prints the keys, their values and their sources, without external tables, data sets and logs
    Show,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RowFormat {
    Table,
    Json,
    Csv,
}

/// Prints the completions for a shell.
pub(crate) fn completions(shell: Shell) {
    let mut out = std::io::stdout();
    clap_complete::generate(shell, &mut Cli::command(), "clickweir", &mut out);
}
