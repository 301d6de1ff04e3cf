//! AWS's signature, version 4, checked against a secret. The public reference is "AWS Signature
//! Version 4 for API requests".

use actix_web::HttpRequest;
use actix_web::http::header::HeaderMap;
use chrono::NaiveDateTime;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use topic::Timestamp;

use crate::hex::bytes_of;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// How far the client's clock may be off: 15 minutes, as AWS allows.
const MAX_SKEW_MICROS: u64 = 15 * 60 * 1_000_000;
/// The headers that a signature must cover.
const REQUIRED_HEADERS: [&str; 2] = ["host", "x-amz-date"];

/// Why a request's signature does not hold, by AWS's names.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SignatureFault {
    /// There is none.
    Missing,
    /// It is not as AWS's clients write it.
    Incomplete(&'static str),
    /// It was not made with this secret, or of another request, or at another time.
    Invalid(String),
}

/// The header `Authorization` of a signed request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Authorization<'h> {
    /// The id of the key that it was signed with.
    pub(super) key_id: &'h str,
    /// Date, region, service and `aws4_request`.
    scope: &'h str,
    signed_headers: &'h str,
    signature: &'h str,
}

impl<'h> Authorization<'h> {
    pub(super) fn of(headers: &'h HeaderMap) -> Result<Self, SignatureFault> {
        let header = headers
            .get("authorization")
            .ok_or(SignatureFault::Missing)?;
        let text = header
            .to_str()
            .map_err(|_| SignatureFault::Incomplete("Authorization is not text"))?;
        let fields = text
            .strip_prefix(ALGORITHM)
            .ok_or(SignatureFault::Incomplete(
                "Authorization is not AWS4-HMAC-SHA256",
            ))?;
        let field = |name: &str| {
            let mut fields = fields.split(',').map(str::trim);
            fields.find_map(|field| field.strip_prefix(name)?.strip_prefix('='))
        };
        let (credential, signed, signature) = (
            field("Credential"),
            field("SignedHeaders"),
            field("Signature"),
        );
        let (Some(credential), Some(signed_headers), Some(signature)) =
            (credential, signed, signature)
        else {
            return Err(SignatureFault::Incomplete(
                "Authorization lacks Credential, SignedHeaders or Signature",
            ));
        };
        let (key_id, scope) = credential
            .split_once('/')
            .ok_or(SignatureFault::Incomplete("Credential has no scope"))?;
        Ok(Self {
            key_id,
            scope,
            signed_headers,
            signature,
        })
    }

    /// Checks that the request was signed with this secret, within 15 minutes of `now`.
    pub(super) fn verify(
        &self,
        request: &HttpRequest,
        body: &[u8],
        secret: &str,
        now: Timestamp,
    ) -> Result<(), SignatureFault> {
        let covers = |name: &str| self.signed_headers.split(';').any(|signed| signed == name);
        if !REQUIRED_HEADERS.into_iter().all(covers) {
            return Err(SignatureFault::Incomplete(
                "Host and X-Amz-Date are not signed",
            ));
        }
        let date = request.headers().get("x-amz-date");
        let date = date.and_then(|date| date.to_str().ok()).unwrap_or_default();
        self.check_date(date, now)?;
        let canonical = self.canonical(request, body)?;
        let to_sign = format!(
            "{ALGORITHM}\n{date}\n{}\n{:x}",
            self.scope,
            Sha256::digest(canonical.as_bytes())
        );
        let mut key = format!("AWS4{secret}").into_bytes();
        for part in self.scope.split('/') {
            key = keyed(&key, part.as_bytes())
                .finalize()
                .into_bytes()
                .to_vec();
        }
        let sent = bytes_of(self.signature).unwrap_or_default();
        // In constant time.
        let verified = keyed(&key, to_sign.as_bytes()).verify_slice(&sent);
        verified.map_err(|_| {
            SignatureFault::Invalid(
                "the request signature does not match: check the secret key, and that no proxy \
                 changes Host or the body"
                    .into(),
            )
        })
    }

    fn check_date(&self, date: &str, now: Timestamp) -> Result<(), SignatureFault> {
        let signed = NaiveDateTime::parse_from_str(date, "%Y%m%dT%H%M%SZ")
            .map_err(|_| SignatureFault::Incomplete("X-Amz-Date is not like 20261122T210000Z"))?;
        if date.get(..8).is_none_or(|day| !self.scope.starts_with(day)) {
            return Err(SignatureFault::Incomplete(
                "X-Amz-Date is not of the day of the credential's scope",
            ));
        }
        let skew = signed.and_utc().timestamp_micros().abs_diff(now.micros());
        if skew > MAX_SKEW_MICROS {
            return Err(SignatureFault::Invalid(format!(
                "signature expired: it is of {date}, and the edge's clock says {}",
                now.datetime().format("%Y%m%dT%H%M%SZ")
            )));
        }
        Ok(())
    }

