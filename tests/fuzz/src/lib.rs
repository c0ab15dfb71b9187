//! What the crate is fuzzed by: the targets, inputs that were made to harm, and inputs by chance.
//!
//! - `cargo test --release` in this directory counts what inputs cost, with a fixed seed: see
//!   `tests/costs.rs`.
//! - `./fuzz RUNS [TARGET…]` gives the same targets so many inputs each, by
//!   [cargo-fuzz](https://github.com/rust-fuzz/cargo-fuzz) on a stable toolchain; only the rule of what may
//!   be allocated is checked there.
//!
//! What either finds is kept as a seed, in `seeds`, or as a hostile input, in `src/hostile.rs`.

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
