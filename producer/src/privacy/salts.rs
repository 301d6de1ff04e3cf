//! The salts of the days: of one, the client's address and its user agent the edge makes a visitor
//! for clicks without ids. Once the salt is gone, nobody can tell whose visitor that was.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};

use hmac::{Hmac, Mac};
use parking_lot::Mutex;
use sha2::Sha256;
use topic::Timestamp;

use crate::hex::{bytes_of, hex_of};

const DAY_MICROS: i64 = 24 * 60 * 60 * 1_000_000;
/// For how many days a salt is kept after its own, for edges whose clocks are behind: it is gone 48
/// hours after its day began.
const DAYS_KEPT: i64 = 1;
const SALT_BYTES: usize = 32;
/// How much of the hash is the visitor: 128 bits.
const VISITOR_BYTES: usize = 16;

/// The salt of a day, by the number of days since 1970.
#[derive(Clone, Copy, PartialEq, Eq)]
struct DaySalt {
    day: i64,
    salt: [u8; SALT_BYTES],
}

/// The file of the salts, which all edges share, and the salt of today.
pub(crate) struct SaltStore {
    path: PathBuf,
    today: Mutex<Option<DaySalt>>,
    /// The day on which old salts were last removed.
    swept: AtomicI64,
}

impl SaltStore {
    /// The salts of a file, which is made when the first is needed.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self {
            path,
            today: Mutex::new(None),
            swept: AtomicI64::new(i64::MIN),
        }
    }

    /// The visitor of this day who has an address and a user agent: 32 hexadecimal digits.
    pub(crate) fn visitor(&self, now: Timestamp, client: IpAddr, agent: &str) -> String {
        let salt = self.salt(day_of(now));
        let mut hash =
            Hmac::<Sha256>::new_from_slice(&salt).expect("a key of HMAC may have any length");
        hash.update(client.to_canonical().to_string().as_bytes());
        hash.update(b"\n");
        hash.update(agent.as_bytes());
        hex_of(&hash.finalize().into_bytes()[..VISITOR_BYTES])
    }

    fn salt(&self, day: i64) -> [u8; SALT_BYTES] {
        let mut today = self.today.lock();
        if let Some(known) = *today
            && known.day == day
        {
            return known.salt;
        }
        let fresh = rand::random();
        let salt = match share(&self.path, day, fresh) {
            Ok(salt) => {
                tracing::info!(
                    file = %self.path.display(),
                    "visitors without ids count once a day on all edges that share this file"
                );
                salt
            }
            Err(error) => {
                tracing::warn!(
                    "the salt of the day cannot be shared, {}: {error}; visitors without ids \
                     count once per edge, and anew after each start: let producer.salts name a \
                     file that all edges may write",
                    self.path.display()
                );
                fresh
            }
        };
        *today = Some(DaySalt { day, salt });
        salt
    }

    /// Removes the salts that are over, once a day.
    pub(crate) fn sweep(&self, now: Timestamp) {
        let day = day_of(now);
        if self.swept.swap(day, Ordering::Relaxed) == day {
            return;
        }
        self.today.lock().take_if(|known| known.day != day);
        if let Err(error) = remove_old(&self.path, day) {
            tracing::warn!(
                "old salts cannot be removed, {}: {error}; remove them by hand",
                self.path.display()
            );
        }
    }
}

fn day_of(now: Timestamp) -> i64 {
    now.micros().div_euclid(DAY_MICROS)
}

/// Returns the salt that the file has for a day; if it has none, `fresh` becomes it.
fn share(path: &Path, day: i64, fresh: [u8; SALT_BYTES]) -> io::Result<[u8; SALT_BYTES]> {
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        std::fs::create_dir_all(folder)?;
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let file = options.mode(0o600).open(path)?;
    update(file, |salts| {
        if let Some(known) = salts.iter().find(|known| known.day == day) {
            return known.salt;
        }
        salts.retain(|known| is_kept(known, day));
        salts.push(DaySalt { day, salt: fresh });
        fresh
    })
}

