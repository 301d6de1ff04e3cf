//! What the pipeline keeps on this machine's disks, how fast it grows, and when a disk is full.

use std::collections::VecDeque;
use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dashboard::DiskUse;
use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use tokio::time::Instant;

use crate::settings::Settings;

/// How long a measurement serves: walking a large lake's folder takes a while.
const MEASURE_EVERY: Duration = Duration::from_secs(30);
/// Over which time growth is measured.
const GROWTH_WINDOW: Duration = Duration::from_secs(3_600);
/// The unit of a file's blocks, whatever its file system's own is (stat(2)).
const BLOCK_BYTES: u64 = 512;
const DAY: Duration = Duration::from_secs(86_400);

/// The places, and what they held at the last measurements. A bucket and a broker are not on
/// this machine's disks.
#[derive(Debug, Default)]
pub(crate) struct DiskWatch {
    places: Vec<(&'static str, Vec<PathBuf>)>,
    measured: Mutex<Vec<Measured>>,
}

/// A place's measurements: the newest is last, and the oldest is as old as [`GROWTH_WINDOW`].
#[derive(Debug, Default)]
struct Measured {
    samples: VecDeque<(Instant, u64)>,
    free: u64,
}

impl DiskWatch {
    /// Watches what these settings keep here. Nothing is measured before it is asked for, so that a
    /// start does not wait for a walk through a large lake.
    pub(crate) fn new(settings: &Settings) -> Arc<Self> {
        let sections = &settings.sections;
        let catalog = &sections.catalog.path;
        let beside = |ending: &str| catalog::beside(catalog, ending);
        let mut places = Vec::new();
        for (name, url) in [("topic", &sections.topic.url), ("lake", &sections.lake.url)] {
            if let Some(folder) = url.strip_prefix("file:") {
                places.push((name, vec![PathBuf::from(folder)]));
            }
        }
        places.push(("catalog", vec![catalog.clone(), beside(".wal")]));
        places.push((
            "spill",
            vec![
                beside(".tmp"),
                beside(".query.tmp"),
                beside(".external.tmp"),
            ],
        ));
        Arc::new(Self {
            places,
            measured: Mutex::default(),
        })
    }

    /// What each place takes that is there. Blocks if the last measurement is too old.
    pub(crate) fn measure(&self) -> Vec<DiskUse> {
        let mut measured = self.measured.lock();
        measured.resize_with(self.places.len(), Measured::default);
        let now = Instant::now();
        let mut uses = Vec::new();
        for ((name, paths), measured) in self.places.iter().zip(measured.iter_mut()) {
            let newest = measured.samples.back();
            if newest.is_none_or(|&(at, _)| now >= at + MEASURE_EVERY) {
                let Some(free) = paths.iter().find_map(|path| free_bytes(path)) else {
                    continue;
                };
                measured.free = free;
                let held = paths.iter().map(|path| held_bytes(path)).sum();
                measured.take(now, held);
            }
            uses.extend(measured.of(name));
        }
        uses
    }
}

impl Measured {
    fn take(&mut self, now: Instant, bytes: u64) {
        self.samples.push_back((now, bytes));
        while self
            .samples
            .get(1)
            .is_some_and(|&(at, _)| now >= at + GROWTH_WINDOW)
        {
            self.samples.pop_front();
        }
    }

    /// The place as it is; `None` if it was never there.
    fn of(&self, place: &'static str) -> Option<DiskUse> {
        let (&(since, before), &(at, bytes)) = (self.samples.front()?, self.samples.back()?);
        let took = at - since;
        let grown = u128::from(bytes.saturating_sub(before));
        let growth = (!took.is_zero()).then(|| {
            let day = grown * DAY.as_millis() / took.as_millis().max(1);
            u64::try_from(day).unwrap_or(u64::MAX)
        });
        let full_in = growth.filter(|&growth| growth > 0).map(|growth| {
            let seconds = u128::from(self.free) * u128::from(DAY.as_secs()) / u128::from(growth);
            Duration::from_secs(u64::try_from(seconds).unwrap_or(u64::MAX))
        });
        Some(DiskUse {
            place,
            bytes,
            growth,
            free: self.free,
            full_in,
        })
    }
}

impl Collector for DiskWatch {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let uses = self.measure();
        let mut gauge = |name: &str, help: &str, of: &dyn Fn(&DiskUse) -> Option<u64>| {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for one in &uses {
                if let Some(value) = of(one) {
                    let labels = [("place", one.place)];
                    ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
                }
            }
            Ok::<(), fmt::Error>(())
        };
        gauge(
            "disk_bytes",
            "Bytes that a place takes on this machine's disk",
            &|one| Some(one.bytes),
        )?;
        gauge(
            "disk_free_bytes",
            "Bytes that are free on the place's disk",
            &|one| Some(one.free),
        )?;
        gauge(
            "disk_growth_bytes_per_day",
            "Bytes by which a place grows in a day, by the last hour",
            &|one| one.growth,
        )?;
        gauge(
            "disk_full_seconds",
            "Time until the disk is full, if the place goes on growing",
            &|one| one.full_in.map(|left| left.as_secs()),
        )
    }
}

/// The bytes that a file, or all files below a folder, take on the disk. What goes away meanwhile
/// takes none. Symbolic links are not followed.
fn held_bytes(path: &Path) -> u64 {
    let Ok(metadata) = fs::symlink_metadata(path) else {
        return 0;
    };
    if !metadata.is_dir() {
        return metadata.blocks() * BLOCK_BYTES;
    }
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|entry| held_bytes(&entry.path())).sum()
}

/// The bytes that are free on the disk of a file or folder; `None` if there is no such file.
fn free_bytes(path: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(path).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_takes_what_its_files_take_and_a_place_that_is_not_there_is_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("a/b");
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("file"), vec![1; 1 << 20]).unwrap();
        let held = held_bytes(folder.path());
        assert!((1 << 20..2 << 20).contains(&held), "{held}");
        let watch = DiskWatch {
            places: vec![
                ("lake", vec![folder.path().to_owned()]),
                ("spill", vec![folder.path().join("no")]),
            ],
            measured: Mutex::default(),
        };
        let uses = watch.measure();
        let [lake] = &uses[..] else {
            panic!("one place: {uses:?}");
        };
        assert_eq!((lake.place, lake.bytes, lake.growth), ("lake", held, None));
        assert!(lake.free > 0 && lake.full_in.is_none());
    }

    #[test]
    fn growth_is_that_of_the_last_hour() {
        let (start, minute) = (Instant::now(), Duration::from_secs(60));
        let mut measured = Measured {
            free: 14_400_000,
            ..Measured::default()
        };
        // 100 bytes a minute for two hours, then 1,000 for one.
        let mut bytes = 0;
        for number in 0..180 {
            measured.take(start + minute * number, bytes);
            bytes += if number < 120 { 100 } else { 1_000 };
        }
        let lake = measured.of("lake").unwrap();
        let growth = lake.growth.unwrap();
        assert!((1_400_000..=1_440_000).contains(&growth), "{growth}");
        let days = lake.full_in.unwrap().as_secs() / 86_400;
        assert_eq!(days, 10);
        assert!(measured.samples.len() <= 62, "{}", measured.samples.len());
    }
}
