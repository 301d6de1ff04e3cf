//! The served dashboard over a small real lake.

mod access;
mod pages;
mod programs;
