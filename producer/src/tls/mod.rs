//! TLS at the edge, with a certificate and a key from files that are taken anew when they change.
//!
//! `certificate.rs` reads the two files, `validity.rs` how long a certificate lives, `handshake.rs`
//! makes TLS of a connection. Only HTTP/1.1 is offered: the limits that protect the edge are those
//! of its HTTP/1.1 connections.

mod certificate;
mod handshake;
#[cfg(test)]
pub(crate) mod issued;
mod validity;

use std::fmt::{Debug, Formatter};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use prometheus_client::metrics::gauge::Gauge;
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use topic::clock::SharedClock;

use crate::config::Config;
use crate::watched::WatchedFile;
use certificate::Certificate;
pub(crate) use handshake::{Handshake, HandshakeError};
use validity::Validity;

const MICROS_PER_SECOND: i64 = 1_000_000;

/// Why the edge cannot speak TLS.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct CertificateError(String);

/// The certificate of an edge and its key.
pub struct EdgeTls {
    certificate: WatchedFile,
    key: WatchedFile,
    provider: Arc<CryptoProvider>,
    config: Arc<ServerConfig>,
    shown: Arc<ShownCertificate>,
    ends: Gauge,
    state: Mutex<ReloadState>,
    clock: SharedClock,
}

/// What the log has to say yet, or has said.
#[derive(Default)]
struct ReloadState {
    /// Why the changed files are not taken. Two files are rarely changed at one time, so it is said
    /// only if they are still wrong at the next look.
    refused: Option<String>,
    validity: Option<Validity>,
    said_near: bool,
    said_over: bool,
}

/// The certificate that clients are shown.
struct ShownCertificate(RwLock<Arc<CertifiedKey>>);

impl Debug for ShownCertificate {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str("ShownCertificate")
    }
}

impl ResolvesServerCert for ShownCertificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().clone())
    }
}

impl Debug for EdgeTls {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EdgeTls")
            .field("certificate", &self.certificate.path())
            .finish_non_exhaustive()
    }
}

impl EdgeTls {
    /// Reads `producer.tls_cert` and `producer.tls_key`; `None` if both are empty, so that the edge
    /// speaks plain HTTP. `ends` shows the Unix time at which the certificate ends.
    ///
    /// # Errors
    /// If one is empty, a file cannot be read, or they are no certificate and its key. The sentence
    /// says which.
    pub fn open(
        config: &Config,
        ends: Gauge,
        clock: SharedClock,
    ) -> Result<Option<Arc<Self>>, CertificateError> {
        let paths = (config.tls_cert.trim(), config.tls_key.trim());
        let lonely = |set: &str, empty: &str, what: &str| {
            let why = format!(
                "producer.{set} is set and producer.{empty} is empty: name the PEM file of the \
                 {what} there, or leave both empty for plain HTTP"
            );
            Err(CertificateError(why))
        };
        match paths {
            ("", "") => return Ok(None),
            (_, "") => return lonely("tls_cert", "tls_key", "certificate's key"),
            ("", _) => return lonely("tls_key", "tls_cert", "key's certificate"),
            _ => {}
        }
        let of = |name: &str, why: String| CertificateError(format!("producer.{name}: {why}"));
        let opened = WatchedFile::open(paths.0.into()).map_err(|why| of("tls_cert", why))?;
        let (certificate, certificate_text) = opened;
        let opened = WatchedFile::open(paths.1.into()).map_err(|why| of("tls_key", why))?;
        let (key, key_text) = opened;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let read = Certificate {
            path: certificate.path(),
            text: &certificate_text,
            key_path: key.path(),
            key_text: &key_text,
        };
        let certified = read.certified(&provider).map_err(CertificateError)?;
        let validity = Validity::of(&certified);
        let shown = Arc::new(ShownCertificate(RwLock::new(Arc::new(certified))));
        let config = server_config(&provider, &shown)?;
        let tls = Self {
            certificate,
            key,
            provider,
            config: Arc::new(config),
            shown,
            ends,
            state: Mutex::default(),
            clock,
        };
        tls.note(validity, &mut tls.state.lock());
        tracing::info!(file = %tls.certificate.path().display(), "the edge speaks TLS");
        Ok(Some(Arc::new(tls)))
    }

    /// Reads the files if one of them changed. What is no certificate and its key changes nothing,
    /// and the log says so once; it also says when the certificate is about to end.
    pub(crate) fn reload(&self) {
        let mut state = self.state.lock();
        let changed = [self.certificate.changed(), self.key.changed()];
        if changed.iter().any(Option::is_some) {
            match self.read() {
                Ok(certified) => {
                    self.note(Validity::of(&certified), &mut state);
                    *self.shown.0.write() = Arc::new(certified);
                    tracing::info!("the edge's certificate changed");
                }
                Err(why) => state.refused = Some(why),
            }
        } else if let Some(why) = state.refused.take() {
            tracing::error!(
                "the changed certificate is not taken, the older one stays in force: {why}"
            );
        }
        self.say_end(&mut state);
    }

    /// Both files as they are now.
    fn read(&self) -> Result<CertifiedKey, String> {
        let (text, key_text) = (self.certificate.read()?, self.key.read()?);
        let read = Certificate {
            path: self.certificate.path(),
            text: &text,
            key_path: self.key.path(),
            key_text: &key_text,
        };
        read.certified(&self.provider)
    }

    fn note(&self, validity: Option<Validity>, state: &mut ReloadState) {
        self.ends
            .set(validity.as_ref().map_or(0, |known| known.ends));
        *state = ReloadState {
            validity,
            ..ReloadState::default()
        };
    }

    /// Says once that a certificate is about to end, and once that it has ended.
    fn say_end(&self, state: &mut ReloadState) {
        let Some(validity) = &state.validity else {
            return;
        };
        let now = self.clock.now().micros() / MICROS_PER_SECOND;
        let file = self.certificate.path().display();
        if validity.ends <= now && !state.said_over {
            state.said_over = true;
            tracing::error!(%file, "the edge's certificate has ended, so clients refuse it: renew it");
        } else if validity.is_near_end(now) && !state.said_near {
            state.said_near = true;
            let days = (validity.ends - now) / validity::SECONDS_PER_DAY;
            tracing::warn!(%file, days, "the edge's certificate is about to end: renew it");
        }
    }

    /// Makes TLS of connections.
    pub(crate) fn handshake(&self, timeout: std::time::Duration) -> Handshake {
        Handshake::new(self.config.clone(), timeout)
    }
}

fn server_config(
    provider: &Arc<CryptoProvider>,
    shown: &Arc<ShownCertificate>,
) -> Result<ServerConfig, CertificateError> {
    let cannot = |error| CertificateError(format!("the edge cannot speak TLS: {error}"));
    let mut config = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(cannot)?
        .with_no_client_auth()
        .with_cert_resolver(shown.clone());
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // A session is in the client's ticket and not in the edge's memory.
    config.ticketer = aws_lc_rs::Ticketer::new().map_err(cannot)?;
    Ok(config)
}

#[cfg(test)]
mod tests;
