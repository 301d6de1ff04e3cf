//! Sorting rows of any number within bounded memory. Rows come in as batches; what memory cannot
//! hold is sorted and spilled as a run. Objects of swaps are sorted already, so they are runs
//! themselves, which are opened when the merge reaches their least time and read a row group at a
//! time. A merge of all runs writes objects to files.

mod buffer;
pub(crate) mod limits;
pub(crate) mod merge;
pub(crate) mod object_file;
pub(crate) mod object_run;
mod order;
mod piece;
mod row_group;
pub(crate) mod sorter;
pub(crate) mod spill;
mod window;

#[cfg(test)]
mod tests;
