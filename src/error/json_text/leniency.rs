//! How strictly a thread decodes JSON: whether a field may have another shape than its type.

use std::cell::Cell;

/// How strictly values are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leniency {
    /// Strictly first. What fails is decoded again leniently.
    StrictFirst,
    /// Strictly.
    Strict,
    /// Optional fields may have any shape: what doesn't fit is kept as an unknown field.
    Lenient,
}

thread_local! {
    static CURRENT: Cell<Leniency> = const { Cell::new(Leniency::StrictFirst) };
}

/// Restores the leniency when it is dropped, also by a panic.
struct Restored(Leniency);

impl Drop for Restored {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}

impl Leniency {
    /// Returns how this thread decodes.
    #[inline]
    pub(crate) fn current() -> Self {
        CURRENT.get()
    }

    /// Decodes with this leniency.
    pub(crate) fn decode<T>(self, decode: impl FnOnce() -> T) -> T {
        let _restored = Restored(CURRENT.replace(self));
        decode()
    }
}
