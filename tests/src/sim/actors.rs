//! The actors that cause faults: the killer, the freezer, the operator; and the keeper, which
//! restarts what ended. They stop when the faults do.

use std::sync::Arc;
use std::time::Duration;

use sink::ObjectName;
use tokio::time::sleep;
use topic::clock::Clock;
use topic::{Offset, Partition, Watermarks};

use super::makers::GRACE;
use super::process::WallClock;
use super::shop::{Server, Shop};
use super::worker::{GROUP, SESSION, Worker, Workers, lake};
use super::{Dice, Fault, Link, Process};

/// The most partitions that a topic grows to.
const PARTITIONS: usize = 5;
/// A day, in microseconds.
const DAY: i64 = 86_400_000_000;

/// What the actors act upon.
pub struct Stage {
    /// The choices.
    pub dice: Arc<Dice>,
    /// The workers.
    pub workers: Arc<Workers>,
    /// The shop.
    pub shop: Arc<Shop>,
    /// The leaders' clock.
    pub clock: Arc<WallClock>,
    /// How edges are configured.
    pub edge: producer::Config,
}

impl Stage {
    /// Keeps two workers of the lake's group running.
    pub async fn keep(self: Arc<Self>) {
        loop {
            while self.workers.alive(Some(GROUP)).len() < 2 {
                self.workers.hire(GROUP);
            }
            sleep(self.dice.millis(500..3_000)).await;
        }
    }

    /// Causes a random fault every few seconds.
    pub async fn trouble(self: Arc<Self>) {
        while !self.dice.is_calm() {
            sleep(self.dice.millis(300..3_000)).await;
            let stage = self.clone();
            // Each fault is a task of its own; several may run at once.
            match self.dice.number(0..20) {
                0..5 => self.kill(),
                5 => drop(tokio::spawn(stage.freeze())),
                6 => drop(tokio::spawn(stage.cut(Link::Topic))),
                7 => drop(tokio::spawn(stage.cut(Link::Store))),
                8 | 9 => self.change_staff(),
                10 => drop(tokio::spawn(stage.stray())),
                11 => drop(tokio::spawn(stage.kill_edge())),
                12 => drop(tokio::spawn(stage.turn_edge_clock())),
                13 => drop(tokio::spawn(stage.turn_leader_clock())),
                14 => self.workers.bucket.deny(self.denied()),
                15 => self.reset_offsets(),
                16 => self.add_partition(),
                17 => drop(tokio::spawn(stage.expire())),
                18 | 19 => drop(tokio::spawn(stage.sleep())),
                _ => {}
            }
        }
    }

    fn worker(&self) -> Option<Arc<Worker>> {
        let alive = self.workers.alive(None);
        let running: Vec<_> = alive
            .into_iter()
            .filter(|worker| worker.process.runs())
            .collect();
        self.dice.pick(&running).cloned()
    }

    fn kill(&self) {
        if let Some(worker) = self.worker() {
            self.dice.struck(Fault::WorkerKilled);
            worker.process.kill_at(self.dice.number(1..60));
        }
    }

    async fn freeze(self: Arc<Self>) {
        let Some(worker) = self.worker() else { return };
        worker.process.freeze(true);
        if self.dice.chance(500) {
            self.dice.struck(Fault::WorkerFrozen);
            sleep(self.dice.millis(500..5_000)).await;
        } else {
            self.dice.struck(Fault::WorkerEvicted);
            sleep(SESSION).await;
            self.workers.brokers.evict(&worker.process);
            sleep(self.dice.millis(1_000..20_000)).await;
        }
        worker.process.freeze(false);
    }

    /// Freezes a worker after it has looked at the ledger and before its create, for so long that
    /// what it holds may have been replaced and deleted.
    async fn sleep(self: Arc<Self>) {
        let Some(worker) = self.worker() else { return };
        worker.process.doze(true);
        sleep(SESSION).await;
        worker.process.doze(false);
        if worker.process.runs() || worker.process.is_dead() {
            return;
        }
        self.dice.struck(Fault::WorkerAsleep);
        self.workers.brokers.evict(&worker.process);
        sleep(GRACE + self.dice.millis(10_000..50_000)).await;
        worker.process.freeze(false);
    }

    async fn cut(self: Arc<Self>, link: Link) {
        let Some(worker) = self.worker() else { return };
        worker.process.cut(link, true);
        match link {
            Link::Store => {
                self.dice.struck(Fault::WorkerCutFromStore);
                sleep(self.dice.millis(2_000..30_000)).await;
            }
            Link::Topic => {
                self.dice.struck(Fault::WorkerCutFromTopic);
                sleep(SESSION).await;
                self.workers.brokers.evict(&worker.process);
                sleep(self.dice.millis(0..15_000)).await;
            }
        }
        worker.process.cut(link, false);
    }

