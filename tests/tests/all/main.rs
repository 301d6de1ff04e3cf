//! Every integration test, one module per theme, one binary.

mod kafka_conformance;
mod kafka_faults;
