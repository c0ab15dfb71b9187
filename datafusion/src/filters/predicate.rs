//! SQL expressions that a parameter can express.

use std::borrow::Cow;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::{Between, InList};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use synapse_backend_client::ValueKind;

use super::limits::MAX_VALUES;
use super::values::{Bound, Range, Side, Value, Values, literal};

/// What a filter demands of one column. A row passes if and only if its value isn't null and satisfies it; a range of times
/// also admits others nearby.
pub(super) enum Predicate {
    OneOf(Values),
    Within(Range),
}

impl Predicate {
    /// Returns the predicate that is true where one of both is, or more often if they are ranges.
    fn or(self, other: Predicate) -> Option<Predicate> {
        match (self, other) {
            (Predicate::OneOf(mut values), Predicate::OneOf(others)) => {
                values.extend(others);
                (values.len() <= MAX_VALUES).then_some(Predicate::OneOf(values))
            }
            (Predicate::Within(one), Predicate::Within(other)) => Some(Predicate::Within(Range {
                lower: Bound::looser(one.lower, other.lower, Side::Lower),
                upper: Bound::looser(one.upper, other.upper, Side::Upper),
            })),
            _ => None,
        }
    }
}

/// Returns the column that a filter is about, and what it demands; `None` if the filter has another form. `kind_of` returns the
/// kind of a column's values.
pub(super) fn parse<'a>(
    filter: &'a Expr,
    kind_of: &dyn Fn(&str) -> Option<ValueKind>,
) -> Option<(&'a str, Predicate)> {
    let mut rest = vec![filter];
    let mut found: Option<(&str, Predicate)> = None;
    while let Some(expr) = rest.pop() {
        if let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) = expr {
            rest.extend([right.as_ref(), left.as_ref()]);
            continue;
        }
        if is_never_true(expr) {
            continue;
        }
        let (column, predicate) = term(expr, kind_of)?;
        found = match found {
            None => Some((column, predicate)),
            Some((other, before)) if other == column => Some((column, before.or(predicate)?)),
            Some(_) => return None,
        };
    }
    found
}

/// Returns whether the filter is a literal that no row passes.
pub(super) fn is_never_true(filter: &Expr) -> bool {
    matches!(filter, Expr::Literal(ScalarValue::Boolean(None | Some(false)) | ScalarValue::Null, _))
}

/// Returns whether the filter is a literal that all rows pass.
pub(super) fn is_always_true(filter: &Expr) -> bool {
    matches!(filter, Expr::Literal(ScalarValue::Boolean(Some(true)), _))
}

fn term<'a>(expr: &'a Expr, kind_of: &dyn Fn(&str) -> Option<ValueKind>) -> Option<(&'a str, Predicate)> {
    match expr {
        Expr::Column(_) => boolean(expr, true, kind_of),
        // Where the column is null, NOT of it is null, and IS TRUE and IS FALSE are false: no row passes.
        Expr::Not(inner) | Expr::IsFalse(inner) => boolean(inner, false, kind_of),
        Expr::IsTrue(inner) => boolean(inner, true, kind_of),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            if let Some((name, kind)) = column(left, kind_of) {
                return Some((name, comparison(kind, *op, right)?));
            }
            let (name, kind) = column(right, kind_of)?;
            // A comparison with its sides swapped.
            Some((name, comparison(kind, op.swap()?, left)?))
        }
        Expr::InList(InList { expr, list, negated: false }) => {
            let (name, kind) = column(expr, kind_of)?;
            let mut all = equality(kind, list.first()?)?;
            for value in list.iter().skip(1) {
                all = all.or(equality(kind, value)?)?;
            }
            Some((name, all))
        }
        Expr::Between(Between { expr, negated: false, low, high }) => {
            let (name, kind) = column(expr, kind_of)?;
            let (low, high) = (value(low, kind)?, value(high, kind)?);
            let lower = Some(Bound::new(&low, Side::Lower, false)?);
            let upper = Some(Bound::new(&high, Side::Upper, false)?);
            Some((name, Predicate::Within(Range { lower, upper })))
        }
        _ => None,
    }
}

fn boolean<'a>(
    expr: &'a Expr,
    value: bool,
    kind_of: &dyn Fn(&str) -> Option<ValueKind>,
) -> Option<(&'a str, Predicate)> {
    let (name, kind) = column(expr, kind_of)?;
    let is_boolean = kind == ValueKind::Boolean;
    is_boolean.then(|| (name, Predicate::OneOf(Values::from([value.to_string()]))))
}

/// Returns a column's name and the kind of its values, also in a cast that keeps them comparable.
fn column<'a>(expr: &'a Expr, kind_of: &dyn Fn(&str) -> Option<ValueKind>) -> Option<(&'a str, ValueKind)> {
    let (column, cast) = match expr {
        Expr::Column(column) => (column, None),
        Expr::Cast(cast) => match cast.expr.as_ref() {
            Expr::Column(column) => (column, Some(cast.field.data_type())),
            _ => return None,
        },
        _ => return None,
    };
    let kind = kind_of(&column.name)?;
    let keeps = match cast {
        None => true,
        Some(data_type) => match kind {
            ValueKind::Text => matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View),
            ValueKind::Integer | ValueKind::IdOrObject => *data_type == DataType::Int64,
            ValueKind::Number => *data_type == DataType::Float64,
            ValueKind::Boolean => *data_type == DataType::Boolean,
            // Coarser units lose less than the second by which bounds are moved.
            ValueKind::Time => matches!(data_type, DataType::Timestamp(..)),
            _ => false,
        },
    };
    keeps.then_some((&column.name, kind))
}

fn comparison(kind: ValueKind, op: Operator, right: &Expr) -> Option<Predicate> {
    let (side, strict) = match op {
        Operator::Eq => return equality(kind, right),
        Operator::Gt => (Side::Lower, true),
        Operator::GtEq => (Side::Lower, false),
        Operator::Lt => (Side::Upper, true),
        Operator::LtEq => (Side::Upper, false),
        _ => return None,
    };
    let bound = Some(Bound::new(&value(right, kind)?, side, strict)?);
    Some(Predicate::Within(match side {
        Side::Lower => Range { lower: bound, upper: None },
        Side::Upper => Range { lower: None, upper: bound },
    }))
}

fn equality(kind: ValueKind, right: &Expr) -> Option<Predicate> {
    let value = value(right, kind)?;
    if kind == ValueKind::Time {
        let bound = |side| Bound::new(&value, side, false);
        return Some(Predicate::Within(Range { lower: bound(Side::Lower), upper: bound(Side::Upper) }));
    }
    Some(Predicate::OneOf(Values::from([value.equality_text()?])))
}

fn value(expr: &Expr, kind: ValueKind) -> Option<Value> {
    literal(constant(expr)?.as_ref(), kind)
}

/// Returns the value of a literal, also in a cast.
fn constant(expr: &Expr) -> Option<Cow<'_, ScalarValue>> {
    match expr {
        Expr::Literal(value, _) => Some(Cow::Borrowed(value)),
        Expr::Cast(cast) => match cast.expr.as_ref() {
            Expr::Literal(value, _) if is_plain(cast.field.data_type()) => {
                value.cast_to(cast.field.data_type()).ok().map(Cow::Owned)
            }
            _ => None,
        },
        _ => None,
    }
}

/// Returns whether the type is one of columns and literals, so that a cast to it takes little memory.
fn is_plain(data_type: &DataType) -> bool {
    data_type.is_numeric()
        || data_type.is_string()
        || matches!(data_type, DataType::Boolean | DataType::Timestamp(..))
}
