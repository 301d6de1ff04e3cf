//! What clicks are enriched from: one value, which a newer one may replace while clicks come.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::row::agent::{self, Agent, Agents};
use crate::row::channel::{self, Visit, VisitSource};
use crate::row::crawlers;
use crate::row::field_key::FieldKey;
use crate::row::hints::ClientHints;
use crate::row::mapping::MappingFile;
use crate::row::places::{PlaceFile, PlaceOfAddress};

/// The keys of `[enrich]`; `compose/default.toml` has the defaults and their reasons.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnrichConfig {
    /// Browser, system, device and bot, by the user agent and the client's hints.
    pub agents: bool,
    /// The file of places; empty means the one that comes with the program, `none` none at all.
    pub places: String,
    /// The channel by which a visitor came.
    pub channels: bool,
    /// Whose links are links within the shop, beside the page's own host.
    pub own_hosts: Vec<String>,
    /// The file of mappings; empty means none.
    pub mapping: String,
    /// The key of the hashes that a mapping makes.
    #[serde(default, skip_serializing)]
    pub hash_key: SecretString,
}

impl EnrichConfig {
    /// Returns true if another one says the same, but for its key, which leaves no process.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        let Self {
            agents,
            places,
            channels,
            own_hosts,
            mapping,
            hash_key: _,
        } = other;
        (self.agents, self.channels) == (*agents, *channels)
            && self.places == *places
            && self.own_hosts == *own_hosts
            && self.mapping == *mapping
    }
}

/// What the files hold that `[enrich]` names.
#[derive(Debug, Default)]
pub struct EnrichmentParts {
    /// Where addresses are.
    pub places: Option<PlaceFile>,
    /// Where fields come from.
    pub mapping: Option<MappingFile>,
}

impl Default for EnrichConfig {
    fn default() -> Self {
        Self {
            agents: true,
            places: "none".to_owned(),
            channels: true,
            own_hosts: Vec::new(),
            mapping: String::new(),
            hash_key: String::new().into(),
        }
    }
}

/// What clicks are enriched from.
pub struct Enrichment {
    config: EnrichConfig,
    agents: Agents,
    parts: EnrichmentParts,
    hash_key: Option<FieldKey>,
    versions: BTreeMap<String, String>,
}

/// The newest [`Enrichment`].
pub type EnrichmentFeed = watch::Receiver<Arc<Enrichment>>;

impl Default for Enrichment {
    fn default() -> Self {
        Self::new(EnrichConfig::default(), EnrichmentParts::default())
    }
}

impl Enrichment {
    /// As the configuration says, with what its files hold.
    #[must_use]
    pub fn new(config: EnrichConfig, parts: EnrichmentParts) -> Self {
        let mut versions = BTreeMap::new();
        let mut say = |name: &str, version: &str| {
            versions.insert(name.to_owned(), version.to_owned());
        };
        if config.agents {
            say("agents", agent::version());
            say("crawlers", crawlers::version());
        }
        if config.channels {
            say("channels", channel::version());
            if !config.own_hosts.is_empty() {
                say("own_hosts", &config.own_hosts.join(" "));
            }
        }
        if let Some(places) = &parts.places {
            say("places", places.version());
        }
        if let Some(mapping) = &parts.mapping {
            say("mapping", mapping.version());
        }
        let hash_key = FieldKey::of(config.hash_key.expose_secret());
        if let Some(key) = &hash_key {
            say("hash_key", &key.fingerprint());
        }
        Self {
            config,
            agents: Agents::default(),
            parts,
            hash_key,
            versions,
        }
    }

    /// The versions of all that decides a row, by name. A part that is off is not there.
    #[must_use]
    pub const fn versions(&self) -> &BTreeMap<String, String> {
        &self.versions
    }

    /// A feed of nothing but this.
    #[must_use]
    pub fn alone(self) -> EnrichmentFeed {
        watch::Sender::new(Arc::new(self)).subscribe()
    }

    /// The owner's mappings.
    pub(crate) const fn mapping(&self) -> Option<&MappingFile> {
        self.parts.mapping.as_ref()
    }

    /// The key of the hashes that a mapping makes.
    pub(crate) const fn hash_key(&self) -> Option<&FieldKey> {
        self.hash_key.as_ref()
    }

    /// What a user agent says, and the hints among what was kept of its request.
    pub(crate) fn agent(&self, user_agent: Option<&str>, request: Option<&str>) -> Agent {
        if !self.config.agents {
            return Agent::default();
        }
        let mut agent = self.agents.read(user_agent);
        if let Some(hints) = request.and_then(ClientHints::of) {
            hints.refine(&mut agent);
        }
        agent
    }

    /// Where an address is. Nothing of it is known without a file of places.
    pub(crate) fn place(&self, ip: Option<&str>) -> PlaceOfAddress {
        let place = self.parts.places.as_ref().zip(ip);
        place.map_or_else(PlaceOfAddress::default, |(places, ip)| places.of(ip))
    }

    /// By which channel a visitor came to a page, and from where. `None` if that is not asked.
    pub(crate) fn source(&self, visit: &Visit<'_>) -> Option<(&'static str, Option<String>)> {
        let own_hosts = &self.config.own_hosts;
        let of = || {
            VisitSource::of(&Visit {
                own_hosts,
                ..*visit
            })
        };
        let came = self.config.channels.then(of)?;
        Some((came.channel, came.source.map(Cow::into_owned)))
    }
}
