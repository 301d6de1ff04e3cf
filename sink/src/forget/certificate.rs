//! Certificates: what an erasure did, in a form that can be compared with the lake and that the
//! lake's own key signs. It never says who asked.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use topic::{Identity, Offset, Partition, Timestamp};

use super::sign::{SigningKey, is_signed};
use crate::ledger::entry::path as entry_path;
use crate::object::names::{LEDGER, SWAPS};
use crate::{Entry, Erased, Error, Forget, ForgetId, Lake, LakeId, LakeKeys, Subject};

/// The version of a certificate's form.
const CERTIFICATE_FORMAT: u32 = 1;
/// Where the public half of the key is published, as PEM, below `published/`.
pub const CERTIFICATE_KEY: &str = "certificate-key.pem";
/// How the names of certificates begin, in the ledger's folder.
pub(crate) const CERTIFICATE: &str = "certificate-";
/// The largest entry that is read.
const MAX_ENTRY_BYTES: u64 = 64 << 20;

/// What an erasure does not reach, in every certificate.
const NOT_COVERED: [&str; 7] = [
    "the topic: it holds the records until its retention deletes them; nobody who knows the \
     ledger makes rows of them again",
    "backups of the lake: a restored one must be given the newer entries of the ledger",
    "older versions of objects, where the bucket keeps versions",
    "the log that clickweir writes, which has the statements that were asked",
    "the files of other processes' catalogs: their tables are built anew when they next read the \
     ledger, their data sets at their next turn, and what is free in such a file may still hold \
     rows of one",
    "copies that were made with other programs, and tables of other servers",
    "what a process that was frozen during the erasure writes later: it counts for nothing and \
     is swept",
];

/// What an erasure did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErasureCertificate {
    /// The version of this form.
    pub format: u32,
    /// The lake.
    pub lake: LakeId,
    /// Its topic.
    pub topic: Identity,
    /// The request.
    pub id: ForgetId,
    /// Whose records went, as a keyed hash, or which.
    pub subject: Subject,
    /// Up to where, by partition.
    pub until: BTreeMap<Partition, Offset>,
    /// When it was asked for.
    pub asked_at: String,
    /// When it was complete.
    pub erased_at: String,
    /// How many rows and dead letters were taken out of objects. What was dropped before it was
    /// committed is in no object.
    pub taken: u64,
    /// The entries of the ledgers, and the SHA-256 of each.
    pub entries: BTreeMap<String, String>,
    /// The objects that were replaced and deleted, and the SHA-256 of each.
    pub before: BTreeMap<String, String>,
    /// The objects that took their place, and the SHA-256 of each.
    pub after: BTreeMap<String, String>,
    /// What it does not cover.
    pub not_covered: Vec<String>,
}

/// A certificate with its signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedCertificate {
    /// What is signed: this, as JSON without spaces.
    pub certificate: ErasureCertificate,
    /// The public half of the lake's key (ed25519), in hexadecimal digits.
    pub key: String,
    /// The signature, in hexadecimal digits.
    pub signature: String,
}

impl SignedCertificate {
    /// Reads a certificate.
    ///
    /// # Errors
    /// [`Error::Refused`] if it is none.
    pub fn parse(json: &[u8]) -> Result<Self, Error> {
        serde_json::from_slice(json)
            .map_err(|error| Error::Refused(format!("it is no certificate of clickweir: {error}")))
    }

    /// Signs a certificate.
    #[must_use]
    pub fn sign(certificate: ErasureCertificate, key: &SigningKey) -> Self {
        let signature = key.sign(&certificate.bytes());
        Self {
            certificate,
            key: key.public_digits(),
            signature,
        }
    }

    /// Where the lake keeps it.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{LEDGER}/{CERTIFICATE}{}.json", self.certificate.id)
    }

    /// Returns true if its own key has signed it.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        is_signed(&self.certificate.bytes(), &self.key, &self.signature)
    }
}

impl ErasureCertificate {
    /// The bytes that are signed.
    fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a certificate is plain text and numbers")
    }

    /// The SHA-256 of what is signed, in hexadecimal digits.
    #[must_use]
    pub fn digest(&self) -> String {
        format!("{:x}", Sha256::digest(self.bytes()))
    }
}

