//! Bodies and query strings as HTML forms encode them.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;

use crate::accept::body::inflate;
use crate::accept::pixel::decode;
use crate::accept::rejection::Rejection;

/// Clients pad their base64 or not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Returns true if a body begins as an object or an array of JSON does.
pub(crate) fn is_json(body: &[u8]) -> bool {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let first = body.trim_ascii_start().first();
    first.is_some_and(|first| matches!(first, b'{' | b'['))
}

/// The names and values of a form that are not empty, decoded, in their order.
pub(super) fn pairs(form: &[u8]) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> + '_ {
    form.split(|byte| *byte == b'&').filter_map(|pair| {
        let mut parts = pair.trim_ascii().splitn(2, |byte| *byte == b'=');
        let name = decode(parts.next()?);
        let value = decode(parts.next()?);
        (!name.is_empty() && !value.is_empty()).then_some((name, value))
    })
}

/// The JSON that a form holds in its field `data`, as it is or in base64, and perhaps compressed.
/// The form is the body, or the query of a request without one. JSON and what is no such form
/// stay as they are.
pub(super) fn unwrap(body: Bytes, query: &str, limit: usize) -> Result<Bytes, Rejection> {
    if is_json(&body) {
        return Ok(body);
    }
    let form = match body.is_empty() {
        true => query.as_bytes(),
        false => &body,
    };
    let found = pairs(form).find(|(name, _)| name == b"data");
    let Some((_, data)) = found else {
        return Ok(body);
    };
    if is_json(&data) {
        return Ok(data.into());
    }
    let plain = from_base64(data)
        .ok_or_else(|| Rejection::malformed("the form's `data` is neither JSON nor base64"))?;
    inflate(plain.into(), None, limit)
}

/// Decodes base64 of either alphabet. A plus may have become a space on its way.
fn from_base64(mut text: Vec<u8>) -> Option<Vec<u8>> {
    for byte in &mut text {
        match *byte {
            b' ' | b'-' => *byte = b'+',
            b'_' => *byte = b'/',
            _ => {}
        }
    }
    BASE64.decode(text.trim_ascii()).ok()
}

/// Encodes base64.
pub(super) fn to_base64(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    #[test]
    fn input_14_json_is_found_in_forms() {
        let check = |body: &[u8], query: &str, expect: Result<&[u8], u16>| {
            let found = unwrap(Bytes::copy_from_slice(body), query, 100);
            let found = found.as_deref().map_err(Rejection::status);
            assert_eq!(found, expect, "{}", String::from_utf8_lossy(body));
        };
        check(b"{}", "data=x", Ok(b"{}"));
        check(b"\xef\xbb\xbf [", "", Ok(b"\xef\xbb\xbf ["));
        check(b"data=%7B%22a%22%3A+1%7D&x=1", "", Ok(b"{\"a\": 1}"));
        check(b"x=1&data=eyJhIjoifj8ifQ==", "", Ok(b"{\"a\":\"~?\"}"));
        check(b"data=eyJhIjoifj8ifQ", "", Ok(b"{\"a\":\"~?\"}"));
        check(
            b"data=eyJhIjoi_n8ifQ%3D%3D",
            "",
            Ok(b"{\"a\":\"\xfe\x7f\"}"),
        );
        check(
            b"data=eyJhIjoi+n8ifQ%3D%3D",
            "",
            Ok(b"{\"a\":\"\xfa\x7f\"}"),
        );
        check(b"", "data=e30%3D", Ok(b"{}"));
        check(b"", "a=1", Ok(b""));
        check(b"nope", "data=e30", Ok(b"nope"));
        check(b"data=!", "", Err(400));
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(&[b' '; 101]).unwrap();
        let bomb = format!("data={}", to_base64(&gzip.finish().unwrap()));
        check(bomb.replace('+', "%2B").as_bytes(), "", Err(413));
    }

    #[test]
    fn a_form_is_its_pairs() {
        let check = |form: &[u8], expect: &[(&[u8], &[u8])]| {
            let found: Vec<_> = pairs(form).collect();
            let expect = expect
                .iter()
                .map(|(name, value)| (name.to_vec(), value.to_vec()));
            assert_eq!(found, expect.collect::<Vec<_>>());
        };
        check(
            b"a=1&&b=x%20y+z&c&d=&=e&f=a=b&g=%ff%zz\n",
            &[
                (b"a", b"1"),
                (b"b", b"x y z"),
                (b"f", b"a=b"),
                (b"g", b"\xff%zz"),
            ],
        );
    }
}
