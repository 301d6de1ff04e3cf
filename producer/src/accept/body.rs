//! A body as it was before its client compressed it, inflated up to a limit.

use std::io::Read;

use brotli_decompressor::Decompressor;
use bytes::Bytes;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

use super::rejection::Rejection;

const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// The widest window that a zstd frame may ask for: 2^23 bytes, which the format's
/// documentation asks every decoder to support.
const ZSTD_WINDOW_LOG: u32 = 23;
/// How much of a brotli body is read at once.
const BROTLI_BUFFER_BYTES: usize = 4096;

enum ContentCoding {
    Plain,
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

/// Returns the body as it was before its client compressed it, at most `limit` bytes.
/// `encoding` is the request's `Content-Encoding`; if it is `None`, the first bytes decide.
pub(crate) fn inflate(
    body: Bytes,
    encoding: Option<&str>,
    limit: usize,
) -> Result<Bytes, Rejection> {
    let inflated = match coding(&body, encoding)? {
        ContentCoding::Plain => return Ok(body),
        ContentCoding::Gzip => read_up_to(MultiGzDecoder::new(&*body), limit, "gzip")?,
        ContentCoding::Deflate if is_zlib(&body) => {
            read_up_to(ZlibDecoder::new(&*body), limit, "deflate")?
        }
        ContentCoding::Deflate => read_up_to(DeflateDecoder::new(&*body), limit, "deflate")?,
        ContentCoding::Brotli => read_up_to(
            Decompressor::new(&*body, BROTLI_BUFFER_BYTES),
            limit,
            "brotli",
        )?,
        ContentCoding::Zstd => {
            let corrupt = |error| corrupt("zstd", &error);
            let mut decoder = zstd::Decoder::with_buffer(&*body).map_err(corrupt)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(corrupt)?;
            read_up_to(decoder, limit, "zstd")?
        }
    };
    if inflated.starts_with(GZIP_MAGIC) || inflated.starts_with(ZSTD_MAGIC) {
        return Err(Rejection::Unsupported(
            "the body is compressed twice".into(),
        ));
    }
    Ok(inflated.into())
}

fn coding(body: &[u8], encoding: Option<&str>) -> Result<ContentCoding, Rejection> {
    let mut named = encoding
        .unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty() && !name.eq_ignore_ascii_case("identity"));
    let first = named.next();
    if named.next().is_some() {
        return Err(Rejection::Unsupported(
            "the body is compressed twice".into(),
        ));
    }
    match first.map(str::to_ascii_lowercase).as_deref() {
        Some("gzip" | "x-gzip") => Ok(ContentCoding::Gzip),
        Some("deflate") => Ok(ContentCoding::Deflate),
        Some("br") => Ok(ContentCoding::Brotli),
        Some("zstd") => Ok(ContentCoding::Zstd),
        Some(other) => {
            let shown: String = other.chars().take(40).collect();
            Err(Rejection::Unsupported(format!(
                "the content encoding {shown:?} is not supported"
            )))
        }
        None if body.starts_with(GZIP_MAGIC) => Ok(ContentCoding::Gzip),
        None if body.starts_with(ZSTD_MAGIC) => Ok(ContentCoding::Zstd),
        None => Ok(ContentCoding::Plain),
    }
}

/// Returns true for zlib, which `deflate` means by the standard; some clients send raw
/// deflate.
fn is_zlib(body: &[u8]) -> bool {
    matches!(body, [first, second, ..]
        if first & 0x0f == 8 && u16::from_be_bytes([*first, *second]) % 31 == 0)
}

fn read_up_to(reader: impl Read, limit: usize, coding: &str) -> Result<Vec<u8>, Rejection> {
    let mut inflated = Vec::new();
    let one_more = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    reader
        .take(one_more)
        .read_to_end(&mut inflated)
        .map_err(|error| corrupt(coding, &error))?;
    if inflated.len() > limit {
        return Err(Rejection::TooLarge {
            what: "the inflated body",
            limit: format!("{limit} bytes"),
        });
    }
    Ok(inflated)
}

fn corrupt(coding: &str, error: &std::io::Error) -> Rejection {
    Rejection::malformed(format!(
        "the body is not {coding}, or it is cut short: {error}"
    ))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn deflate(plain: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(plain: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    /// What node's `brotliCompressSync` makes of `{}`.
    const BROTLI: [u8; 6] = [0x8b, 0x00, 0x80, b'{', b'}', 0x03];
    /// And of 65,537 spaces.
    const BROTLI_BOMB: [u8; 14] = [
        0x5b, 0x00, 0x00, 0x81, 0x5f, 0x02, 0x24, 0x1e, 0x0b, 0x04, 0x74, 0xef, 0x01, 0x00,
    ];

    #[test]
    fn input_13_compressed_bodies() {
        let check = |body: Vec<u8>, encoding: Option<&str>, expect: Result<&[u8], u16>| {
            let found = inflate(body.into(), encoding, 1_000);
            let found = found.as_deref().map_err(Rejection::status);
            assert_eq!(found, expect, "{encoding:?}");
        };
        let bomb = vec![b' '; 1_001];
        check(b"{}".to_vec(), None, Ok(b"{}"));
        check(b"{}".to_vec(), Some("identity"), Ok(b"{}"));
        check(gzip(b"{}"), Some("gzip"), Ok(b"{}"));
        check(gzip(b"{}"), Some("GZIP, identity"), Ok(b"{}"));
        check(gzip(b"{}"), None, Ok(b"{}"));
        check(zlib(b"{}"), Some("deflate"), Ok(b"{}"));
        check(deflate(b"{}"), Some("deflate"), Ok(b"{}"));
        check(
            zstd::encode_all(&b"{}"[..], 1).unwrap(),
            Some("zstd"),
            Ok(b"{}"),
        );
        check(zstd::encode_all(&b"{}"[..], 1).unwrap(), None, Ok(b"{}"));
        check(BROTLI.to_vec(), Some("br"), Ok(b"{}"));
        check(BROTLI[..4].to_vec(), Some("br"), Err(400));
        check(b"{}".to_vec(), Some("br"), Err(400));
        check(BROTLI_BOMB.to_vec(), Some("br"), Err(413));
        check(gzip(&bomb[1..]), None, Ok(&bomb[1..]));
        check(gzip(&bomb), None, Err(413));
        check(zstd::encode_all(&*bomb, 1).unwrap(), None, Err(413));
        check(gzip(b"{}")[..12].to_vec(), Some("gzip"), Err(400));
        check(b"{}".to_vec(), Some("gzip"), Err(400));
        check(gzip(&gzip(b"{}")), Some("gzip"), Err(415));
        check(gzip(b"{}"), Some("gzip, gzip"), Err(415));
        check(b"{}".to_vec(), Some("lzma"), Err(415));
    }
}
