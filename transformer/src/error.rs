//! Why a worker ends, or a partition waits.

/// An error of the topic or of the lake. [`run`](crate::run) says which ones end a worker. With
/// any other a partition waits, and its position is asked for again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The topic cannot be read exactly once, or is closed.
    #[error(transparent)]
    Topic(#[from] topic::ReadError),
    /// The lake cannot be used.
    #[error(transparent)]
    Lake(#[from] sink::Error),
}

impl Error {
    /// Returns true if it passes by itself: a broker or a store that does not answer just now.
    pub(crate) const fn passes(&self) -> bool {
        matches!(
            self,
            Self::Topic(topic::ReadError::Unavailable(_)) | Self::Lake(sink::Error::Unavailable(_))
        )
    }

    /// The kind of trouble, as the metric of stopped partitions names it.
    pub(crate) const fn kind(&self) -> &'static str {
        use topic::ReadError as Topic;
        match self {
            Self::Topic(Topic::OutOfRange { .. }) => "out_of_range",
            Self::Topic(Topic::Corrupt { .. }) => "damaged_record",
            Self::Topic(Topic::Unfit(_)) => "topic_unfit",
            Self::Topic(Topic::Unavailable(_)) => "topic_silent",
            Self::Topic(Topic::Closed) => "topic_closed",
            Self::Lake(sink::Error::Denied(_) | sink::Error::WrongClock(_)) => "lake_denied",
            Self::Lake(sink::Error::Unavailable(_)) => "lake_silent",
            Self::Lake(sink::Error::Unfit(_) | sink::Error::Refused(_)) => "lake_unfit",
            Self::Lake(sink::Error::AnotherTopic { .. } | sink::Error::Recreated { .. }) => {
                "another_topic"
            }
            Self::Lake(sink::Error::Damaged { .. }) => "damaged_object",
            Self::Lake(sink::Error::InTheWay(_)) => "in_the_way",
            Self::Lake(sink::Error::Gap { .. }) => "gap",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A leader that changed while positions were asked for once cost its partitions five
    /// seconds, as a missing bucket does.
    #[test]
    fn a_silence_passes_and_a_refusal_does_not() {
        let why = || "it changes its leader".to_owned();
        assert!(Error::from(topic::ReadError::Unavailable(why())).passes());
        assert!(Error::from(sink::Error::Unavailable(why())).passes());
        assert!(!Error::from(sink::Error::Denied(why())).passes());
        assert!(!Error::from(topic::ReadError::Unfit(why())).passes());
    }
}
