//! Every integration test, one module per theme, one binary.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a failing test panics on the spot; its measurements are printed for people"
)]

mod access_logs;
mod agents;
mod asking;
mod attacks;
mod audit;
mod backup;
mod browser;
mod captures;
mod cluster;
mod commands;
mod commit_faults;
mod compaction;
mod documentation;
mod edge_faults;
mod encryption;
mod end_to_end;
mod external;
mod forget;
mod fuzz;
mod golden;
mod hostile_sql;
mod house;
mod imports;
mod kafka_conformance;
mod kafka_faults;
mod kafka_records;
mod kills;
mod kinesis;
mod lake_format;
mod libraries;
mod limits;
mod live;
mod long_reads;
mod mapping;
mod members;
mod notebook;
mod openapi;
mod places;
mod plain_topic;
mod readers;
mod refusals;
mod rehearsal;
mod replay;
mod retention;
mod rules;
mod s3;
mod shore;
mod siege;
mod sim;
mod soak;
mod store_faults;
mod swaps;
mod tables;
mod tls;
mod walk;
