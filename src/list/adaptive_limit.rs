//! The number of pages that are fetched concurrently: it shrinks when the server throttles, and grows back
//! afterwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Counts how often the server throttled (429, 503).
pub(super) type Throttled = Arc<AtomicU32>;

/// The number of pages that may be fetched concurrently. It is halved when the server throttles, and grows by
/// one after each round without throttling.
pub(super) struct Window {
    most: usize,
    now: usize,
    /// Pages that arrived since the number last changed.
    calm: usize,
    throttled: Throttled,
    observation: u32,
}

impl Window {
    pub(super) fn new(most: usize) -> Self {
        Window { most, now: most, calm: 0, throttled: Throttled::default(), observation: 0 }
    }

    pub(super) fn size(&self) -> usize {
        self.now
    }

    pub(super) fn throttled(&self) -> Throttled {
        self.throttled.clone()
    }

    /// Updates the number after a page arrived.
    pub(super) fn arrived(&mut self) {
        let throttled = self.throttled.load(Ordering::Relaxed);
        if throttled != self.observation {
            self.observation = throttled;
            self.now = (self.now / 2).max(1);
            self.calm = 0;
            return;
        }
        self.calm += 1;
        if self.calm >= self.now && self.now < self.most {
            self.now += 1;
            self.calm = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn throttled_window_shrinks_and_recovers() {
        let mut window = Window::new(8);
        let throttled = window.throttled();
        let mut sizes = Vec::new();
        for page in 0..40 {
            if matches!(page, 2..=5) {
                throttled.fetch_add(3, Ordering::Relaxed);
            }
            window.arrived();
            sizes.push(window.size());
        }
        assert_eq!(sizes[..7], [8, 8, 4, 2, 1, 1, 2]);
        assert!(sizes.windows(2).skip(6).all(|pair| pair[0] <= pair[1]));
        assert_eq!(sizes.last(), Some(&8));
    }

    #[test]
    fn window_grows_after_unthrottled_round() {
        let mut window = Window::new(4);
        let throttled = window.throttled();
        let mut sizes_of = |pages| {
            let size = |_| {
                window.arrived();
                window.size()
            };
            (0..pages).map(size).collect::<Vec<_>>()
        };
        assert_eq!(sizes_of(3), [4; 3]);
        throttled.fetch_add(1, Ordering::Relaxed);
        // The pages before the throttling don't count.
        assert_eq!(sizes_of(12), [2, 2, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4]);
    }
}
