//! Literals of SQL as values of parameters.

use std::collections::BTreeSet;

use datafusion::arrow::temporal_conversions::timestamp_s_to_datetime;
use datafusion::common::ScalarValue;
use synapse_backend_client::ValueKind;

/// Values of a parameter, as they are sent. Two texts differ if and only if the values differ.
pub(super) type Values = BTreeSet<String>;

/// Floats print with at most this many characters. Longer texts are those of very large and very small numbers.
const MAX_FLOAT_TEXT: usize = 24;

/// Integers up to this one are exact as floats.
const MAX_EXACT_INTEGER: i64 = 1 << 53;

/// The seconds of 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z, which is what ISO 8601 and servers can express.
const YEARS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

/// How much a time's lower bound is sent earlier, and an upper bound later: servers differ about inclusion and fractions.
const TIME_MARGIN: i64 = 1;

/// A literal that can be compared with a column.
#[derive(Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Number(f64),
    Boolean(bool),
    /// The last whole second that isn't after the time, and the first that isn't before it.
    Time(i64, i64),
}

/// Returns a literal as a value of a column of this kind; `None` if it is null or has no such value.
pub(super) fn literal(scalar: &ScalarValue, kind: ValueKind) -> Option<Value> {
    let mut scalar = scalar;
    while let ScalarValue::Dictionary(_, value) = scalar {
        scalar = value;
    }
    let value = match kind {
        ValueKind::Text => Value::Text(text(scalar)?.to_owned()),
        ValueKind::Integer | ValueKind::IdOrObject => Value::Integer(integer(scalar)?),
        ValueKind::Number => Value::Number(number(scalar)?),
        ValueKind::Boolean => match scalar {
            ScalarValue::Boolean(Some(value)) => Value::Boolean(*value),
            _ => return None,
        },
        ValueKind::Time => time(scalar)?,
        _ => return None,
    };
    Some(value)
}

fn text(scalar: &ScalarValue) -> Option<&str> {
    match scalar {
        ScalarValue::Utf8(Some(text))
        | ScalarValue::LargeUtf8(Some(text))
        | ScalarValue::Utf8View(Some(text)) => Some(text),
        _ => None,
    }
}

fn integer(scalar: &ScalarValue) -> Option<i64> {
    match scalar {
        ScalarValue::Int8(value) => value.map(i64::from),
        ScalarValue::Int16(value) => value.map(i64::from),
        ScalarValue::Int32(value) => value.map(i64::from),
        ScalarValue::Int64(value) => *value,
        ScalarValue::UInt8(value) => value.map(i64::from),
        ScalarValue::UInt16(value) => value.map(i64::from),
        ScalarValue::UInt32(value) => value.map(i64::from),
        ScalarValue::UInt64(value) => value.and_then(|value| i64::try_from(value).ok()),
        _ => None,
    }
}

fn number(scalar: &ScalarValue) -> Option<f64> {
    let value = match scalar {
        ScalarValue::Float16(Some(value)) => f64::from(*value),
        ScalarValue::Float32(Some(value)) => f64::from(*value),
        ScalarValue::Float64(Some(value)) => *value,
        other => {
            let exact = |value: &i64| (-MAX_EXACT_INTEGER..=MAX_EXACT_INTEGER).contains(value);
            integer(other).filter(exact)? as f64
        }
    };
    number_text(value).map(|_| value)
}

/// Returns the text of a float; `None` if it isn't finite, or has no short text. Zero has none: it has two signs, which
/// DataFusion tells apart and servers don't.
pub(super) fn number_text(value: f64) -> Option<String> {
    let text = value.to_string();
    let fits = value.is_finite() && value != 0.0 && text.len() <= MAX_FLOAT_TEXT;
    fits.then_some(text)
}

fn time(scalar: &ScalarValue) -> Option<Value> {
    // Times without a zone are UTC, as the columns are.
    let (value, second) = match scalar {
        ScalarValue::TimestampSecond(Some(value), _) => (*value, 1),
        ScalarValue::TimestampMillisecond(Some(value), _) => (*value, 1_000),
        ScalarValue::TimestampMicrosecond(Some(value), _) => (*value, 1_000_000),
        ScalarValue::TimestampNanosecond(Some(value), _) => (*value, 1_000_000_000),
        _ => return None,
    };
    let floor = value.div_euclid(second);
    let fraction = i64::from(value.rem_euclid(second) != 0);
    Some(Value::Time(floor, floor.checked_add(fraction)?))
}

impl Value {
    /// Returns the text that a parameter compares with `=`; `None` if a server may compare another value.
    pub(super) fn equality_text(&self) -> Option<String> {
        match self {
            Value::Text(text) => Some(text.clone()),
            Value::Integer(value) => Some(value.to_string()),
            Value::Number(value) => number_text(*value),
            Value::Boolean(value) => Some(value.to_string()),
            // Servers round fractions of seconds in their responses.
            Value::Time(..) => None,
        }
    }
}

