//! Limits for the cost of an input, in counts that are the same on any machine.

use stats_alloc::Stats;

/// The cost of an input.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cost {
    /// All allocated bytes, even if they are freed at once.
    pub bytes: u64,
    /// The number of allocations and reallocations.
    pub allocations: u64,
    /// The number of executed basic blocks, without those of the standard library.
    pub steps: u64,
}

impl Cost {
    /// Returns the cost between two snapshots of the allocator's statistics.
    pub fn between(before: Stats, after: Stats) -> Self {
        Cost {
            bytes: (after.bytes_allocated - before.bytes_allocated) as u64,
            allocations: (after.allocations - before.allocations + after.reallocations - before.reallocations)
                as u64,
            steps: 0,
        }
    }

    /// Returns which limit the cost exceeds for an input of this many bytes. `None` if it exceeds none.
    pub fn problem(&self, input: usize) -> Option<String> {
        let most = 80 * input as u64 + (1 << 20);
        (self.bytes > most).then(|| {
            let times = self.bytes as f64 / input.max(1) as f64;
            format!(
                "{} bytes allocated for {input} of input, {times:.0} times as many; {most} may be",
                self.bytes
            )
        })
    }

    /// Compares the cost with that of a quarter of the input. Returns what grows too much, or `None`.
    pub fn growth_problem(&self, quarter: &Cost) -> Option<String> {
        // A constant part is ignored. Bytes have their own limit, because buffers grow in large steps.
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