fn remove_old(path: &Path, day: i64) -> io::Result<()> {
    match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => update(file, |salts| salts.retain(|known| is_kept(known, day))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Lets `change` the salts of a file while no other edge does, and writes them if they changed.
fn update<T>(mut file: File, change: impl FnOnce(&mut Vec<DaySalt>) -> T) -> io::Result<T> {
    file.lock()?;
    let before = read(&mut file)?;
    let mut salts = before.clone();
    let changed = change(&mut salts);
    if salts != before {
        write(&mut file, &salts)?;
    }
    Ok(changed)
}

fn is_kept(known: &DaySalt, today: i64) -> bool {
    known.day + DAYS_KEPT >= today
}

/// Reads lines of a day and its salt. What is no such line, as after a write that was cut off, is
/// none.
fn read(file: &mut File) -> io::Result<Vec<DaySalt>> {
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    let salts = text.lines().filter_map(|line| {
        let (day, salt) = line.split_once(' ')?;
        Some(DaySalt {
            day: day.parse().ok()?,
            salt: bytes_of(salt)?.try_into().ok()?,
        })
    });
    Ok(salts.collect())
}

fn write(file: &mut File, salts: &[DaySalt]) -> io::Result<()> {
    let lines = salts
        .iter()
        .map(|known| format!("{} {}\n", known.day, hex_of(&known.salt)));
    let text: String = lines.collect();
    file.rewind()?;
    file.set_len(0)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: i64 = 20_000 * DAY_MICROS + DAY_MICROS / 2;

    fn at(days: i64) -> Timestamp {
        Timestamp::from_micros(NOON + days * DAY_MICROS)
    }

    fn client() -> IpAddr {
        "203.0.113.9".parse().unwrap()
    }

    #[test]
    fn input_30_edges_that_share_the_file_agree_on_a_visitor_of_the_day() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/salts");
        let edge = || SaltStore::new(path.clone());
        let (one, other) = (edge(), edge());
        let visitor = one.visitor(at(0), client(), "agent");
        assert_eq!(visitor.len(), 2 * VISITOR_BYTES);
        assert_eq!(other.visitor(at(0), client(), "agent"), visitor);
        let mapped = "::ffff:203.0.113.9".parse().unwrap();
        assert_eq!(one.visitor(at(0), mapped, "agent"), visitor);
        let neighbour = "203.0.113.8".parse().unwrap();
        assert_ne!(one.visitor(at(0), neighbour, "agent"), visitor);
        assert_ne!(one.visitor(at(0), client(), "agent 2"), visitor);
        let tomorrow = other.visitor(at(1), client(), "agent");
        assert_ne!(tomorrow, visitor);
        // An edge that starts again, and one whose clock is behind.
        assert_eq!(edge().visitor(at(1), client(), "agent"), tomorrow);
        assert_eq!(edge().visitor(at(0), client(), "agent"), visitor);
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn input_30_a_salt_is_gone_48_hours_after_its_day_began() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("salts");
        let store = SaltStore::new(path.clone());
        store.sweep(at(0));
        assert!(!path.exists(), "nothing is made before it is needed");
        store.visitor(at(0), client(), "agent");
        let text = || std::fs::read_to_string(&path).unwrap();
        let of_day = |day: i64| text().contains(&format!("{} ", 20_000 + day));
        store.sweep(at(1));
        assert!(of_day(0));
        store.sweep(at(2));
        assert!(!of_day(0), "{}", text());
        // Nobody swept, and the next one is needed.
        store.visitor(at(2), client(), "agent");
        store.visitor(at(9), client(), "agent");
        assert!(!of_day(2) && of_day(9), "{}", text());
    }

    #[test]
    fn input_30_a_file_that_cannot_be_written_or_was_cut_stops_no_click() {
        let folder = tempfile::tempdir().unwrap();
        let store = SaltStore::new(folder.path().into());
        let visitor = store.visitor(at(0), client(), "agent");
        assert_eq!(store.visitor(at(0), client(), "agent"), visitor);
        let path = folder.path().join("salts");
        std::fs::write(&path, "20000 abcd\nnonsense\n\n20001").unwrap();
        let store = SaltStore::new(path.clone());
        store.visitor(at(0), client(), "agent");
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 1);
    }
}
