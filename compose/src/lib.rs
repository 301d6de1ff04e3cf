//! Where everything is put together: the binary `clickweir`. Glue only.
//!
//! A [`node::Node`] opens topic, lake and catalog as a command needs them; [`command`] is what
//! a shell may ask of one, whether it is this process or, through [`command::owner`], the one that owns
//! the files; [`role`] runs the stages.
//!
//! Invariants (the numbers are DESIGN's):
//! - 11: only this crate reads the environment and the arguments, installs tracing, handles
//!   signals and decides the exit code.
//! - Nothing is decided here that a stage could decide; no file is over 250 lines.

mod cli;
mod command;
mod node;
mod print;
mod role;
mod settings;

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
    role::log::install();
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
                role::up::run(
                    settings,
                    role::up::Demo {
                        visitors,
                        seed,
                        once,
                    },
                )
                .await
            }
            Task::Prepare => role::prepare(settings).await,
            Task::Producer => role::producer(settings).await,
            Task::Transformer => role::transformer(settings).await,
            Task::Crawl { watch } => role::crawl(settings, watch).await,
            Task::Dashboard => role::dashboard(settings).await,
            Task::Import { file, format, map } => {
                command::import::ask(settings, &file, format, map.as_deref()).await
            }
            Task::Query { sql, format } => command::shell::query(settings, &sql, format).await,
            Task::Audit {
                json,
                deep,
                against,
            } => command::audit::ask(settings, json, deep, against.as_deref()).await,
            Task::Replay { into, stretch } => command::replay::ask(settings, &into, &stretch).await,
            Task::Diff { name, json } => command::promote::diff(settings, &name, json).await,
            Task::Promote { name } => command::promote::promote(settings, &name).await,
            Task::Rollback { name } => command::promote::rollback(settings, &name).await,
            Task::Topic { topic } => command::shell::topic(settings, topic).await,
            Task::Gap { gap } => command::shell::gap(settings, gap).await,
            Task::Publish { base } => command::shell::publish(settings, base).await,
            Task::Health { role } => role::health::ask(settings, role).await,
            Task::Config { .. } => {
                print::lines(&settings.sources());
                Ok(ExitCode::SUCCESS)
            }
            Task::Completions { .. } => Ok(ExitCode::SUCCESS),
        }
    })
}
