//! The shop's accounts: in memory and bounded. Only a hash of each password is kept.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use parking_lot::Mutex;
use pbkdf2::pbkdf2_hmac;
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// The most accounts that the demo keeps.
const MAX_ACCOUNTS: usize = 10_000;
/// The iterations of PBKDF2: some 10 ms a password, so that hundreds of simulated visitors
/// can sign up within seconds. A shop with real customers needs 600,000, as OWASP advises.
const PBKDF2_ITERATIONS: u32 = 20_000;
const MAX_NAME_CHARS: usize = 80;
const PASSWORD_CHARS: RangeInclusive<usize> = 8..=200;

/// Who is logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Customer {
    /// The `user_id` of its clicks.
    pub(super) id: String,
    /// The name as the page shows it.
    pub(super) name: String,
}

struct StoredAccount {
    customer: Customer,
    salt: [u8; 16],
    hash: [u8; 32],
}

/// All accounts, by the name in lower case.
#[derive(Default)]
pub(super) struct Accounts(Mutex<HashMap<String, StoredAccount>>);

impl Accounts {
    /// Opens an account. The error is a sentence for the customer.
    pub(super) fn open(&self, name: &str, password: &str) -> Result<Customer, &'static str> {
        if name.is_empty() || name.chars().count() > MAX_NAME_CHARS {
            return Err("Choose a name of 1 to 80 characters.");
        }
        if !PASSWORD_CHARS.contains(&password.chars().count()) {
            return Err("Choose a password of 8 to 200 characters.");
        }
        let salt: [u8; 16] = rand::random();
        let hash = hash(&salt, password);
        let mut accounts = self.0.lock();
        let key = name.to_lowercase();
        if accounts.contains_key(&key) {
            return Err("This name is taken: log in, or choose another.");
        }
        if accounts.len() >= MAX_ACCOUNTS {
            return Err("The demo keeps 10,000 accounts and opens no more.");
        }
        let customer = Customer {
            id: format!("u-{:016x}", rand::random::<u64>()),
            name: name.to_owned(),
        };
        let account = StoredAccount {
            customer: customer.clone(),
            salt,
            hash,
        };
        accounts.insert(key, account);
        Ok(customer)
    }

    /// Returns the customer of this name; `None` if there is none or the password is wrong. It
    /// takes as long either way, so that the time does not tell which names exist.
    pub(super) fn find(&self, name: &str, password: &str) -> Option<Customer> {
        let known = {
            let accounts = self.0.lock();
            let account = accounts.get(&name.to_lowercase());
            account.map(|account| (account.customer.clone(), account.salt, account.hash))
        };
        let (salt, expected) = known
            .as_ref()
            .map_or_else(|| ([0; 16], [0; 32]), |(_, salt, hash)| (*salt, *hash));
        let is_right = bool::from(hash(&salt, password).ct_eq(&expected));
        known.filter(|_| is_right).map(|(customer, ..)| customer)
    }
}

fn hash(salt: &[u8], password: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    pbkdf2_hmac::<Sha256>(password.as_bytes(), salt, PBKDF2_ITERATIONS, &mut hash);
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_opens_once_and_by_its_own_password_only() {
        let accounts = Accounts::default();
        let opened = accounts.open("Ada", "sluice-gate").unwrap();
        assert_eq!(accounts.find("ada", "sluice-gate"), Some(opened));
        assert_eq!(accounts.find("ada", "sluice-gates"), None);
        assert_eq!(accounts.find("bob", "sluice-gate"), None);
        assert!(
            accounts
                .open("ADA", "other-one")
                .unwrap_err()
                .contains("taken")
        );
        assert!(accounts.open("", "sluice-gate").is_err());
        assert!(accounts.open("Bob", "sluices").is_err());
        assert!(accounts.open(&"x".repeat(81), "sluice-gate").is_err());
    }
}
