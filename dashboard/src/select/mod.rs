//! What a page or a panel is asked for: range, step, metric and filters.

pub(crate) mod axis;
pub(crate) mod range;
pub(crate) mod selection;
pub(crate) mod window;
pub(crate) mod words;

#[cfg(test)]
mod tests;
