//! What the tests share: the real parts, started and ended here.

pub mod browser;
pub mod clickweir;
pub mod clients;
pub mod faulty;
pub mod kafka;
pub mod leash;
pub mod proxy;
pub mod real;
pub mod rehearsal;
pub mod seaweed;
pub mod usage;
