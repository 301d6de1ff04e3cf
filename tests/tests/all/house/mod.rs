//! The rules of the house, which no compiler checks: how the code is laid out and named, what
//! a crate may know, which licences a dependency may have, and that the documents are true.

mod architecture;
mod circles;
mod constants;
mod depends;
mod finding;
mod folders;
mod lexer;
mod licence;
mod modules;
mod operations;
mod pages;
mod prose;
mod rows;
mod sizes;
mod type_names;
mod words;
mod workspace;

use finding::{none, not_yet};
use workspace::{Source, read, root, sources, table, texts};
