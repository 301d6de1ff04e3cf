//! Proving a certificate: what it says is compared with the lake, as far as that can be done
//! without knowing who asked.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};

use super::certificate::{ErasureCertificate, SignedCertificate};
use super::erase::ErasureScene;
use super::erasure_rule::ErasureRule;
use crate::object::names::REPLAYS;
use crate::{Error, Lake, SubjectShare, Timestamp};

/// How many objects are asked for at once.
const CONCURRENT_OBJECTS: usize = 8;
/// How many findings of a kind are named.
const MAX_NAMED: usize = 3;

impl Lake {
    /// Compares a certificate with this, the live lake. Returns what does not fit, in sentences;
    /// empty if it is proved. `progress` gets the number of objects that were read, and of all.
    ///
    /// # Errors
    /// The store's.
    pub async fn prove(
        &self,
        signed: &SignedCertificate,
        progress: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<Vec<String>, Error> {
        let mut faults = Vec::new();
        let said = &signed.certificate;
        let Some(keys) = self.keys().await? else {
            return Ok(vec!["this lake has signed no certificate".to_owned()]);
        };
        if signed.key != keys.signing_key().public_digits() {
            faults.push("its key is not this lake's".to_owned());
        }
        if !signed.is_signed() {
            faults.push("its signature does not fit what it says".to_owned());
        }
        let Some(ledger) = self.ledger().await? else {
            return Ok(vec!["the lake is empty".to_owned()]);
        };
        if (said.lake, &said.topic) != (ledger.lake, &ledger.topic) {
            faults.push(format!(
                "it is of the lake {} of topic {}, this is {} of {}",
                said.lake, said.topic, ledger.lake, ledger.topic
            ));
        }
        let Some(asked) = ledger.forgetting(said.id) else {
            faults.push(format!("the ledger has no request {}", said.id));
            return Ok(faults);
        };
        let mut kept = said.clone();
        match &asked.erased {
            None => faults.push("the ledger does not say that the erasure is complete".to_owned()),
            Some((number, erased)) => {
                if erased.certificate != said.digest() {
                    faults.push(format!(
                        "entry {number} of the ledger names another certificate"
                    ));
                }
                let found = self.certificate(said.id, erased.erased_at).await?;
                kept = without_deleted(said, &found);
                compare(said, &kept, &found, &mut faults);
            }
        }
        let forgotten = self.forgotten(&ledger).await?;
        let forgotten = forgotten.only(|one| one.id == said.id);
        let rule = forgotten.erasure_rule();
        self.prove_objects(&kept, &rule, &mut faults).await?;
        let (lows, now) = (BTreeMap::new(), Timestamp::default());
        let scene = ErasureScene {
            id: said.id,
            forgotten: &forgotten,
            lows: &lows,
            now,
            progress,
        };
        let mut share = SubjectShare::default();
        for lake in self.with_replays().await? {
            match lake.subject_share(&scene).await {
                Ok(found) => share.add(&found),
                Err(Error::Damaged { path, detail }) => faults.push(format!("{path}: {detail}")),
                Err(Error::Refused(why)) => faults.push(why),
                Err(error) => return Err(error),
            }
        }
        if share.objects > 0 {
            faults.push(format!(
                "{} objects hold {} rows and {} dead letters that were to be erased",
                share.objects, share.rows, share.letters
            ));
        }
        Ok(faults)
    }

    /// Returns true if an object's bytes have that hash; `None` if it is not there.
    async fn has_hash(&self, path: &str, hash: &str) -> Result<Option<bool>, Error> {
        let object = match self.fetched(path).await {
            Ok(Some(object)) => object,
            Ok(None) => return Ok(None),
            Err(Error::Damaged { .. }) => return Ok(Some(false)),
            Err(error) => return Err(error),
        };
        let found = self.heavy(path, move || Ok(object.sha256())).await?;
        Ok(Some(found.is_ok_and(|found| found == hash)))
    }

    /// What was replaced must be gone, or hold nothing of the subject, as a commit of which only dead
    /// letters did; and what took its place and still counts must be as it was written.
    async fn prove_objects(
        &self,
        said: &ErasureCertificate,
        rule: &Arc<ErasureRule>,
        faults: &mut Vec<String>,
    ) -> Result<(), Error> {
        let mut there = Vec::new();
        for (path, hash) in &said.before {
            let is_harmless = match self.has_hash(path, hash).await? {
                None => true,
                Some(fits) => fits && !self.holds_some(path, rule).await?,
            };
            if !is_harmless {
                there.push(path.as_str());
            }
        }
        name(faults, "was replaced and is still there", &there);
        let reading = stream::iter(&said.after).map(|(path, hash)| async move {
            // Another swap may have replaced it since.
            let fits = self.has_hash(path, hash).await?.unwrap_or(true);
            Ok::<_, Error>((path, fits))
        });
        let mut reading = reading.buffered(CONCURRENT_OBJECTS);
        let mut changed = Vec::new();
        while let Some((path, fits)) = reading.try_next().await? {
            if !fits {
                changed.push(path.as_str());
            }
        }
        name(faults, "is not the object that was written", &changed);
        Ok(())
    }
}

fn name(faults: &mut Vec<String>, what: &str, paths: &[&str]) {
    let named = paths.iter().take(MAX_NAMED);
    faults.extend(named.map(|path| format!("{path} {what}")));
    if paths.len() > MAX_NAMED {
        let more = paths.len() - MAX_NAMED;
        faults.push(format!("{more} more: {what}"));
    }
}

/// What a certificate says without the replays that were deleted since: what they held is gone with
/// their ledgers.
fn without_deleted(said: &ErasureCertificate, found: &ErasureCertificate) -> ErasureCertificate {
    let is_there = |path: &str| match replay_of(path) {
        Some(name) => found.entries.keys().any(|one| replay_of(one) == Some(name)),
        None => true,
    };
    let mut said = said.clone();
    for named in [&mut said.entries, &mut said.before, &mut said.after] {
        named.retain(|path, _| is_there(path));
    }
    said
}

/// The replay whose lake has that path.
fn replay_of(path: &str) -> Option<&str> {
    let below = path.strip_prefix(REPLAYS)?.strip_prefix('/')?;
    below.split('/').next()
}

/// What a certificate says and the ledgers do not; `said` is the `whole` one without the replays that
/// were deleted since.
fn compare(
    whole: &ErasureCertificate,
    said: &ErasureCertificate,
    found: &ErasureCertificate,
    faults: &mut Vec<String>,
) {
    let is_whole = said.entries.len() == whole.entries.len();
    let taken = match is_whole {
        true => said.taken == found.taken,
        false => said.taken >= found.taken,
    };
    let same = [
        ("form", said.format == found.format),
        ("subject", said.subject == found.subject),
        ("ends", said.until == found.until),
        ("time of the request", said.asked_at == found.asked_at),
        ("time of completion", said.erased_at == found.erased_at),
        ("number of rows", taken),
        ("entries", said.entries == found.entries),
        ("objects before", said.before == found.before),
        ("objects after", said.after == found.after),
        ("what is not covered", said.not_covered == found.not_covered),
    ];
    let differing = same.into_iter().filter(|(_, same)| !same);
    faults.extend(differing.map(|(what, _)| format!("the ledger says otherwise: {what}")));
}
