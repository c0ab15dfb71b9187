//! Counts steps: `.cargo/config.toml` has the compiler call this at the beginning of every basic block, of
//! all but the standard library. libFuzzer brings counters of its own.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// The steps so far.
pub static STEPS: AtomicU64 = AtomicU64::new(0);

/// Looks at the steps every now and then.
pub static WATCH: OnceLock<fn(u64)> = OnceLock::new();

// For their names the compiler adds no calls to these.

#[unsafe(no_mangle)]
extern "C" fn __sanitizer_cov_trace_pc_guard(_: *mut u32) {
    // What other threads do may be lost count of; an addition that all cores see would cost more.
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
