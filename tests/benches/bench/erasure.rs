//! Erasure: one visitor is taken out of many objects, and another out of the same rows compacted, over a
//! folder; the lake's part in this process, and then one visitor more by the command.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use sink::{
    CompactionLimits, CompactionScene, ErasureScene, Forget, ForgetId, Forgotten, Lake, LakeKeys,
    Subject,
};
use tests::clickweir::Place;
use tests::season::{self, Season};
use tests::usage;
use tokio::time::Instant;
use topic::{Partition, Timestamp, Unit, Watermarks};

use crate::past::{ends, past};
use crate::table::{Entry, Figure, Table};
use crate::terminal::say;

/// With an object an hour of each of two partitions 1,008 objects.
const DAYS: u32 = 21;
const GIB: f64 = (1 << 30) as f64;

/// Writes so many rows, and takes visitors out of them.
pub(crate) async fn run(rows: u64, table: &mut Table) -> Result<()> {
    let of = Season {
        days: DAYS,
        rows,
        hourly: 1,
    };
    say("Erasure: its lake is written");
    let (place, lake) = past(of).await?;
    let keys = lake.make_keys(&LakeKeys::new([1; 32], [2; 32])).await?;
    for (number, who) in [(1, "an object an hour"), (2, "the same rows compacted")] {
        if number == 2 {
            say("Erasure: it is compacted");
            compact(&lake).await?;
        }
        let mut figures = erase(&lake, &keys, (number, of)).await?;
        figures.extend(by_command(&place, &season::visitor(of, 100 * number + 50))?);
        let mut entry = Entry::of_this_process("Erasure", who);
        entry.note(1, figures);
        table.entries.push(entry);
    }
    Ok(())
}

/// `clickweir forget`, over a catalog that knows the lake.
fn by_command(place: &Place, who: &str) -> Result<Vec<Figure>> {
    place.must(&["query", "SELECT count(*) FROM clicks"])?;
    say(&format!("Erasure: {who} is taken out by the command"));
    let begun = Instant::now();
    let told = place.must(&["forget", "--visitor", who, "--yes"])?;
    let all = begun.elapsed().as_secs_f64();
    ensure!(told.contains("certificate"), "{told}");
    let count = format!("SELECT count(*) FROM clicks WHERE visitor_id = '{who}'");
    let left = place.ask(&count)?;
    ensure!(left == 0, "{left} rows are left");
    Ok(vec![Figure {
        value: all,
        of: "s of the command, for another visitor",
    }])
}

fn later() -> Timestamp {
    Timestamp::from_micros(season::BEGIN + 40 * Unit::Day.micros())
}

fn closed(watermarks: &BTreeMap<Partition, Watermarks>) -> CompactionScene<'_> {
    CompactionScene {
        watermarks,
        now: later(),
        limits: CompactionLimits::default(),
    }
}

async fn compact(lake: &Lake) -> Result<()> {
    let done = lake.compact(&closed(&BTreeMap::new()), &|_| true).await?;
    ensure!(done.left.is_empty(), "{:?}", done.left);
    Ok(())
}

/// The preview, the erasure and its certificate.
#[expect(clippy::cast_precision_loss, reason = "counts of rows and bytes")]
async fn erase(lake: &Lake, keys: &LakeKeys, (number, of): (u64, Season)) -> Result<Vec<Figure>> {
    let who = season::visitor(of, 100 * number);
    let forget = Forget {
        id: ForgetId::new(number.into()),
        subject: Subject::Visitor(keys.subjects().hash(&who)),
        until: ends(of),
        asked_at: later(),
    };
    let (watermarks, rows) = (BTreeMap::new(), BTreeMap::new());
    let tally = lake
        .tally(&closed(&watermarks), true, &rows)
        .await?
        .counting;
    let forgotten = Forgotten::of(&keys.subjects(), forget.clone(), None);
    let lows = BTreeMap::new();
    let scene = |forgotten| ErasureScene {
        id: forget.id,
        forgotten,
        lows: &lows,
        now: later(),
        progress: &|_, _| {},
    };
    say(&format!("Erasure: {who} is taken out"));
    std::fs::write("/proc/self/clear_refs", "5")?;
    let me = std::process::id();
    let (before, begun) = (usage::memory(me)?, Instant::now());
    let share = lake.subject_share(&scene(&forgotten)).await?;
    let preview = begun.elapsed().as_secs_f64();
    ensure!(share.rows > 0, "{who} has no rows");
    lake.forget(&forget).await?;
    let Some(ledger) = lake.ledger().await? else {
        anyhow::bail!("the lake has no ledger");
    };
    let asked = lake.forgotten(&ledger).await?;
    let asked = asked.only(|one| one.id == forget.id);
    let entry = lake.erase(&scene(&asked)).await?;
    ensure!(
        lake.attest(forget.id, keys, (entry, later()))
            .await?
            .is_some(),
        "nothing is attested"
    );
    let all = begun.elapsed().as_secs_f64();
    let left = lake.subject_share(&scene(&forgotten)).await?;
    ensure!(left.rows == 0, "{} rows are left", left.rows);
    let figure = |value, of| Figure { value, of };
    Ok(vec![
        figure(all, "s in all"),
        figure(preview, "s of the preview"),
        figure(share.rows as f64, "rows of the visitor"),
        figure(tally.objects as f64, "objects"),
        figure(all / (tally.bytes as f64 / GIB), "s a GiB"),
        figure(usage::peak(me)? - before, "MB of growth"),
    ])
}
