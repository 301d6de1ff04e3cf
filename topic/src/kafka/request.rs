//! What an append leaves behind until it is settled: a request of several drafts, and
//! the number of bytes that wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use crate::{AppendError, Draft, Placed};

/// What librdkafka keeps per record besides its bytes, roughly; without it, a flood of
/// tiny records would hold many times the bound.
const RECORD_OVERHEAD_BYTES: usize = 256;

fn weight(draft: &Draft) -> usize {
    draft.size() + RECORD_OVERHEAD_BYTES
}

/// The bytes of all drafts that wait for their acknowledgement, and their bound.
pub(super) struct Load {
    limit: usize,
    waiting: AtomicUsize,
    emptied: Notify,
}

impl Load {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            waiting: AtomicUsize::new(0),
            emptied: Notify::new(),
        }
    }

    /// Takes room for all drafts, or none.
    pub(super) fn reserve(&self, drafts: &[Draft]) -> Result<(), AppendError> {
        let wanted = drafts.iter().map(weight).sum::<usize>();
        if wanted > self.limit {
            return Err(AppendError::TooLarge {
                size: wanted,
                limit: self.limit,
            });
        }
        let fits = |waiting: usize| Some(waiting + wanted).filter(|sum| *sum <= self.limit);
        self.waiting
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, fits)
            .map(|_| ())
            .map_err(|_| AppendError::Full)
    }

    /// Gives back the room of drafts that no [`Waiting`] was made for.
    pub(super) fn release_unsent(&self, drafts: &[Draft]) {
        self.release(drafts.iter().map(weight).sum());
    }

    fn release(&self, bytes: usize) {
        if self.waiting.fetch_sub(bytes, Ordering::AcqRel) == bytes {
            self.emptied.notify_waiters();
        }
    }

    /// Returns true if hardly another record fits.
    pub(super) fn full(&self) -> bool {
        self.waiting.load(Ordering::Acquire) + RECORD_OVERHEAD_BYTES >= self.limit
    }

    /// Resolves when nothing waits.
    pub(super) async fn emptied(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.waiting.load(Ordering::Acquire) == 0 {
                return;
            }
            emptied.await;
        }
    }
}

/// One append: it settles when all its drafts are placed, or with the first that fails.
pub(super) struct Request(Mutex<Unsettled>);

struct Unsettled {
    placed: Vec<Option<Placed>>,
    left: usize,
    /// `None` once it is settled.
    sender: Option<oneshot::Sender<Result<Vec<Placed>, AppendError>>>,
}

impl Request {
    /// A request of `drafts` drafts; an empty one is settled at once.
    pub(super) fn new(
        drafts: usize,
        sender: oneshot::Sender<Result<Vec<Placed>, AppendError>>,
    ) -> Self {
        let mut open = Unsettled {
            placed: vec![None; drafts],
            left: drafts,
            sender: Some(sender),
        };
        if drafts == 0 {
            open.settle(Ok(Vec::new()));
        }
        Self(Mutex::new(open))
    }
}

impl Unsettled {
    fn settle(&mut self, answer: Result<Vec<Placed>, AppendError>) {
        if let Some(sender) = self.sender.take() {
            // A client that has hung up wants no answer.
            let _ = sender.send(answer);
        }
    }
}

/// One draft of a request, on its way; its bytes are given back when it is dropped.
pub(super) struct Waiting {
    request: Arc<Request>,
    index: usize,
    /// The draft's own size, for the sentence that it is too large.
    pub(super) size: usize,
    load: Arc<Load>,
}

impl Waiting {
    /// Takes over the room that [`Load::reserve`] took for `draft`.
    pub(super) fn new(
        request: &Arc<Request>,
        index: usize,
        draft: &Draft,
        load: &Arc<Load>,
    ) -> Self {
        let (request, load) = (Arc::clone(request), Arc::clone(load));
        Self {
            request,
            index,
            size: draft.size(),
            load,
        }
    }

    /// The draft is durable, or will not be acknowledged.
    pub(super) fn settle(&self, answer: Result<Placed, AppendError>) {
        let mut open = self.request.0.lock();
        match answer {
            Ok(placed) => {
                open.placed[self.index] = Some(placed);
                open.left -= 1;
                if open.left == 0 {
                    let placed = std::mem::take(&mut open.placed);
                    open.settle(Ok(placed.into_iter().flatten().collect()));
                }
            }
            Err(error) => open.settle(Err(error)),
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.load.release(self.size + RECORD_OVERHEAD_BYTES);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{Delivery, Offset, Partition};

    fn drafts(count: usize) -> Vec<Draft> {
        vec![
            Draft {
                key: Bytes::new(),
                value: Bytes::from_static(&[0; 100])
            };
            count
        ]
    }

    fn place(offset: u64) -> Placed {
        Placed {
            partition: Partition(0),
            offset: Offset(offset),
        }
    }

    #[tokio::test]
    async fn a_request_is_settled_once_in_the_order_of_its_drafts() {
        let load = Arc::new(Load::new(10_000));
        let drafts = drafts(3);
        load.reserve(&drafts).unwrap();
        let (sender, delivery) = Delivery::channel();
        let request = Arc::new(Request::new(3, sender));
        let waiting: Vec<_> = drafts
            .iter()
            .enumerate()
            .map(|(i, d)| Waiting::new(&request, i, d, &load))
            .collect();
        waiting[2].settle(Ok(place(12)));
        waiting[0].settle(Ok(place(10)));
        assert!(
            tokio::time::timeout(std::time::Duration::ZERO, load.emptied())
                .await
                .is_err()
        );
        waiting[1].settle(Ok(place(11)));
        drop(waiting);
        load.emptied().await;
        assert_eq!(
            delivery.await.unwrap(),
            vec![place(10), place(11), place(12)]
        );
    }

    #[tokio::test]
    async fn the_first_failure_settles_and_a_lost_draft_closes() {
        let load = Arc::new(Load::new(10_000));
        let drafts = drafts(2);
        load.reserve(&drafts).unwrap();
        let (sender, delivery) = Delivery::channel();
        let request = Arc::new(Request::new(2, sender));
        let first = Waiting::new(&request, 0, &drafts[0], &load);
        let second = Waiting::new(&request, 1, &drafts[1], &load);
        first.settle(Err(AppendError::Full));
        second.settle(Ok(place(1)));
        assert!(matches!(delivery.await, Err(AppendError::Full)));

        let (sender, delivery) = Delivery::channel();
        drop(Request::new(1, sender));
        assert!(matches!(delivery.await, Err(AppendError::Closed(_))));
    }

    #[test]
    fn invariant_10_the_queue_is_bounded_in_bytes() {
        let load = Load::new(1_000);
        assert!(matches!(
            load.reserve(&drafts(3)),
            Err(AppendError::TooLarge { .. })
        ));
        load.reserve(&drafts(2)).unwrap();
        assert!(matches!(
            load.reserve(&drafts(1)),
            Ok(()) | Err(AppendError::Full)
        ));
        assert!(matches!(load.reserve(&drafts(1)), Err(AppendError::Full)));
        load.release_unsent(&drafts(2));
        load.reserve(&drafts(1)).unwrap();
    }
}