    /// The request as it is signed.
    fn canonical(&self, request: &HttpRequest, body: &[u8]) -> Result<String, SignatureFault> {
        let mut query: Vec<_> = request
            .query_string()
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| match pair.contains('=') {
                true => pair.to_owned(),
                false => format!("{pair}="),
            })
            .collect();
        query.sort_unstable();
        let mut headers = String::new();
        for name in self.signed_headers.split(';') {
            let mut values = request.headers().get_all(name).peekable();
            if values.peek().is_none() {
                return Err(SignatureFault::Incomplete(
                    "a signed header is not in the request",
                ));
            }
            let values = values.map(|value| {
                let text = String::from_utf8_lossy(value.as_bytes());
                text.split_whitespace().collect::<Vec<_>>().join(" ")
            });
            headers.push_str(&format!(
                "{name}:{}\n",
                values.collect::<Vec<_>>().join(",")
            ));
        }
        Ok(format!(
            "{}\n{}\n{}\n{headers}\n{}\n{:x}",
            request.method(),
            request.path(),
            query.join("&"),
            self.signed_headers,
            Sha256::digest(body)
        ))
    }
}

fn keyed(key: &[u8], message: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    mac.update(message);
    mac
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    const BODY: &[u8] = br#"{"StreamName":"clicks","Data":"e30=","PartitionKey":"k"}"#;
    /// botocore 1.44.8's signature of that body.
    const SIGNATURE: &str = "9fce95f61855aca505800bae785c3b1b00c9a73a0173af3dc241308182e59fb7";

    fn request(signature: &str, date: &str, host: &str) -> HttpRequest {
        TestRequest::post()
            .uri("/")
            .insert_header(("host", host))
            .insert_header(("content-type", "application/x-amz-json-1.1"))
            .insert_header(("x-amz-target", "Kinesis_20131202.PutRecord"))
            .insert_header(("x-amz-date", date))
            .insert_header((
                "authorization",
                format!(
                    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261122/eu-central-1/kinesis/aws4_request, \
                     SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature={signature}"
                ),
            ))
            .to_http_request()
    }

    #[test]
    fn input_18_a_signature_of_awss_own_client_holds_and_no_other_does() {
        let now = Timestamp::parse_rfc3339("2026-11-22T21:05:00Z").unwrap();
        let check = |request: &HttpRequest, body: &[u8], secret: &str, now, expect: &str| {
            let signed = Authorization::of(request.headers()).unwrap();
            assert_eq!(signed.key_id, "AKIDEXAMPLE");
            let found = match signed.verify(request, body, secret, now) {
                Ok(()) => String::new(),
                Err(fault) => format!("{fault:?}"),
            };
            assert!(
                found.contains(expect) && found.is_empty() == expect.is_empty(),
                "{found}"
            );
        };
        let date = "20261122T210000Z";
        let good = request(SIGNATURE, date, "127.0.0.1:8080");
        check(&good, BODY, SECRET, now, "");
        check(&good, b"{}", SECRET, now, "does not match");
        check(&good, BODY, "another", now, "does not match");
        let elsewhere = request(SIGNATURE, date, "127.0.0.1:8081");
        check(&elsewhere, BODY, SECRET, now, "does not match");
        for broken in ["", "zz", "00", &SIGNATURE[..62]] {
            let broken = request(broken, date, "127.0.0.1:8080");
            check(&broken, BODY, SECRET, now, "does not match");
        }
        let later = Timestamp::parse_rfc3339("2026-11-22T21:15:01Z").unwrap();
        check(&good, BODY, SECRET, later, "signature expired");
        let other_day = request(SIGNATURE, "20261123T210000Z", "127.0.0.1:8080");
        check(&other_day, BODY, SECRET, now, "not of the day");
        let no_date = request(SIGNATURE, "é", "127.0.0.1:8080");
        check(&no_date, BODY, SECRET, now, "X-Amz-Date");
    }

    #[test]
    fn what_is_no_signature_is_told_from_none() {
        let of = |header: Option<&str>| {
            let mut request = TestRequest::post();
            if let Some(header) = header {
                request = request.insert_header(("authorization", header));
            }
            let request = request.to_http_request();
            Authorization::of(request.headers()).map(|_| ())
        };
        assert_eq!(of(None), Err(SignatureFault::Missing));
        for header in [
            "",
            "Basic eDo=",
            "AWS4-HMAC-SHA256 Credential=a",
            "AWS4-HMAC-SHA256 Credential=a, SignedHeaders=host, Signature=0",
        ] {
            let found = of(Some(header));
            assert!(
                matches!(found, Err(SignatureFault::Incomplete(_))),
                "{header}"
            );
        }
    }
}