impl Lake {
    /// What the ledgers of this, the live lake, say of a request.
    ///
    /// # Errors
    /// [`Error::Refused`] if it is not in the ledger, else the store's.
    pub async fn certificate(
        &self,
        id: ForgetId,
        erased_at: Timestamp,
    ) -> Result<ErasureCertificate, Error> {
        let missing = || Error::Refused(format!("the ledger has no request {id}"));
        let ledger = self.ledger().await?.ok_or_else(missing)?;
        let asked = ledger.forgetting(id).ok_or_else(missing)?;
        let Forget {
            subject,
            until,
            asked_at,
            ..
        } = asked.forget.clone();
        let mut certificate = ErasureCertificate {
            format: CERTIFICATE_FORMAT,
            lake: ledger.lake,
            topic: ledger.topic.clone(),
            id,
            subject,
            until,
            asked_at: asked_at.to_string(),
            erased_at: erased_at.to_string(),
            taken: 0,
            entries: BTreeMap::new(),
            before: BTreeMap::new(),
            after: BTreeMap::new(),
            not_covered: NOT_COVERED.map(str::to_owned).to_vec(),
        };
        certificate.gather(self, "").await?;
        for name in self.replays().await? {
            let folder = format!("{}/", name.folder());
            certificate.gather(&self.replay(&name), &folder).await?;
        }
        Ok(certificate)
    }

    /// Signs what the ledgers say of a request, and certifies it. `None` if another entry has that
    /// number: the lake must be looked at again.
    ///
    /// # Errors
    /// [`Error::Refused`] if it is not in the ledger, else the store's.
    pub async fn attest(
        &self,
        id: ForgetId,
        keys: &LakeKeys,
        (number, erased_at): (u64, Timestamp),
    ) -> Result<Option<SignedCertificate>, Error> {
        let certificate = self.certificate(id, erased_at).await?;
        let signed = SignedCertificate::sign(certificate, &keys.signing_key());
        let written = self.certify(&signed, keys, (number, erased_at)).await?;
        Ok(written.then_some(signed))
    }

    /// Keeps a certificate and publishes the public half of its key, and says by the ledger's entry
    /// `number` that the erasure is complete. Returns false if another entry has that number: the
    /// lake must be looked at again.
    ///
    /// # Errors
    /// The store's.
    pub async fn certify(
        &self,
        signed: &SignedCertificate,
        keys: &LakeKeys,
        (number, erased_at): (u64, Timestamp),
    ) -> Result<bool, Error> {
        let json = serde_json::to_vec_pretty(signed).expect("it is plain text and numbers");
        self.replace(&signed.path(), json.into()).await?;
        let pem = keys.signing_key().public_pem();
        self.replace(&format!("published/{CERTIFICATE_KEY}"), pem.into())
            .await?;
        let erased = Erased {
            id: signed.certificate.id,
            certificate: signed.certificate.digest(),
            erased_at,
        };
        let entry = Entry::Erased(erased);
        if self.write_entry(number, &entry).await? {
            return Ok(true);
        }
        // The reply may be lost, and not the entry.
        Ok(self.entry(number).await? == Some(entry))
    }
}

impl ErasureCertificate {
    /// Takes what one ledger says; its lake is in that folder of the live one.
    async fn gather(&mut self, lake: &Lake, folder: &str) -> Result<(), Error> {
        let Some(ledger) = lake.ledger().await? else {
            return Ok(());
        };
        let Some(asked) = ledger.forgetting(self.id) else {
            return Ok(());
        };
        for number in asked.number..ledger.next {
            let path = entry_path(number);
            let Some(bytes) = lake.read_if_there(&path, MAX_ENTRY_BYTES).await? else {
                continue;
            };
            let entry: Entry = serde_json::from_slice(&bytes).map_err(|error| {
                Error::Unfit(format!("{folder}{path}: {error}: the entry cannot be read"))
            })?;
            let swap = match entry {
                Entry::Forget(forget) if forget.id == self.id => None,
                Entry::Swap(swap) if swap.erased.is_some_and(|erased| erased.id == self.id) => {
                    Some(swap)
                }
                _ => continue,
            };
            let digest = format!("{:x}", Sha256::digest(&bytes));
            self.entries.insert(format!("{folder}{path}"), digest);
            let Some(swap) = swap else { continue };
            self.taken += swap.erased.map_or(0, |erased| erased.taken);
            let replaced = swap.replaced.into_iter();
            self.before
                .extend(replaced.map(|one| (format!("{folder}{}", one.path), one.hash)));
            for object in swap.objects {
                let path = format!("{folder}{}", object.path());
                self.after.insert(path, object.hash);
            }
            for letters in swap.letters {
                // What stayed where it was is not new.
                let hash = letters.path.strip_prefix(SWAPS);
                if let Some(hash) = hash.and_then(|rest| rest.strip_suffix(".parquet")) {
                    let hash = hash.trim_start_matches('/').to_owned();
                    self.after.insert(format!("{folder}{}", letters.path), hash);
                }
            }
        }
        // What a later swap of the same request replaced again is gone.
        let before = &self.before;
        self.after.retain(|path, _| !before.contains_key(path));
        Ok(())
    }
}
