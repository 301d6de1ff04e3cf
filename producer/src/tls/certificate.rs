//! A certificate and its key, as two files hold them.

use std::path::Path;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};

/// The texts of the two files, and where they are from.
pub(super) struct Certificate<'a> {
    pub(super) path: &'a Path,
    pub(super) text: &'a str,
    pub(super) key_path: &'a Path,
    pub(super) key_text: &'a str,
}

impl Certificate<'_> {
    /// Returns the certificate with its issuers and its key. The error says what is wrong, and
    /// never repeats a key.
    pub(super) fn certified(&self, provider: &CryptoProvider) -> Result<CertifiedKey, String> {
        let (shown, shown_key) = (self.path.display(), self.key_path.display());
        let chain: Result<Vec<_>, _> =
            CertificateDer::pem_slice_iter(self.text.as_bytes()).collect();
        let chain = chain.map_err(|error| format!("{shown} is no PEM: {error}"))?;
        if chain.is_empty() {
            return Err(format!(
                "{shown} holds no certificate: write it in PEM, and behind it those of its issuers"
            ));
        }
        let key = PrivateKeyDer::from_pem_slice(self.key_text.as_bytes()).map_err(|_| {
            format!("{shown_key} holds no private key: write it in PEM, without a password")
        })?;
        CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => format!(
                "the key in {shown_key} is not that of the first certificate in {shown}: write \
                 the certificate first, and the key with which it was issued"
            ),
            Error::InvalidCertificate(error) => {
                format!("the certificate in {shown} cannot be used: {error}; have it issued anew")
            }
            _ => format!(
                "the key in {shown_key} cannot be used: write one of RSA, of an elliptic curve or \
                 of Ed25519"
            ),
        })
    }
}
