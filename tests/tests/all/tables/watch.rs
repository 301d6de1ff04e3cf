//! Engines that read without a pause while the lake changes, and a count of each state that is
//! published meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::reader::{Engine, Found, Published, Reader};

/// What is read again and again.
pub(super) const WATCHED: [&str; 2] = ["clicks", "dead_letters"];
/// Until all engines have answered once more. Distributed ones take seconds for each answer.
const SHOWN_TIMEOUT: Duration = Duration::from_secs(600);
const LOOK: Duration = Duration::from_millis(50);

/// A state of a table, as it was published.
#[derive(Debug, Clone)]
pub(super) struct State {
    /// How many rows it says that it has.
    told: u64,
    /// How many swaps it shows.
    pub(super) swaps: u64,
    /// Its objects, by their absolute names.
    pub(super) files: Vec<String>,
    /// What its objects hold, by `measures.sql`; null if one of them is gone.
    pub(super) rows: Value,
}

impl State {
    /// The rows of each hour of arrival, by a number like 2026112721.
    pub(super) fn by_hour(&self) -> BTreeMap<u64, u64> {
        let rows = self.rows.as_array().into_iter().flatten();
        rows.filter_map(|row| Some((row[1].as_u64()?, row[2].as_u64()?)))
            .collect()
    }

    /// Panics unless each of its rows is there once, and as many as it says.
    fn check(&self, table: &str, number: i64) {
        for row in self.rows.as_array().into_iter().flatten() {
            assert_eq!(row[2], row[3], "{table} {number}: a row is there twice");
        }
        let told = &self.rows[0][2];
        assert!(
            self.rows.is_null() || *told == self.told,
            "{table} {number}: {told} rows, and it says {}",
            self.told
        );
    }
}

/// What an engine said of one table.
struct Answer {
    engine: &'static str,
    table: &'static str,
    found: Found,
    asked_at: Instant,
}

/// An engine that did not answer.
struct Failure {
    engine: &'static str,
    said: String,
    asked_at: Instant,
    told_at: Instant,
}

#[derive(Default)]
struct Log {
    /// How often the states were looked at.
    looks: u64,
    states: BTreeMap<(String, i64), State>,
    answers: Vec<Answer>,
    failures: Vec<Failure>,
}

impl Log {
    /// The newest state that an answer may be of.
    fn state_of(&self, answer: &Answer) -> Option<i64> {
        let of_table = self.states.iter().rev();
        let mut same = of_table.filter(|((table, number), state)| {
            table == answer.table
                && state.rows == answer.found.rows
                && answer.found.state.is_none_or(|told| told == *number)
        });
        same.next().map(|((_, number), _)| *number)
    }
}

/// Reads with an engine, and writes down what it says.
fn read(reader: &mut Reader, log: &Mutex<Log>) {
    let asked_at = Instant::now();
    let found = reader.find(&WATCHED);
    let mut log = log.lock();
    let engine = reader.name;
    match found {
        Ok(found) => {
            let of = |(table, found)| Answer {
                engine,
                table,
                found,
                asked_at,
            };
            log.answers.extend(WATCHED.into_iter().zip(found).map(of));
        }
        Err(said) => log.failures.push(Failure {
            engine,
            said,
            asked_at,
            told_at: Instant::now(),
        }),
    }
}

/// Engines at work.
pub(super) struct Watch {
    log: Arc<Mutex<Log>>,
    is_done: Arc<AtomicBool>,
    engines: Vec<&'static str>,
    threads: Vec<JoinHandle<()>>,
    /// When an engine may fail: what it reads is deleted.
    excused: Vec<(Instant, Instant)>,
}

impl Watch {
    pub(super) fn start(engines: &[Engine], at: &Published) -> Self {
        let mut watch = Self {
            log: Arc::default(),
            is_done: Arc::default(),
            engines: engines.iter().map(|engine| engine.name).collect(),
            threads: Vec::new(),
            excused: Vec::new(),
        };
        let mut counter = Reader::of_states(at, &WATCHED);
        watch.spawn(move |log| {
            counter.send("");
            let states = counter.receive();
            let mut log = log.lock();
            log.looks += 1;
            for state in states.as_array().unwrap() {
                let table = state["table"].as_str().unwrap().to_owned();
                let files = state["files"].as_array().unwrap().iter();
                let counted = State {
                    told: state["told"].as_u64().unwrap(),
                    swaps: state["swaps"].as_u64().unwrap(),
                    files: files
                        .map(|file| file.as_str().unwrap().to_owned())
                        .collect(),
                    rows: state["rows"].clone(),
                };
                log.states
                    .insert((table, state["state"].as_i64().unwrap()), counted);
            }
        });
        // The quick ones take turns, so that what they read has a core for itself.
        let (slow, quick): (Vec<Engine>, Vec<Engine>) =
            engines.iter().partition(|engine| engine.is_distributed());
        let alone = slow.into_iter().map(|engine| vec![engine]);
        for group in alone.chain([quick]) {
            let mut readers: Vec<_> = group
                .into_iter()
                .map(|engine| Reader::start(engine, at))
                .collect();
            watch.spawn(move |log| readers.iter_mut().for_each(|reader| read(reader, log)));
        }
        watch
    }

