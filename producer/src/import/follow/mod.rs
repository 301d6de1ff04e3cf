//! A log that is followed as it grows, through its rotations, each line once.
//!
//! A *generation* is what one name meant for a while: a log that is renamed or emptied begins
//! another one. A line's id is made of its generation and its place in it. The position of each
//! generation is stored after the topic acknowledged what is before it. What was sent beyond it
//! before a crash is in the topic by then, which is asked once at the start.

mod fingerprint;
mod generation;
mod log;
mod rotated;
mod run;
mod sent;
mod stored;

pub use run::{FollowJob, FollowProgress, run};

#[cfg(test)]
mod tests;