/// Returns whether servers compare the text as it is. They ignore an empty one, trim spaces, and refuse control
/// characters.
pub(super) fn is_compared_unchanged(text: &str) -> bool {
    !text.is_empty() && text.trim().len() == text.len() && !text.chars().any(char::is_control)
}

/// Returns the text of a preset value in the form of [`Value::equality_text`]; `None` if it has another form.
pub(super) fn preset_text(text: &str, kind: ValueKind) -> Option<String> {
    let canonical = match kind {
        ValueKind::Text => is_compared_unchanged(text).then(|| text.to_owned()),
        ValueKind::Integer | ValueKind::IdOrObject => text.parse::<i64>().ok().map(|value| value.to_string()),
        ValueKind::Number => text.parse::<f64>().ok().and_then(number_text),
        ValueKind::Boolean => text.parse::<bool>().ok().map(|value| value.to_string()),
        _ => None,
    };
    canonical.filter(|canonical| canonical == text)
}

/// The values between two bounds, each inclusive unless it is `strict`.
#[derive(Clone, Default)]
pub(super) struct Range {
    pub(super) lower: Option<Bound>,
    pub(super) upper: Option<Bound>,
}

/// One end of a range.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Bound {
    /// An inclusive bound.
    Integer(i64),
    Number {
        value: f64,
        strict: bool,
    },
    /// The second of an inclusive bound.
    Time(i64),
}

/// Which end of a range a bound is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Lower,
    Upper,
}

impl Bound {
    /// Returns the bound of a comparison; `None` if the values have no order that servers share.
    pub(super) fn new(value: &Value, side: Side, strict: bool) -> Option<Bound> {
        match (value, side) {
            (Value::Integer(value), Side::Lower) => value.checked_add(i64::from(strict)).map(Bound::Integer),
            (Value::Integer(value), Side::Upper) => value.checked_sub(i64::from(strict)).map(Bound::Integer),
            (Value::Number(value), _) => Some(Bound::Number { value: *value, strict }),
            (Value::Time(floor, _), Side::Lower) => Some(Bound::Time(*floor)),
            (Value::Time(_, ceiling), Side::Upper) => Some(Bound::Time(*ceiling)),
            (Value::Text(_) | Value::Boolean(_), _) => None,
        }
    }

    /// Returns whether the bound excludes more than the other one.
    fn is_tighter(self, other: Bound, side: Side) -> bool {
        let ordering = match (self, other) {
            (Bound::Integer(one), Bound::Integer(other)) | (Bound::Time(one), Bound::Time(other)) => {
                one.cmp(&other)
            }
            (Bound::Number { value: one, strict }, Bound::Number { value: other, .. }) => {
                match one.total_cmp(&other) {
                    std::cmp::Ordering::Equal => return strict,
                    ordering => ordering,
                }
            }
            _ => return false,
        };
        match side {
            Side::Lower => ordering.is_gt(),
            Side::Upper => ordering.is_lt(),
        }
    }

    /// Returns the tighter one of two bounds.
    pub(super) fn tighter(one: Option<Bound>, other: Option<Bound>, side: Side) -> Option<Bound> {
        match (one, other) {
            (Some(one), Some(other)) => Some(if one.is_tighter(other, side) { one } else { other }),
            (one, other) => one.or(other),
        }
    }

    /// Returns the looser one of two bounds; no bound is the loosest.
    pub(super) fn looser(one: Option<Bound>, other: Option<Bound>, side: Side) -> Option<Bound> {
        let (one, other) = (one?, other?);
        Some(if one.is_tighter(other, side) { other } else { one })
    }

    /// Returns the value of a parameter that selects at least what the bound does; `None` if there is none. `strict`
    /// says whether the parameter excludes its value.
    pub(super) fn text(self, side: Side, strict: bool) -> Option<String> {
        let earlier = side == Side::Lower;
        match self {
            Bound::Integer(value) => {
                let step = i64::from(strict);
                let value = if earlier { value.checked_sub(step) } else { value.checked_add(step) };
                value.map(|value| value.to_string())
            }
            Bound::Number { value, strict: bound_is_strict } => {
                number_text(value).filter(|_| bound_is_strict || !strict)
            }
            Bound::Time(second) => {
                let second =
                    if earlier { second.checked_sub(TIME_MARGIN) } else { second.checked_add(TIME_MARGIN) };
                time_text(second?)
            }
        }
    }
}

/// Returns a time as ISO 8601 in UTC.
fn time_text(second: i64) -> Option<String> {
    let time = timestamp_s_to_datetime(second).filter(|_| YEARS.contains(&second))?;
    Some(time.format("%Y-%m-%dT%H:%M:%SZ").to_string())
}
