//! What clicks are enriched from, and the files that it is read from: at the start, and again when one of
//! them changes.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use anyhow::{Context, bail};
use parking_lot::Mutex;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use secrecy::ExposeSecret;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use transformer::{
    EnrichConfig, Enrichment, EnrichmentFeed, EnrichmentParts, MappingFile, PlaceFile,
};

/// The value of `enrich.places` that means no file.
const NO_FILE: &str = "none";
/// The file of countries that comes with the program.
const SHIPPED: &str = "country.mmdb";
/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// A file of places is held in memory. The largest that are known have some 150 MB.
const MAX_PLACES_BYTES: u64 = 512 << 20;
/// A file of mappings is written by hand.
const MAX_MAPPING_BYTES: u64 = 1 << 20;

/// The shortest key of hashes.
const MIN_KEY_BYTES: usize = 32;

/// How a file looks from outside: its bytes, and when its content and what else is known of it changed, in
/// nanoseconds.
type FileLook = (u64, i128, i128);

/// The files that a configuration names.
#[derive(Debug, Clone, Default)]
struct NamedFiles {
    places: Option<PathBuf>,
    mapping: Option<PathBuf>,
}

/// What clicks are enriched from, for all that runs in this process.
pub(crate) struct EnrichmentFiles {
    config: EnrichConfig,
    files: NamedFiles,
    newest: watch::Sender<Arc<Enrichment>>,
    seen: Mutex<[Option<FileLook>; 2]>,
    /// 1 if a file changed and cannot be read.
    stale: Gauge<u64, AtomicU64>,
}

impl EnrichmentFiles {
    /// Reads what the configuration names.
    ///
    /// # Errors
    /// If a file that it names is not there, or is not what it should be.
    pub(crate) async fn open(config: &EnrichConfig) -> anyhow::Result<Self> {
        let mapping = Some(&config.mapping).filter(|file| !file.is_empty());
        let files = NamedFiles {
            places: place_file(config)?,
            mapping: mapping.map(|file| named("mapping", file)).transpose()?,
        };
        let seen = files.looks();
        let enrichment = Arc::new(read(config.clone(), files.clone()).await?);
        Ok(Self {
            config: config.clone(),
            files,
            newest: watch::Sender::new(enrichment),
            seen: Mutex::new(seen),
            stale: Gauge::default(),
        })
    }

    /// The newest, and every one that follows.
    pub(crate) fn feed(&self) -> EnrichmentFeed {
        self.newest.subscribe()
    }

    /// The newest.
    pub(crate) fn newest(&self) -> Arc<Enrichment> {
        self.newest.borrow().clone()
    }

    pub(crate) fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("clickweir");
        registry.register(
            "enrichment_stale",
            "1 if a file of [enrich] changed and could not be read, so that the older one is in force",
            self.stale.clone(),
        );
    }

    /// Takes the files anew when one changes. One that cannot be read leaves the older ones in force.
    pub(crate) async fn follow(&self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(LOOK_EVERY) => {}
            }
            let looks = self.files.looks();
            if looks == *self.seen.lock() {
                continue;
            }
            *self.seen.lock() = looks;
            let taken = read(self.config.clone(), self.files.clone()).await;
            self.stale.set(taken.is_err().into());
            match taken {
                Ok(newer) if newer.versions() == self.newest().versions() => {}
                Ok(newer) => drop(self.newest.send_replace(Arc::new(newer))),
                Err(error) => tracing::warn!(
                    "a changed file of [enrich] is not taken, the older one stays in force: {error:#}"
                ),
            }
        }
    }
}

impl NamedFiles {
    fn looks(&self) -> [Option<FileLook>; 2] {
        [&self.places, &self.mapping].map(|file| look(file.as_deref()?))
    }
}

fn look(file: &Path) -> Option<FileLook> {
    let known = std::fs::metadata(file).ok()?;
    let nanos = |seconds: i64, nanos: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    Some((
        known.len(),
        nanos(known.mtime(), known.mtime_nsec()),
        nanos(known.ctime(), known.ctime_nsec()),
    ))
}

fn named(key: &str, file: &str) -> anyhow::Result<PathBuf> {
    std::path::absolute(file).with_context(|| format!("enrich.{key} is {file:?}"))
}

/// The file of places that the configuration means; `None` if it means none, or the one that comes with
/// the program is not there.
fn place_file(config: &EnrichConfig) -> anyhow::Result<Option<PathBuf>> {
    match config.places.as_str() {
        NO_FILE => return Ok(None),
        "" => {}
        file => return named("places", file).map(Some),
    }
    let folders = catalog::shipped_folders("vendor/places");
    let mut files = folders.iter().map(|folder| folder.join(SHIPPED));
    let found = files.find(|file| file.is_file());
    if found.is_none() {
        tracing::warn!(
            "the file of countries {SHIPPED} is not beside the program's libraries: clicks get no \
             country; run `make setup`, or set enrich.places to a file, or to {NO_FILE}"
        );
    }
    Ok(found)
}

/// Reads the files, off the event loop: a large one takes seconds.
async fn read(config: EnrichConfig, files: NamedFiles) -> anyhow::Result<Enrichment> {
    let reading = tokio::task::spawn_blocking(move || {
        let places = files.places.as_deref().map(read_places).transpose()?;
        let mapping = files.mapping.as_deref().map(read_mapping).transpose()?;
        check_key(&config, mapping.as_ref())?;
        let parts = EnrichmentParts { places, mapping };
        Ok(Enrichment::new(config, parts))
    });
    reading
        .await
        .context("reading what clicks are enriched from failed")?
}

fn read_places(file: &Path) -> anyhow::Result<PlaceFile> {
    let content = content("places", file, MAX_PLACES_BYTES)?;
    PlaceFile::open(content, &file.display().to_string()).context("enrich.places")
}

fn read_mapping(file: &Path) -> anyhow::Result<MappingFile> {
    let name = file.display();
    let content = content("mapping", file, MAX_MAPPING_BYTES)?;
    let text = String::from_utf8(content)
        .with_context(|| format!("enrich.mapping: {name} is no text of UTF-8"))?;
    MappingFile::parse(&text, &name.to_string()).context("enrich.mapping")
}

/// Checks that what is to be hashed has a key that cannot be guessed.
fn check_key(config: &EnrichConfig, mapping: Option<&MappingFile>) -> anyhow::Result<()> {
    let key = config.hash_key.expose_secret();
    let remedy = "`openssl rand -hex 32` makes one";
    if !key.is_empty() && key.len() < MIN_KEY_BYTES {
        bail!("enrich.hash_key has fewer than {MIN_KEY_BYTES} letters: {remedy}");
    }
    if key.is_empty() && mapping.is_some_and(MappingFile::hashes) {
        bail!("enrich.mapping hashes properties, and enrich.hash_key is empty: {remedy}");
    }
    Ok(())
}

/// A file's content, if it is not too large for the file of that key.
fn content(key: &str, file: &Path, most: u64) -> anyhow::Result<Vec<u8>> {
    let name = file.display();
    let unread =
        || format!("enrich.{key}: {name} cannot be read; put a file there, or correct the key");
    let bytes = std::fs::metadata(file).with_context(unread)?.len();
    if bytes > most {
        bail!("enrich.{key}: {name} has {bytes} bytes, and may have {most}");
    }
    std::fs::read(file).with_context(unread)
}
