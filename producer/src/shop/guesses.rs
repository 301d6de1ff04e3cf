//! How often passwords may be guessed: so many wrong ones for a name, and so many from a network.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use parking_lot::Mutex;
use topic::Timestamp;

use crate::address::{self, IpPolicy};

/// How long a wrong password counts.
const GUESS_WINDOW: Duration = Duration::from_secs(15 * 60);
/// The most wrong passwords for one name.
const MAX_GUESSES_OF_NAME: u32 = 10;
/// The most wrong passwords, and names that are taken, from one network: the names of a list
/// cannot be tried one by one.
const MAX_GUESSES_OF_NETWORK: u32 = 50;
/// The most names and networks that are remembered.
const MAX_KEYS: usize = 10_000;

/// Whose guesses are counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum GuessKey {
    Network(Option<String>),
    Name(String),
}

#[derive(Debug, Clone, Copy)]
struct GuessCount {
    count: u32,
    since: Timestamp,
}

/// The guesses of the last quarter of an hour.
#[derive(Default)]
pub(super) struct Guesses(Mutex<HashMap<GuessKey, GuessCount>>);

/// A try that has been counted as wrong until it turns out to be right.
pub(super) struct Guess([GuessKey; 2]);

impl Guesses {
    /// Counts a try; `None` if there have been too many.
    pub(super) fn begin(&self, name: &str, from: Option<IpAddr>, now: Timestamp) -> Option<Guess> {
        let network = from.and_then(|from| address::anonymize(from, IpPolicy::Truncate));
        let keys = [
            GuessKey::Network(network),
            GuessKey::Name(name.to_lowercase()),
        ];
        let mut counts = self.0.lock();
        let is_old = |count: &GuessCount| count.since <= now.minus(GUESS_WINDOW);
        if counts.len() >= MAX_KEYS {
            counts.retain(|_, count| !is_old(count));
        }
        for (key, most) in keys
            .iter()
            .zip([MAX_GUESSES_OF_NETWORK, MAX_GUESSES_OF_NAME])
        {
            if counts.len() >= MAX_KEYS && !counts.contains_key(key) {
                return None;
            }
            let fresh = GuessCount {
                count: 0,
                since: now,
            };
            let count = counts.entry(key.clone()).or_insert(fresh);
            if is_old(count) {
                *count = fresh;
            }
            if count.count >= most {
                return None;
            }
            count.count += 1;
        }
        Some(Guess(keys))
    }

    /// Forgets a try that was right, and what was wrong for its name before.
    pub(super) fn right(&self, Guess([network, name]): &Guess) {
        let mut counts = self.0.lock();
        counts.remove(name);
        if let Some(count) = counts.get_mut(network) {
            count.count = count.count.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);
    /// A quarter of an hour later.
    const LATER: Timestamp = Timestamp::from_millis(1_795_000_900_000);

    #[test]
    fn attack_16_guesses_are_few_for_a_name_and_for_a_network() {
        let guesses = Guesses::default();
        let from = |last: u8| Some(IpAddr::from([198, 51, last, 7]));
        for _ in 0..MAX_GUESSES_OF_NAME {
            assert!(guesses.begin("Ada", from(1), NOW).is_some());
        }
        assert!(
            guesses.begin("ada", from(2), NOW).is_none(),
            "from anywhere"
        );
        assert!(guesses.begin("ada", from(2), LATER).is_some());
        let guesses = Guesses::default();
        for n in 0..MAX_GUESSES_OF_NETWORK {
            assert!(guesses.begin(&format!("name {n}"), from(1), NOW).is_some());
        }
        assert!(guesses.begin("another", from(1), NOW).is_none());
        assert!(guesses.begin("another", from(2), NOW).is_some());
    }

    #[test]
    fn who_logs_in_rightly_is_not_counted_and_memory_is_bounded() {
        let guesses = Guesses::default();
        for _ in 0..1_000 {
            let guess = guesses.begin("ada", None, NOW).unwrap();
            guesses.right(&guess);
        }
        for n in 0..2 * MAX_KEYS {
            let [a, b] = u16::try_from(n).unwrap().to_be_bytes();
            guesses.begin("x", Some(IpAddr::from([10, a, b, 1])), NOW);
        }
        assert!(guesses.0.lock().len() <= MAX_KEYS + 1);
    }
}
