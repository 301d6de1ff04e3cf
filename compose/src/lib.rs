//! The binary `clickweir`: it puts the other crates together and decides nothing that they could.
//!
//! - [`cli`] is the command line, [`settings`] the configuration, [`print`] what a person reads.
//! - [`node`] opens topic, lake and catalog when they are needed.
//! - [`command`] has one type per command. It runs here, or in the process that owns the files.
//! - [`sql_worker`] is the process that runs people's SQL.
//! - [`role`] has what runs until a signal: `up` starts every stage, a role starts its own, and a
//!   supervisor watches and stops them. It also prepares what they need and checks their health.
//!
//! Invariants:
//! - 11: only this crate reads the environment and the arguments, installs the log, handles
//!   signals and decides the exit code.
//! - No file is over 250 lines.

mod cli;
mod command;
mod enrichment;
mod node;
mod print;
mod role;
mod settings;
mod sql_worker;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use rustix::fs::Mode;
use rustix::process::umask;

use cli::{Cli, ConfigTask, Invocation, Task};
use command::forget::CertificateTask;
use command::{
    audit, backup, compact, diff, expire, follow, forget, gap, import, key, objects, promote,
    publish, query, repair, replay, restore, topic,
};
use role::log::{ProcessLog, Verbosity};
use role::{compactor, crawl, dashboard, health, prepare, producer, transformer, up};
use settings::Settings;

/// How long blocking work may take to end after everything else has.
const RUNTIME_TIMEOUT: Duration = Duration::from_secs(5);

/// Parses the arguments, does the task, and says in one sentence what went wrong.
#[must_use]
pub fn main() -> ExitCode {
    keep_private();
    let cli = Cli::parse();
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            print::error(&error);
            ExitCode::FAILURE
        }
    }
}

/// Makes every file that this process creates readable by its user only: topic, lake, catalog and
/// what spills hold what people did.
fn keep_private() {
    let theirs = Mode::RWXG | Mode::RWXO;
    let before = umask(theirs);
    umask(before | theirs);
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let Cli {
        config,
        set,
        invocation,
    } = cli;
    let task = match invocation {
        Invocation::Task(task) => task,
        Invocation::Completions { shell } => {
            cli::completions(shell);
            return Ok(ExitCode::SUCCESS);
        }
        Invocation::SqlWorker { max_bytes } => return sql_worker::sql_worker(max_bytes),
    };
    let settings = Settings::load(config.as_deref(), &set)?;
    let log = ProcessLog::install(settings.sections.log, verbosity(&task));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let ended = runtime.block_on(execute(task, settings, log));
    runtime.shutdown_timeout(RUNTIME_TIMEOUT);
    ended
}

/// What serves says what it does; what answers and ends says only what is wrong.
fn verbosity(task: &Task) -> Verbosity {
    match task {
        Task::Up { visitors: None, .. }
        | Task::Producer
        | Task::Transformer
        | Task::Crawl { watch: true }
        | Task::Dashboard
        | Task::Compactor => Verbosity::All,
        _ => Verbosity::Quiet,
    }
}

async fn execute(task: Task, settings: Settings, log: ProcessLog) -> anyhow::Result<ExitCode> {
    match task {
        Task::Up {
            visitors,
            seed,
            once,
        } => {
            let demo = up::Demo {
                visitors,
                seed,
                once,
            };
            up::up(settings, demo, log).await
        }
        Task::Prepare => prepare::prepare(settings).await,
        Task::Key { name } => key::key(&name),
        Task::Producer => producer::producer(settings).await,
        Task::Transformer => transformer::transformer(settings).await,
        Task::Crawl { watch } => crawl::crawl(settings, watch).await,
        Task::Dashboard => dashboard::dashboard(settings).await,
        Task::Compactor => compactor::compactor(settings).await,
        Task::Import(args) => import::import(settings, args).await,
        Task::Follow(args) => follow::follow(settings, args).await,
        Task::Query { sql, format } => query::query(settings, sql, format).await,
        Task::Audit {
            json,
            deep,
            against,
        } => audit::audit(settings, json, deep, against.as_deref()).await,
        Task::Compact => compact::compact(settings).await,
        Task::Forget(args) => {
            let (asked, yes) = (args.asked(), args.yes);
            forget::forget(settings, asked, yes, args.certificate.as_deref()).await
        }
        Task::Certificate {
            certificate: CertificateTask::Verify { file },
        } => forget::verify(settings, &file).await,
        Task::Objects(args) => objects::objects(settings, args).await,
        Task::Replay { into, range } => replay::replay(settings, &into, range).await,
        Task::Diff { name, json } => diff::diff(settings, name, json).await,
        Task::Expire { dry_run } => expire::expire(settings, dry_run).await,
        Task::Repair { give_up } => repair::repair(settings, give_up).await,
        Task::Backup(args) => backup::backup(settings, args).await,
        Task::Restore(args) => restore::restore(settings, args).await,
        Task::Promote { name, settle: true } => promote::settle(settings, name).await,
        Task::Promote { name, .. } => promote::promote(settings, name).await,
        Task::Rollback { name } => promote::rollback(settings, name).await,
        Task::Topic { topic: task } => topic::topic(settings, task).await,
        Task::Gap { gap: task } => gap::gap(settings, task).await,
        Task::Publish { base } => publish::publish(settings, base).await,
        Task::Health { role } => health::health(settings, role).await,
        Task::Config {
            config: None | Some(ConfigTask::Show),
        } => {
            print::answer(&settings.sources().join("\n"))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
