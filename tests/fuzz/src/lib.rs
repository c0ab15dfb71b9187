//! What the crate is fuzzed by: the targets, inputs that were made to harm, and inputs by chance.
//!
//! - `cargo test --release` in this directory counts what inputs cost, with a fixed seed: see `tests/costs.rs`.
//! - `./fuzz RUNS [TARGET…]` does so by hand for as long as it takes, with
//!   [cargo-fuzz](https://github.com/rust-fuzz/cargo-fuzz), which works on stable.
//!
//! What either finds is kept as a seed, in `seeds`, or as a hostile input, in `src/hostile.rs`.

#![cfg(fuzzing)]

pub mod hostile;
pub mod random;
pub mod rules;
mod server;
#[cfg(not(feature = "libfuzzer"))]
pub mod steps;
pub mod targets;

pub use targets::{TARGETS, Target};
