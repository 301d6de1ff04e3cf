//! The lake's signature: ed25519.

use std::fmt;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::keys::LakeKeys;

/// What precedes the 32 bytes of a public key in its DER form (RFC 8410).
const DER_PREFIX: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// The key by which a lake signs its certificates. It cannot be printed.
pub struct SigningKey(Ed25519KeyPair);

impl LakeKeys {
    /// The key that signs certificates.
    #[must_use]
    pub fn signing_key(&self) -> SigningKey {
        let pair = Ed25519KeyPair::from_seed_unchecked(self.signing());
        SigningKey(pair.expect("any 32 bytes are a seed"))
    }
}

impl SigningKey {
    /// Its public half, in hexadecimal digits.
    #[must_use]
    pub fn public_digits(&self) -> String {
        digits(self.0.public_key().as_ref())
    }

    /// Its public half as PEM, which other programs read.
    #[must_use]
    pub fn public_pem(&self) -> String {
        let der = [&DER_PREFIX[..], self.0.public_key().as_ref()].concat();
        let text = STANDARD.encode(der);
        format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")
    }

    /// The signature of these bytes, in hexadecimal digits.
    #[must_use]
    pub(super) fn sign(&self, bytes: &[u8]) -> String {
        digits(self.0.sign(bytes).as_ref())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").finish_non_exhaustive()
    }
}

/// Returns true if the key with this public half has signed these bytes.
pub(super) fn is_signed(bytes: &[u8], key: &str, signature: &str) -> bool {
    let (Some(key), Some(signature)) = (bytes_of(key), bytes_of(signature)) else {
        return false;
    };
    UnparsedPublicKey::new(&ED25519, key)
        .verify(bytes, &signature)
        .is_ok()
}

fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Small digits only, so that a text has one form.
fn bytes_of(digits: &str) -> Option<Vec<u8>> {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if !digits.len().is_multiple_of(2) || !digits.bytes().all(is_digit) {
        return None;
    }
    let pairs = (0..digits.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).ok())
        .collect()
}
