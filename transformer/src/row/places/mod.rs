//! Where an address is: its country, region and city, by a file in MaxMind's format.

use std::collections::HashSet;
use std::net::IpAddr;

use maxminddb::{LookupResult, MaxMindDbError, PathElement, Reader, WithinOptions, path};
use sha2::{Digest, Sha256};
use topic::Timestamp;

/// How long a code or a name may be, in bytes. A longer one is left out.
const MAX_TEXT_BYTES: usize = 200;
/// How many networks a search tree may have per node. A tree has one, and up to four as the IPv4
/// networks are also found under `::ffff:0:0/96`, `2001::/32` and `2002::/16`.
const MAX_NETWORKS_PER_NODE: usize = 16;

/// Why a file is not used. The message names the file and the remedy.
#[derive(Debug, thiserror::Error)]
#[error(
    "{name} is no file of places that we can read: {why}; put a whole file of countries or cities in its \
     place"
)]
pub struct PlaceError {
    name: String,
    why: String,
}

/// What is known of an address. Each part is `None` if the file does not say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PlaceOfAddress {
    /// The country by ISO 3166-1, as `GB`.
    pub(crate) country: Option<String>,
    /// The country's largest part by ISO 3166-2, without the country: `ENG`.
    pub(crate) region: Option<String>,
    /// The city's English name.
    pub(crate) city: Option<String>,
}

/// A file of places, whole in memory. All that is read of it was read once when it was opened.
#[derive(Debug)]
pub struct PlaceFile {
    reader: Reader<Vec<u8>>,
    version: String,
}

impl PlaceFile {
    /// Reads all networks and places of the file; `name` is for messages. The time is linear in the
    /// size, so the caller bounds that.
    ///
    /// # Errors
    /// If any of it cannot be read, or if it names no countries.
    pub fn open(bytes: Vec<u8>, name: &str) -> Result<Self, PlaceError> {
        Self::read(bytes).map_err(|error| PlaceError {
            name: name.to_owned(),
            why: printable(&error.to_string()),
        })
    }

    fn read(bytes: Vec<u8>) -> Result<Self, MaxMindDbError> {
        let digest = format!("{:x}", Sha256::digest(&bytes));
        let reader = Reader::from_source(bytes)?;
        let metadata = reader.metadata();
        let kind = printable(&metadata.database_type);
        check(&reader, &kind)?;
        let built = i64::try_from(metadata.build_epoch).unwrap_or_default();
        let built = Timestamp::from_millis(built.saturating_mul(1_000)).datetime();
        let version = format!("{kind} {} {}", built.date_naive(), &digest[..8]);
        Ok(Self { reader, version })
    }

    /// The file's type, the day of UTC on which it was built, and the first eight digits of its
    /// SHA-256: `GeoLite2-City 2024-05-01 3f2a91bc`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The place of an IPv4 or IPv6 address; all `None` if the text is not an address, or if the
    /// file does not know it. A truncated address has the place of its network's first address,
    /// which may be another city than the visitor's.
    pub(crate) fn of(&self, ip: &str) -> PlaceOfAddress {
        let Ok(ip) = ip.parse::<IpAddr>() else {
            return PlaceOfAddress::default();
        };
        // An IPv6 address in a file of IPv4 alone is an error, and means the same: not known.
        let found = self.reader.lookup(ip.to_canonical());
        found
            .and_then(|found| PlaceOfAddress::of(&found))
            .unwrap_or_default()
    }
}

impl PlaceOfAddress {
    /// What the record of a network says. The `registered_country` is not asked: it is where the
    /// network's owner is registered, which is often another one.
    fn of(found: &LookupResult<'_, Vec<u8>>) -> Result<Self, MaxMindDbError> {
        if !found.has_data() {
            return Ok(Self::default());
        }
        // MaxMind's files have the first, those of the project ip-location-db the second.
        let country = match text(found, &path!["country", "iso_code"])? {
            None => text(found, &path!["country_code"])?,
            country => country,
        };
        Ok(Self {
            country,
            region: text(found, &path!["subdivisions", 0, "iso_code"])?,
            city: text(found, &path!["city", "names", "en"])?,
        })
    }
}

/// Checks the search tree, and each record that it leads to. A damaged tree may have 2⁹⁶ ways.
fn check(reader: &Reader<Vec<u8>>, kind: &str) -> Result<(), MaxMindDbError> {
    let most = (reader.metadata().node_count as usize).saturating_mul(MAX_NETWORKS_PER_NODE);
    let all = WithinOptions::default()
        .include_aliased_networks()
        .include_networks_without_data();
    let (mut records, mut has_countries) = (HashSet::new(), false);
    for (number, found) in reader.networks(all)?.enumerate() {
        if number > most {
            let message = "the search tree has more networks than a tree can have";
            return Err(MaxMindDbError::invalid_database(message));
        }
        let found = found?;
        if found.offset().is_some_and(|offset| records.insert(offset)) {
            has_countries |= PlaceOfAddress::of(&found)?.country.is_some();
        }
    }
    match has_countries {
        true => Ok(()),
        false => Err(MaxMindDbError::invalid_database(format!(
            "its type is `{kind}`, and its networks have no countries"
        ))),
    }
}

/// The text at a path of a record; `None` if it is absent, empty or too long.
fn text(
    found: &LookupResult<'_, Vec<u8>>,
    path: &[PathElement<'_>],
) -> Result<Option<String>, MaxMindDbError> {
    let text: Option<&str> = found.decode_path(path)?;
    let fitting = text.filter(|text| (1..=MAX_TEXT_BYTES).contains(&text.len()));
    Ok(fitting.map(str::to_owned))
}

/// A file's own text as a message can have it: short, and without control characters.
fn printable(text: &str) -> String {
    let shown = &text[..text.floor_char_boundary(MAX_TEXT_BYTES)];
    shown.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests;
