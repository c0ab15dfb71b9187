//! The crate's fuzz tests: targets, hostile inputs and random inputs.
//!
//! - `cargo test --release` in this directory measures the costs of inputs, with a fixed seed: see
//!   `tests/costs.rs`.
//! - `./fuzz RUNS [TARGET…]` runs the same targets with this many inputs each, by
//!   [cargo-fuzz](https://github.com/rust-fuzz/cargo-fuzz) on a stable toolchain. It only checks the
//!   allocation limit.
//!
//! Inputs that fail are kept as seeds in `seeds`, or as hostile inputs in `src/hostile.rs`.

#![cfg(fuzzing)]

mod caches;
pub mod hostile;
pub mod random;
pub mod rules;
mod server;
#[cfg(not(feature = "libfuzzer"))]
pub mod steps;
pub mod targets;

pub use targets::{TARGETS, Target};
