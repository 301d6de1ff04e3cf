//! The lake's tables as SQL over explicit lists of objects.

pub(crate) mod ducklake;
pub(crate) mod piece;
pub(crate) mod publish;
pub(crate) mod published;
pub(crate) mod select;
pub(crate) mod table;
pub(crate) mod view;
