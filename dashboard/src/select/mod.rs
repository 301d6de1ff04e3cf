//! What a page or a panel is asked for: range, step, metric and filters.

pub(crate) mod axis;
pub(crate) mod selection;
#[cfg(test)]
mod tests;
