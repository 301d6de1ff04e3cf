//! How long the texts of one request may be looked at. Texts can be made so that each byte of them
//! costs a hundred times what a visitor's does, and no limit of bytes alone bounds that.

use std::time::Duration;

use tokio::time::Instant;

/// How long the head of a request is looked at, and its body as long again.
const MAX_LOOK_TIME: Duration = Duration::from_millis(50);
/// How much is looked at between two looks at the clock.
const BYTES_PER_CHECK: usize = 4 << 10;
/// How much of a long text is looked at at once, and how much of it again with what comes behind.
const WINDOW_BYTES: usize = 8 << 10;
const OVERLAP_BYTES: usize = 256;

/// The time that is left.
pub(super) struct LookTime {
    since: Instant,
    unchecked_bytes: usize,
    pub(super) is_over: bool,
}

impl LookTime {
    pub(super) fn start() -> Self {
        Self {
            since: Instant::now(),
            unchecked_bytes: 0,
            is_over: false,
        }
    }

    /// Returns true if so many bytes more may not be looked at.
    pub(super) fn is_over(&mut self, bytes: usize) -> bool {
        self.unchecked_bytes += bytes;
        if self.unchecked_bytes > BYTES_PER_CHECK {
            self.unchecked_bytes = 0;
            self.is_over |= self.since.elapsed() > MAX_LOOK_TIME;
        }
        self.is_over
    }
}

/// A text in parts that overlap; one part if it is short.
pub(super) fn windows(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest.take()?;
        if text.len() <= WINDOW_BYTES {
            return Some(text);
        }
        let end = text.floor_char_boundary(WINDOW_BYTES);
        let next = text.floor_char_boundary(WINDOW_BYTES - OVERLAP_BYTES);
        rest = Some(&text[next..]);
        Some(&text[..end])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_seen_whole_in_parts_that_overlap() {
        assert_eq!(windows("").collect::<Vec<_>>(), [""]);
        let text = "é".repeat(20_000);
        let parts: Vec<_> = windows(&text).collect();
        assert!(parts.len() > 4, "{}", parts.len());
        assert!(parts.iter().all(|part| part.len() <= WINDOW_BYTES));
        let overlaps = OVERLAP_BYTES * (parts.len() - 1);
        let seen: usize = parts.iter().map(|part| part.len()).sum();
        assert!(
            (text.len()..=text.len() + overlaps).contains(&seen),
            "{seen}"
        );
        assert!(text.ends_with(parts[parts.len() - 1]));
    }

    #[tokio::test(start_paused = true)]
    async fn time_is_over_once_it_was_used_up() {
        let mut time = LookTime::start();
        assert!(!time.is_over(100_000));
        tokio::time::advance(MAX_LOOK_TIME * 2).await;
        assert!(
            !time.is_over(10),
            "short texts are not worth a look at the clock"
        );
        assert!(time.is_over(BYTES_PER_CHECK));
        assert!(time.is_over(0));
    }
}