    /// Does something in a thread again and again.
    fn spawn(&mut self, mut turn: impl FnMut(&Mutex<Log>) + Send + 'static) {
        let (log, is_done) = (self.log.clone(), self.is_done.clone());
        self.threads.push(std::thread::spawn(move || {
            while !is_done.load(Ordering::Relaxed) {
                turn(&log);
            }
        }));
    }

    /// Waits until every engine has answered by the newest state of `clicks`, which must show so
    /// many swaps, or by a later one. Returns that state.
    pub(super) async fn shown(&self, swaps: u64) -> State {
        let since = Instant::now();
        let deadline = since + SHOWN_TIMEOUT;
        // The look that is under way may have begun before.
        let looks = self.log.lock().looks + 2;
        let (number, state) = loop {
            if let Some(newest) = self.newest(looks, swaps) {
                break newest;
            }
            assert!(Instant::now() < deadline, "no state shows {swaps} swaps");
            sleep(LOOK).await;
        };
        loop {
            let missing = self.without_answer(number, since);
            if missing.is_empty() {
                return state;
            }
            assert!(
                Instant::now() < deadline,
                "{missing:?}: {}",
                self.last_failure()
            );
            sleep(LOOK).await;
        }
    }

    /// The newest counted state of `clicks` that shows so many swaps, after so many looks.
    fn newest(&self, looks: u64, swaps: u64) -> Option<(i64, State)> {
        let log = self.log.lock();
        let mut states = log.states.iter().rev();
        let found = states.find(|((table, _), state)| {
            table == WATCHED[0] && state.swaps >= swaps && !state.rows.is_null()
        });
        let ((_, number), state) = found.filter(|_| log.looks >= looks)?;
        Some((*number, state.clone()))
    }

    fn last_failure(&self) -> String {
        let log = self.log.lock();
        let last = log.failures.last();
        last.map_or("none failed".to_owned(), |last| last.said.clone())
    }

    /// The engines that have not answered since then by this state of `clicks` or a later one.
    fn without_answer(&self, state: i64, since: Instant) -> Vec<&'static str> {
        let log = self.log.lock();
        let recent = log.answers.iter().filter(|answer| answer.asked_at >= since);
        let mut missing = self.engines.clone();
        for answer in recent.filter(|answer| answer.table == WATCHED[0]) {
            if missing.contains(&answer.engine) && log.state_of(answer) >= Some(state) {
                missing.retain(|engine| *engine != answer.engine);
            }
        }
        missing
    }

    /// From `begun` to now an engine may have failed.
    pub(super) fn excuse(&mut self, begun: Instant) {
        self.excused.push((begun, Instant::now()));
    }

    /// Ends the engines. Checks that each of their answers was one published state, and that none
    /// failed without an excuse.
    pub(super) fn check(self) {
        self.is_done.store(true, Ordering::Relaxed);
        self.threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        let log = self.log.lock();
        for ((table, number), state) in &log.states {
            state.check(table, *number);
        }
        let mut told = BTreeMap::<&str, (u64, std::collections::BTreeSet<i64>)>::new();
        for answer in &log.answers {
            let state = log.state_of(answer);
            assert!(
                state.is_some(),
                "{} answered for {} what was never published: {:?}, asked {:?} ago",
                answer.engine,
                answer.table,
                answer.found,
                answer.asked_at.elapsed()
            );
            let told = told.entry(answer.engine).or_default();
            told.0 += 1;
            told.1.extend(state);
        }
        for failure in &log.failures {
            let is_excused = self
                .excused
                .iter()
                .any(|(begun, ended)| failure.told_at >= *begun && failure.asked_at <= *ended);
            assert!(is_excused, "{} failed: {}", failure.engine, failure.said);
        }
        for (engine, (answers, states)) in told {
            let failures = log
                .failures
                .iter()
                .filter(|failure| failure.engine == engine);
            println!(
                "{engine}: {answers} answers, of {} states; {} failed while objects were deleted",
                states.len(),
                failures.count()
            );
        }
    }
}
