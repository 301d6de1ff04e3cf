//! The shop's accounts: in memory, bounded, and no password is kept or told.

use std::collections::HashMap;

use parking_lot::Mutex;
use sha2::{Digest, Sha256};

/// How many accounts the demo keeps; then it opens no more.
const MAX_ACCOUNTS: usize = 10_000;
/// How often a password is hashed. A demo's figure: it costs a guess some
/// milliseconds and keeps a thousand simulated visitors cheap.
const ROUNDS: usize = 4_096;
const MAX_NAME: usize = 80;
const PASSWORD: std::ops::RangeInclusive<usize> = 4..=200;

/// Who is logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    /// What clicks bear as `user_id`.
    pub(super) id: String,
    /// What the page shows.
    pub(super) name: String,
}

struct Kept {
    account: Account,
    salt: [u8; 16],
    digest: [u8; 32],
}

/// All accounts, by the name in lower case.
#[derive(Default)]
pub(super) struct Accounts(Mutex<HashMap<String, Kept>>);

impl Accounts {
    /// Opens an account; the error is for its owner to read.
    pub(super) fn open(&self, name: &str, password: &str) -> Result<Account, &'static str> {
        if name.is_empty() || name.chars().count() > MAX_NAME {
            return Err("Choose a name of 1 to 80 characters.");
        }
        if !PASSWORD.contains(&password.len()) {
            return Err("Choose a password of 4 to 200 characters.");
        }
        let salt: [u8; 16] = rand::random();
        let digest = digest(&salt, password);
        let mut kept = self.0.lock();
        let key = name.to_lowercase();
        if kept.contains_key(&key) {
            return Err("This name is taken: log in, or choose another.");
        }
        if kept.len() >= MAX_ACCOUNTS {
            return Err("The demo keeps 10,000 accounts and opens no more.");
        }
        let id = format!("u-{:016x}", rand::random::<u64>());
        let account = Account {
            id,
            name: name.to_owned(),
        };
        kept.insert(
            key,
            Kept {
                account: account.clone(),
                salt,
                digest,
            },
        );
        Ok(account)
    }

    /// The account of this name, if the password is its own.
    pub(super) fn find(&self, name: &str, password: &str) -> Option<Account> {
        let (account, salt, expected) = {
            let kept = self.0.lock();
            let found = kept.get(&name.to_lowercase())?;
            (found.account.clone(), found.salt, found.digest)
        };
        if password.len() > *PASSWORD.end() {
            return None;
        }
        let given = digest(&salt, password);
        let difference = given
            .iter()
            .zip(expected)
            .fold(0, |sum, (a, b)| sum | (a ^ b));
        (difference == 0).then_some(account)
    }
}

fn digest(salt: &[u8], password: &str) -> [u8; 32] {
    let first = Sha256::new()
        .chain_update(salt)
        .chain_update(password)
        .finalize();
    let last = (1..ROUNDS).fold(first, |digest, _| {
        Sha256::new()
            .chain_update(digest)
            .chain_update(salt)
            .finalize()
    });
    last.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_opens_once_and_by_its_own_password_only() {
        let accounts = Accounts::default();
        let opened = accounts.open("Ada", "sluice").unwrap();
        assert_eq!(accounts.find("ada", "sluice"), Some(opened));
        assert_eq!(accounts.find("ada", "sluices"), None);
        assert_eq!(accounts.find("bob", "sluice"), None);
        assert!(
            accounts
                .open("ADA", "other-one")
                .unwrap_err()
                .contains("taken")
        );
        assert!(accounts.open("", "sluice").is_err());
        assert!(accounts.open("Bob", "abc").is_err());
        assert!(accounts.open(&"x".repeat(81), "sluice").is_err());
    }
}
