//! Secrets in a click, which are taken out before it is written anywhere: the user info of addresses,
//! and the parameters of their queries whose names `producer.strip_query` lists.
//!
//! Start at `cleaner/mod.rs`. It looks at each text of a click with `layers.rs`, which decodes what is
//! encoded, and `addresses.rs` finds what has to go in each layer. Nothing is ever added and
//! nothing is written anew: ranges of the text are left out, and the rest stays byte for byte.

mod addresses;
mod cleaner;
mod layers;
mod names;
mod suspicion;
mod texts;

pub(crate) use cleaner::AddressCleaner;
pub use names::QueryName;
pub(crate) use texts::ClickTexts;
