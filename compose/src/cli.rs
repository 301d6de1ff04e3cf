//! The command line: the product's specification, as clap reads it.

use std::path::PathBuf;

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::command::replay::Stretch;

/// Clicks from the browser to a lake that anyone can query, each exactly once.
#[derive(Debug, Parser)]
#[command(name = "clickweir", version, max_term_width = 100)]
pub(crate) struct Cli {
    /// A TOML file over the defaults [default: ./clickweir.toml where there is one]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Sets one key, over file and environment
    #[arg(long, global = true, value_name = "SECTION.KEY=VALUE")]
    pub(crate) set: Vec<String>,
    #[command(subcommand)]
    pub(crate) task: Task,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Everything in one process: edge, transformer, catalog, dashboard
    Up {
        /// Lets this many simulated visitors through the shop first, then prints a summary
        #[arg(long, value_name = "N")]
        visitors: Option<u64>,
        /// What the visitors' choices follow from
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Ends after the summary; fails when the audit finds anything
        #[arg(long, requires = "visitors")]
        once: bool,
    },
    /// Makes the topic and the bucket where they are not there yet
    Prepare,
    /// The edge alone: HTTP in, topic out
    Producer,
    /// One member of the consumer group: topic in, lake out
    Transformer,
    /// Registers the lake's new objects in the catalog
    Crawl {
        /// Goes on, every catalog.every
        #[arg(long)]
        watch: bool,
    },
    /// The dashboard alone, with a catalog of its own
    Dashboard,
    /// Sends a file's lines as clicks, each once, however often it is imported
    Import {
        /// The file (plain, gzip or zstd), or - for standard input
        file: PathBuf,
        /// How it is laid out
        #[arg(long)]
        format: FileFormat,
        /// Which column becomes what
        #[arg(long, value_name = "FILE.toml")]
        map: Option<PathBuf>,
    },
    /// Runs SQL over `clicks` and `dead_letters`
    Query {
        /// One SELECT, or `FROM clicks LIMIT 5`
        sql: String,
        /// How the rows are printed
        #[arg(long, default_value = "table")]
        format: RowFormat,
    },
    /// Proves that every acknowledged click is in the lake once; exit code 1 when not
    Audit {
        /// Prints the verdict as JSON
        #[arg(long)]
        json: bool,
        /// Reads the topic too, and looks for each of its records
        #[arg(long)]
        deep: bool,
        /// A client's own list of acknowledged ids, one a line
        #[arg(long, value_name = "FILE")]
        against: Option<PathBuf>,
    },
    /// Reads a stretch of the topic again, into a table of its own, `clicks_NAME`
    Replay {
        /// The table's name; without a stretch, a replay that was begun goes on
        #[arg(long, value_name = "NAME")]
        into: String,
        #[command(flatten)]
        stretch: Stretch,
    },
    /// Compares a replay with the live rows; exit code 1 where they differ
    Diff {
        /// The replay
        name: String,
        /// Prints the comparison as JSON
        #[arg(long)]
        json: bool,
    },
    /// Lets `clicks` show a replay within its range
    Promote {
        /// The replay
        name: String,
    },
    /// Lets `clicks` show again what it showed without a replay
    Rollback {
        /// The replay
        name: String,
    },
    /// What the topic holds
    Topic {
        #[command(subcommand)]
        topic: Option<TopicTask>,
    },
    /// What an operator may accept as lost
    Gap {
        #[command(subcommand)]
        gap: GapTask,
    },
    /// Writes the small read-only catalog for notebooks into the lake
    Publish {
        /// Where readers see the lake, when not where it is written
        #[arg(long)]
        base: Option<String>,
    },
    /// Whether a role is well: exit code 0 or 1
    Health {
        /// Which role
        role: Role,
    },
    /// The configuration
    Config {
        #[command(subcommand)]
        config: ConfigTask,
    },
    /// Prints a shell's completions
    Completions {
        /// Which shell
        shell: Shell,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum TopicTask {
    /// Low and high of each partition
    Describe,
    /// Prints records, one JSON object a line
    Read {
        /// The partition
        #[arg(long)]
        partition: u32,
        /// From this offset
        #[arg(long, default_value_t = 0)]
        from_offset: u64,
        /// Up to, without, this offset [default: the end]
        #[arg(long)]
        to_offset: Option<u64>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum GapTask {
    /// Accepts that records were deleted before the lake had them, and notes it in the ledger
    Accept {
        /// The partition that is stopped
        #[arg(long)]
        partition: u32,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigTask {
    /// Prints every key, its value and where the value comes from
    Show,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FileFormat {
    Csv,
    Ndjson,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RowFormat {
    Table,
    Json,
    Csv,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    Producer,
    Transformer,
    Crawl,
    Dashboard,
}

/// Prints the completions of a shell.
pub(crate) fn completions(shell: Shell) {
    clap_complete::generate(
        shell,
        &mut Cli::command(),
        "clickweir",
        &mut std::io::stdout(),
    );
}
