//! An event's id: the client's own text, and the 16 bytes that it is compared by in memory.

use std::borrow::Cow;

use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The longest id that a row can have, in bytes.
pub const MAX_ID_BYTES: usize = 200;
/// The length of a UUID's text, with its dashes. Other ways to write one are texts like any other.
const UUID_BYTES: usize = 36;

/// The id as the lake keeps it: the client's own text, with a UUID in small letters. Two ids are
/// the same event's if these are equal.
#[must_use]
pub fn id_text(id: Cow<'_, str>) -> Cow<'_, str> {
    let has_capitals = id.len() == UUID_BYTES && id.bytes().any(|byte| byte.is_ascii_uppercase());
    match has_capitals.then(|| uuid_bytes(&id)).flatten() {
        Some(bytes) => Cow::Owned(uuid_text(bytes)),
        None => id,
    }
}

/// The 16 bytes that stand for an id in memory: a UUID's own, else the first 16 bytes of the
/// text's SHA-256.
#[must_use]
pub fn id_key(id: &str) -> [u8; 16] {
    uuid_bytes(id).unwrap_or_else(|| {
        let digest = Sha256::digest(id);
        std::array::from_fn(|place| digest[place])
    })
}

/// The bytes of an id that is a UUID; `None` if it is other text.
#[must_use]
pub fn uuid_bytes(id: &str) -> Option<[u8; 16]> {
    if id.len() != UUID_BYTES {
        return None;
    }
    Uuid::try_parse(id).ok().map(Uuid::into_bytes)
}

/// The text of the UUID of these bytes, as the lake keeps it. The order of such texts is that of
/// their bytes.
#[must_use]
pub fn uuid_text(bytes: [u8; 16]) -> String {
    Uuid::from_bytes(bytes).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = "0190ad12-0000-7000-8000-00000000000a";

    #[test]
    fn input_22_an_id_is_its_own_text_and_a_uuid_in_small_letters() {
        let check = |id: &str, expect: &str| assert_eq!(id_text(id.into()), expect);
        check(SMALL, SMALL);
        check(&SMALL.to_uppercase(), SMALL);
        check("0190AD12-0000-7000-8000-00000000000a", SMALL);
        for own in [
            "",
            "order-7",
            "Order-7",
            "0",
            "a\0b",
            "🦀",
            // Other ways to write a UUID, and what only looks like one.
            "0190AD12000070008000000000000A0B",
            "{0190AD12-0000-7000-8000-00000000000A}",
            "urn:uuid:0190AD12-0000-7000-8000-00000000000A",
            "0190AD12-0000-7000-8000-00000000000G",
            "0190AD120-000-7000-8000-00000000000A",
        ] {
            check(own, own);
        }
    }

    #[test]
    fn the_key_of_an_id_is_its_uuid_or_a_hash_of_its_text() {
        let key = id_key(SMALL);
        assert_eq!(key, Uuid::parse_str(SMALL).unwrap().into_bytes());
        assert_eq!(id_key(&SMALL.to_uppercase()), key);
        assert_eq!(uuid_bytes(SMALL), Some(key));
        assert_eq!(uuid_text(key), SMALL);
        // The first half of the SHA-256 of `abc`.
        let abc = 0xba78_16bf_8f01_cfea_4141_40de_5dae_2223_u128;
        assert_eq!(id_key("abc"), abc.to_be_bytes());
        let others = ["", "a\0b", "a", "🦀", &SMALL.replace('-', ""), "Abc"];
        for other in others {
            assert_eq!(uuid_bytes(other), None, "{other}");
            assert_ne!(id_key(other), key, "{other}");
            assert_ne!(id_key(other), abc.to_be_bytes(), "{other}");
        }
    }

    #[test]
    fn the_order_of_uuids_is_that_of_their_texts() {
        let numbers = [0, 9, 10, 15, 16, 255, 1 << 64, (1 << 124) - 1, u128::MAX];
        let texts = numbers.map(|number: u128| uuid_text(number.to_be_bytes()));
        assert!(texts.is_sorted(), "{texts:?}");
    }
}
