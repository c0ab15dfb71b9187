//! The libFuzzer target that the variable `TARGET` names. Each input must also stay within the allocation
//! limit.

#![cfg(fuzzing)]
#![no_main]

use std::alloc::System;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use synapse_fuzz::rules::Cost;
use synapse_fuzz::{TARGETS, Target};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = std::env::var("TARGET").expect("TARGET names a target");
    let target = TARGETS.iter().find(|target| target.name == name).expect("there is such a target");
    // One-time initialization isn't counted.
    (target.run)(b"{}");
    target
});

fuzz_target!(|input: &[u8]| {
    let target = *TARGET;
    let before = ALLOCATOR.stats();
    (target.run)(input);
    if let Some(problem) = Cost::between(before, ALLOCATOR.stats()).problem(input.len()) {
        panic!("{problem}");
    }
});
