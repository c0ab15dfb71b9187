//! How much a request may carry.

use synapse_backend_client::ValueKind;

use super::values::Values;

/// The number of values of one parameter that are sent at most.
pub(super) const MAX_VALUES: usize = 100;

/// The bytes of all values together that are sent at most, before they are encoded.
pub(super) const MAX_BYTES: usize = 2_000;

/// The bytes of values that one column may send for sure.
#[derive(Clone, Copy)]
pub(super) enum Share {
    /// As many as its longest value has.
    Fixed(usize),
    /// At least these, and more if others leave them.
    AtLeast(usize),
}

impl Share {
    /// Returns the share of a column without a field.
    pub(super) fn of_pseudo_column(kind: ValueKind) -> Share {
        match kind {
            ValueKind::Integer => Share::Fixed(20),
            ValueKind::Number => Share::Fixed(24),
            ValueKind::Boolean => Share::Fixed(5),
            ValueKind::Time => Share::Fixed(35),
            _ => Share::AtLeast(80),
        }
    }

    /// The share of a field whose filters the server alone applies.
    pub(super) const FIELD: Share = Share::AtLeast(40);
}

/// Splits [`MAX_BYTES`] so that filters which must be sent always fit together.
pub(super) fn split(shares: &[Share]) -> Vec<usize> {
    let least = |share: &Share| match share {
        Share::Fixed(bytes) | Share::AtLeast(bytes) => *bytes,
    };
    let total: usize = shares.iter().map(least).sum();
    let Some(rest) = MAX_BYTES.checked_sub(total) else {
        return vec![MAX_BYTES / shares.len().max(1); shares.len()];
    };
    let growing = shares.iter().filter(|share| matches!(share, Share::AtLeast(_))).count();
    let more = rest / growing.max(1);
    let grown = |share: &Share| match share {
        Share::Fixed(bytes) => *bytes,
        Share::AtLeast(bytes) => bytes + more,
    };
    shares.iter().map(grown).collect()
}

/// Returns the bytes of the values in a request, with what separates them.
pub(super) fn size(values: &Values) -> usize {
    let separators = values.len().saturating_sub(1);
    values.iter().map(String::len).sum::<usize>() + separators
}
