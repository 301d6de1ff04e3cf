//! Where everything is put together: the binary `clickweir`. Glue only.
//!
//! A [`node::Node`] opens topic, lake and catalog as a command needs them; [`commands`] is what
//! a shell may ask of one, whether it is this process or, through [`owner`], the one that owns
//! the files; [`up`] and [`roles`] run the stages.
//!
//! Invariants (the numbers are DESIGN's):
//! - 11: only this crate reads the environment and the arguments, installs tracing, handles
//!   signals and decides the exit code.
//! - Nothing is decided here that a stage could decide; no file is over 250 lines.

mod against;
mod auditing;
mod cli;
mod commands;
mod demo;
mod health;
mod importing;
mod listen;
mod lookup;
mod node;
mod observe;
mod owner;
mod print;
mod promoting;
mod replaying;
mod roles;
mod settings;
mod shell;
mod tailing;
mod up;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Task};
use settings::Settings;

/// Parses the arguments, does the task, and says in one sentence what went wrong.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            print::error(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let Cli { config, set, task } = cli;
    if let Task::Completions { shell } = task {
        cli::completions(shell);
        return Ok(ExitCode::SUCCESS);
    }
    let settings = Settings::load(config.as_deref(), &set)?;
    observe::install();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async move {
        match task {
            Task::Up {
                visitors,
                seed,
                once,
            } => {
                up::run(
                    settings,
                    up::Demo {
                        visitors,
                        seed,
                        once,
                    },
                )
                .await
            }
            Task::Prepare => roles::prepare(settings).await,
            Task::Producer => roles::producer(settings).await,
            Task::Transformer => roles::transformer(settings).await,
            Task::Crawl { watch } => roles::crawl(settings, watch).await,
            Task::Dashboard => roles::dashboard(settings).await,
            Task::Import { file, format, map } => {
                importing::ask(settings, &file, format, map.as_deref()).await
            }
            Task::Query { sql, format } => shell::query(settings, &sql, format).await,
            Task::Audit {
                json,
                deep,
                against,
            } => auditing::ask(settings, json, deep, against.as_deref()).await,
            Task::Replay { into, stretch } => replaying::ask(settings, &into, &stretch).await,
            Task::Diff { name, json } => promoting::diff(settings, &name, json).await,
            Task::Promote { name } => promoting::promote(settings, &name).await,
            Task::Rollback { name } => promoting::rollback(settings, &name).await,
            Task::Topic { topic } => shell::topic(settings, topic).await,
            Task::Gap { gap } => shell::gap(settings, gap).await,
            Task::Publish { base } => shell::publish(settings, base).await,
            Task::Health { role } => health::ask(settings, role).await,
            Task::Config { .. } => {
                print::lines(&settings.sources());
                Ok(ExitCode::SUCCESS)
            }
            Task::Completions { .. } => Ok(ExitCode::SUCCESS),
        }
    })
}
