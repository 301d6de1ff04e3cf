//! One fault: what it holds, what it does there, and how long recovery took.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use rand::Rng;
use rand::rngs::StdRng;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::task::block_in_place;
use tokio::time::{Instant, sleep};

use super::scene::{CUTS, Scene};
use crate::cluster::{COMMIT_TIMEOUT, Role};
use crate::kafka::{Kafka, SESSION_TIMEOUT};
use crate::proxy::{Link, Proxy};

/// How long a freeze or a cut lasts: well within the session time-out, and beyond it.
const SHORT: Duration = Duration::from_millis(800);
const LONG: Duration = SESSION_TIMEOUT.saturating_add(Duration::from_secs(2));

type Held<T> = OwnedMutexGuard<T>;

/// A fault, with the places that it holds.
pub(super) enum Fault {
    /// A member is killed and started at once.
    Kill(Held<Role>),
    /// A member is killed, and started when the other one has its partitions.
    Lose(Held<Role>, Held<Role>),
    /// A member is asked to end, and started again.
    Restart(Held<Role>),
    /// A member is stopped for a while.
    Freeze(Held<Role>, Duration),
    /// The edge is killed and started at once while its broker can be reached.
    KillEdge(Held<Role>, Held<Proxy>),
    KillDashboard(Held<Role>),
    KillBroker(Held<Kafka>),
    CutBroker(Held<Proxy>, usize, Duration),
    CutStore(Held<Proxy>, usize, Duration),
}

/// A fault that is over: its name, and what was measured.
pub(super) struct Met {
    pub(super) name: String,
    pub(super) took: Option<(&'static str, Duration)>,
}

/// The measured times.
pub(super) const RESTART: &str = "a killed member's start to the next commit of all partitions";
pub(super) const RETURN: &str = "an orderly restart, from its end to the next commit of all";
pub(super) const FAILOVER: &str = "a member's kill to the other's commit of all partitions";
pub(super) const READY: &str = "an edge's start until it is ready";

fn length(choices: &mut StdRng) -> Duration {
    if choices.random() { SHORT } else { LONG }
}

fn free<T>(one: &Arc<Mutex<T>>) -> Option<Held<T>> {
    Arc::clone(one).try_lock_owned().ok()
}

impl Fault {
    /// Draws a fault whose place is not disturbed already; `None` if hardly any is left. Every
    /// other `turn` is a kill, the others are freezes and cuts.
    pub(super) fn draw(scene: &Scene, turn: usize, choices: &mut StdRng) -> Option<Self> {
        (0..100).find_map(|_| match turn % 4 {
            0 | 2 => Self::kill(scene, choices),
            1 => Self::cut(scene, choices),
            _ => {
                let member = &scene.members[choices.random_range(0..scene.members.len())];
                Some(Self::Freeze(free(member)?, length(choices)))
            }
        })
    }

    fn kill(scene: &Scene, choices: &mut StdRng) -> Option<Self> {
        let one = choices.random_range(0..scene.members.len());
        let member = &scene.members[one];
        Some(match choices.random_range(0..16) {
            0..=5 => Self::Kill(free(member)?),
            6..=8 => {
                let other = &scene.members[(one + 1) % scene.members.len()];
                Self::Lose(free(member)?, free(other)?)
            }
            9..=10 => Self::Restart(free(member)?),
            11..=12 => Self::KillEdge(free(&scene.edge)?, free(&scene.brokers[0])?),
            13..=14 => Self::KillDashboard(free(&scene.dashboard)?),
            _ => Self::KillBroker(free(&scene.kafka)?),
        })
    }

    fn cut(scene: &Scene, choices: &mut StdRng) -> Option<Self> {
        let cut = choices.random_range(0..CUTS.len());
        let (brokers, stores) = (&scene.brokers, &scene.stores);
        let link = choices.random_range(0..brokers.len() + stores.len());
        Some(match link.checked_sub(brokers.len()) {
            None => Self::CutBroker(free(&brokers[link])?, cut, length(choices)),
            Some(link) => Self::CutStore(free(&stores[link])?, cut, length(choices)),
        })
    }

