//! What an input may cost, in counts that are the same on any machine.

use stats_alloc::Stats;

/// What an input costs.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cost {
    /// Bytes that were allocated in all, also those that were freed at once.
    pub bytes: u64,
    /// How often something was allocated, or made larger or smaller.
    pub allocations: u64,
    /// Basic blocks of the program that were gone through, all but those of the standard library.
    pub steps: u64,
}

impl Cost {
    /// What was allocated between two looks at the allocator.
    pub fn between(before: Stats, after: Stats) -> Self {
        Cost {
            bytes: (after.bytes_allocated - before.bytes_allocated) as u64,
            allocations: (after.allocations - before.allocations + after.reallocations - before.reallocations)
                as u64,
            steps: 0,
        }
    }

    /// What is wrong with it for an input of so many bytes, if anything.
    pub fn problem(&self, input: usize) -> Option<String> {
        let most = 64 * input as u64 + (1 << 20);
        (self.bytes > most).then(|| {
            let times = self.bytes as f64 / input.max(1) as f64;
            format!(
                "{} bytes allocated for {input} of input, {times:.0} times as many; {most} may be",
                self.bytes
            )
        })
    }

    /// What is wrong with it where this is the cost of a quarter of the input, if anything.
    pub fn growth_problem(&self, quarter: &Cost) -> Option<String> {
        // What doesn't depend on the input counts for nothing. Bytes have a rule of their own; buffers grow
        // by leaps.
        let grows = |what: &str, before: u64, now: u64, aside: u64| {
            (now > 6 * before.max(1) + aside).then(|| {
                let times = now as f64 / before.max(1) as f64;
                format!("{what}: {before}, and {now} for four times the input, {times:.1} times as many")
            })
        };
        let problems = [
            grows("allocations", quarter.allocations, self.allocations, 200),
            grows("steps", quarter.steps, self.steps, 50_000),
        ];
        let problems: Vec<_> = problems.into_iter().flatten().collect();
        (!problems.is_empty()).then(|| problems.join("; "))
    }
}
