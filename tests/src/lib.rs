//! The harness of the tests: it starts, disturbs and ends the real parts, and holds the simulation.

pub mod browser;
pub mod clickweir;
pub mod clients;
pub mod cluster;
pub mod commits;
pub mod defaults;
pub mod demo;
pub mod faulty;
pub mod fuzz;
pub mod kafka;
pub mod landing;
pub mod leash;
pub mod namespace;
pub mod ports;
pub mod postgres;
pub mod proxy;
pub mod real;
pub mod rehearsal;
pub mod s3;
pub mod season;
pub mod sim;
pub mod soak;
pub mod tree;
pub mod usage;