    /// Causes the fault, mends it, and waits until its place has recovered.
    pub(super) async fn play(self, scene: Arc<Scene>) -> Result<Met> {
        let within = |length| if length == LONG { "long" } else { "short" };
        let met = |name: String| Met { name, took: None };
        Ok(match self {
            Self::Kill(mut member) => {
                block_in_place(|| member.process.kill())?;
                let took = recovery(&scene, Some(&mut member)).await?;
                Met {
                    name: "kill: a member, started at once".into(),
                    took: Some((RESTART, took)),
                }
            }
            Self::Lose(mut member, _other) => {
                block_in_place(|| member.process.kill())?;
                let took = recovery(&scene, None).await?;
                start(&mut member).await?;
                Met {
                    name: "kill: a member, started when the other has gone on".into(),
                    took: Some((FAILOVER, took)),
                }
            }
            Self::Restart(mut member) => {
                // A member that cannot reach its store ends in disorder, which is a fault too.
                block_in_place(|| member.process.stop())?;
                let took = recovery(&scene, Some(&mut member)).await?;
                Met {
                    name: "restart: a member, in order".into(),
                    took: Some((RETURN, took)),
                }
            }
            Self::Freeze(member, length) => {
                member.process.signal("STOP")?;
                sleep(length).await;
                member.process.signal("CONT")?;
                met(format!("freeze: a member, {}", within(length)))
            }
            Self::KillEdge(mut edge, _link) => {
                block_in_place(|| edge.process.kill())?;
                let since = Instant::now();
                start(&mut edge).await?;
                scene.clients.turn_to(&edge.url);
                ready(&edge.url).await?;
                Met {
                    name: "kill: the edge".into(),
                    took: Some((READY, since.elapsed())),
                }
            }
            Self::KillDashboard(mut dashboard) => {
                block_in_place(|| dashboard.process.kill())?;
                start(&mut dashboard).await?;
                met("kill: the dashboard with its catalog".into())
            }
            Self::KillBroker(mut kafka) => {
                block_in_place(|| kafka.kill(0));
                kafka.revive(0).await?;
                met("kill: the broker".into())
            }
            Self::CutBroker(link, cut, length) => {
                cut_off(&link, cut, length).await;
                met(format!("cut: broker, {}, {}", CUTS[cut].0, within(length)))
            }
            Self::CutStore(link, cut, length) => {
                cut_off(&link, cut, length).await;
                met(format!("cut: store, {}, {}", CUTS[cut].0, within(length)))
            }
        })
    }
}

/// Starts the member, if any, and returns the time until every partition has committed anew.
async fn recovery(scene: &Scene, member: Option<&mut Role>) -> Result<Duration> {
    let (since, before) = (Instant::now(), scene.cluster.newest().await?);
    if let Some(member) = member {
        start(member).await?;
    }
    let why = "a member was killed";
    scene.cluster.commit_since(&before, why).await?;
    Ok(since.elapsed())
}

/// Starts a role, and again if it ends, as a container engine does: the broker or the store may be
/// away at the moment.
async fn start(role: &mut Role) -> Result<()> {
    let deadline = Instant::now() + COMMIT_TIMEOUT;
    while let Err(error) = block_in_place(|| role.start_again()) {
        ensure!(Instant::now() < deadline, "it never starts: {error:#}");
        sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

async fn cut_off(link: &Proxy, cut: usize, length: Duration) {
    link.set(CUTS[cut].1);
    sleep(length).await;
    link.set(Link::Pass);
}

async fn ready(edge: &str) -> Result<()> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let deadline = Instant::now() + COMMIT_TIMEOUT;
    loop {
        let asked = client.get(format!("{edge}/readyz")).send().await;
        if asked.is_ok_and(|answer| answer.status().is_success()) {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "the edge is never ready");
        sleep(Duration::from_millis(10)).await;
    }
}
