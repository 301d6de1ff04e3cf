//! Every integration test, one module per theme, one binary.

mod browser;
mod house;
mod kafka_conformance;
mod kafka_faults;
mod rehearsal;
mod s3;
mod commit_faults;
mod end_to_end;
mod imports;
mod kills;
mod cluster;
mod notebook;
