//! What the tests share: the real parts, started and ended here.

pub mod kafka;
pub mod real;
