//! Bytes written as hexadecimal digits.

/// Returns two digits for each byte.
pub(crate) fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the bytes that the digits are, two of them each; `None` if they are anything else.
pub(crate) fn bytes_of(digits: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| {
        let digit = |letter: u8| char::from(letter).to_digit(16);
        let value = digit(pair[0])? << 4 | digit(pair[1])?;
        u8::try_from(value).ok()
    };
    rest.is_empty().then(|| pairs.iter().map(byte).collect())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_bytes_and_nothing_else_is() {
        let check = |digits: &str, expect: Option<&[u8]>| {
            assert_eq!(bytes_of(digits).as_deref(), expect, "{digits}");
        };
        check("", Some(b""));
        check("00fFa0", Some(b"\x00\xff\xa0"));
        assert_eq!(hex_of(b"\x00\xff\xa0"), "00ffa0");
        check("0", None);
        check("+f", None);
        check("0g", None);
        check("é", None);
    }
}
