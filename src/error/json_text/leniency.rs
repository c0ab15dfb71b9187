//! How strictly a thread decodes JSON: whether a field may have another shape than its type.

use std::cell::Cell;

/// How strictly values are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leniency {
    /// Each value must fit its field. This costs less, so it is tried first where the other one can follow.
    Strict,
    /// An optional field may have any shape: what doesn't fit is kept as an unknown field. This is the default, so that
    /// the types can be decoded without this crate, too.
    Lenient,
}

thread_local! {
    static CURRENT: Cell<Leniency> = const { Cell::new(Leniency::Lenient) };
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
