//! What tells a row from all others.

use sha2::{Digest, Sha256};

/// A row's identity, from its event's id and its item. The first item, and an event that is one
/// row, have the event's id; every other item has the first 16 bytes of the SHA-256 of the id and
/// the item's number (64 bits, the greatest byte first).
#[must_use]
pub fn row_identity(event_id: [u8; 16], item: Option<i64>) -> [u8; 16] {
    let Some(item @ 1..) = item else {
        return event_id;
    };
    let digest = Sha256::new()
        .chain_update(event_id)
        .chain_update(item.to_be_bytes())
        .finalize();
    std::array::from_fn(|place| digest[place])
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_items_of_an_event_are_rows_of_their_own() {
        let id = [7; 16];
        assert_eq!(row_identity(id, None), id);
        assert_eq!(row_identity(id, Some(0)), id);
        let all: HashSet<_> = (0..1_000)
            .map(|item| row_identity(id, Some(item)))
            .collect();
        assert_eq!(all.len(), 1_000);
        assert_ne!(row_identity([8; 16], Some(1)), row_identity(id, Some(1)));
    }
}