    fn change_staff(&self) {
        let alive = self.workers.alive(Some(GROUP));
        if alive.len() < 4 && self.dice.strikes(Fault::WorkerJoined, 500) {
            self.workers.hire(GROUP);
        } else if let Some(worker) = self.dice.pick(&alive) {
            self.dice.struck(Fault::WorkerLeft);
            worker.leave();
        }
    }

    /// A worker in a group of its own, which believes that it owns all partitions.
    async fn stray(self: Arc<Self>) {
        if self
            .workers
            .alive(None)
            .iter()
            .any(|worker| worker.is_astray())
        {
            return;
        }
        self.dice.struck(Fault::WorkerAstray);
        let worker = self.workers.hire("astray");
        sleep(self.dice.millis(5_000..40_000)).await;
        match self.dice.chance(500) {
            true => worker.leave(),
            false => worker.process.kill(),
        }
    }

    async fn kill_edge(self: Arc<Self>) {
        let servers = self.shop.servers();
        let place = usize::try_from(self.dice.number(0..servers.len() as u64)).expect("an index");
        self.dice.struck(Fault::EdgeKilled);
        servers[place].process.kill_at(self.dice.number(1..20));
        sleep(self.dice.millis(500..4_000)).await;
        servers[place].process.kill();
        let clock = WallClock::showing(self.clock.now());
        let server = Server::start(&self.workers.brokers, &self.edge, clock);
        self.shop.replace(place, server);
    }

    async fn turn_edge_clock(self: Arc<Self>) {
        let servers = self.shop.servers();
        let server = self.dice.pick(&servers).expect("the shop has an edge");
        let day = match self.dice.chance(500) {
            true => DAY,
            false => -DAY,
        };
        self.dice.struck(Fault::EdgeClockJump);
        server.clock.turn(day);
        sleep(self.dice.millis(2_000..20_000)).await;
        server.clock.turn(-day);
    }

    /// Sets the leaders' clock back for a while, by less than the permitted step.
    async fn turn_leader_clock(self: Arc<Self>) {
        let behind = i64::try_from(self.dice.number(1..8)).expect("it is small") * 1_000_000;
        self.dice.struck(Fault::BrokerClockBack);
        self.clock.turn(-behind);
        sleep(self.dice.millis(2_000..20_000)).await;
        self.clock.turn(behind);
    }

    fn denied(&self) -> Duration {
        self.dice.struck(Fault::CreateDenied);
        self.dice.millis(500..6_000)
    }

    fn reset_offsets(&self) {
        self.dice.struck(Fault::OffsetsReset);
        self.workers.brokers.reset_offsets(GROUP);
    }

    fn add_partition(&self) {
        if self.workers.brokers.marks().len() < PARTITIONS {
            self.dice.struck(Fault::PartitionAdded);
            self.workers.brokers.add_partition();
        }
    }

    /// Trims the topic up to the begin of the lake's newest object; or, rarely, beyond the lake's
    /// end, which an operator accepts after a while.
    async fn expire(self: Arc<Self>) {
        let marks = self.workers.brokers.marks();
        let partitions: Vec<Partition> = marks.keys().copied().collect();
        let partition = *self
            .dice
            .pick(&partitions)
            .expect("the topic has a partition");
        let Watermarks { low, high } = marks[&partition];
        if self.dice.chance(250) {
            self.workers.brokers.trim(partition, high);
            sleep(self.dice.millis(2_000..15_000)).await;
            self.accept_gap(partition).await;
        } else if let Some(newest) = self.newest(partition).await
            && newest > low
        {
            self.dice.struck(Fault::RetentionCut);
            self.workers.brokers.trim(partition, newest);
        }
    }

    /// Where a partition's newest object begins.
    async fn newest(&self, partition: Partition) -> Option<Offset> {
        let lake = lake(&self.workers.bucket, &Arc::new(Process::default()), None);
        let files = lake.files(None).await.ok()?;
        let names = files.iter().filter_map(|(path, _)| ObjectName::parse(path));
        let of_it = names.filter(|name| name.partition == partition);
        of_it.map(|name| name.first).max()
    }

    /// Does what `clickweir gap accept` does, until it succeeds or there is no gap.
    pub async fn accept_gap(&self, partition: Partition) {
        let lake = lake(&self.workers.bucket, &Arc::new(Process::default()), None);
        loop {
            let low = self.workers.brokers.marks()[&partition].low;
            if let Ok(gap) = lake.accept_gap(partition, low, self.clock.now()).await {
                if gap.is_some() {
                    self.dice.struck(Fault::RetentionPassed);
                }
                self.dice.note(&("accepted", partition, gap));
                return;
            }
            sleep(Duration::from_secs(1)).await;
        }
    }
}
