//! Counts steps: `.cargo/config.toml` makes the compiler call a function of this module at the start of every
//! basic block outside the standard library. libFuzzer has its own counters.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// The number of steps so far.
pub static STEPS: AtomicU64 = AtomicU64::new(0);

/// Is called with the number of steps at intervals.
pub static WATCH: OnceLock<fn(u64)> = OnceLock::new();

// The compiler doesn't instrument functions with these names.

#[unsafe(no_mangle)]
extern "C" fn __sanitizer_cov_trace_pc_guard(_: *mut u32) {
    // Updates of other threads may be missed. An atomic addition would cost more.
    let steps = STEPS.load(Ordering::Relaxed) + 1;
    STEPS.store(steps, Ordering::Relaxed);
    if steps & 0xffff == 0 {
        __sanitizer_look(steps);
    }
}

#[unsafe(no_mangle)]
extern "C" fn __sanitizer_cov_trace_pc_guard_init(_: *mut u32, _: *mut u32) {}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn __sanitizer_look(steps: u64) {
    if let Some(watch) = WATCH.get() {
        watch(steps);
    }
}
