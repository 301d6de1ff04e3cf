//! How many streams of clicks are open: each holds a connection, and pages need some too.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

/// How many streams are open at once.
const MAX_STREAMS: usize = 512;
/// How many of them one address has, so that one watcher does not take all. Behind a proxy all
/// watchers have its address.
const MAX_PEER_STREAMS: usize = 256;

/// The streams that are open, by the address of their watchers. A clone counts the same ones.
#[derive(Debug, Clone, Default)]
pub(crate) struct LiveStreams {
    by_peer: Arc<Mutex<HashMap<Option<IpAddr>, usize>>>,
}

impl LiveStreams {
    /// Counts one more stream. `None` if there are too many.
    pub(crate) fn open(&self, peer: Option<IpAddr>) -> Option<LiveStream> {
        let mut by_peer = self.by_peer.lock();
        let all: usize = by_peer.values().sum();
        let of_peer = by_peer.get(&peer).copied().unwrap_or_default();
        if all >= MAX_STREAMS || of_peer >= MAX_PEER_STREAMS {
            return None;
        }
        by_peer.insert(peer, of_peer + 1);
        Some(LiveStream {
            streams: self.clone(),
            peer,
        })
    }
}

/// An open stream. Dropping it makes room for another.
pub(crate) struct LiveStream {
    streams: LiveStreams,
    peer: Option<IpAddr>,
}

impl Drop for LiveStream {
    fn drop(&mut self) {
        let mut by_peer = self.streams.by_peer.lock();
        match by_peer.get_mut(&self.peer) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(by_peer.remove(&self.peer)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attack_13_streams_are_limited_for_all_and_for_one_address() {
        let peer = |last: u8| Some(IpAddr::from([192, 0, 2, last]));
        let streams = LiveStreams::default();
        let mut open: Vec<_> = (0..MAX_PEER_STREAMS)
            .map(|_| streams.open(peer(1)).unwrap())
            .collect();
        assert!(streams.open(peer(1)).is_none());
        open.extend((0..MAX_STREAMS - MAX_PEER_STREAMS).map(|n| {
            let peer = peer(2 + u8::try_from(n % 2).unwrap());
            streams.open(peer).unwrap()
        }));
        assert!(streams.open(peer(4)).is_none());
        open.remove(0);
        open.push(streams.open(peer(4)).unwrap());
        assert!(streams.open(peer(1)).is_none());
        open.clear();
        assert!(streams.by_peer.lock().is_empty());
    }
}
