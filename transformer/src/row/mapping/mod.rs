//! What an owner says of the fields of clicks, over what their format says.

mod file;
mod own;
mod rule;

pub use file::MappingError;
pub use own::MappingFile;

#[cfg(test)]
mod tests;
