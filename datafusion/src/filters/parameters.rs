//! Which parameters of a list operation filter which fields.

use synapse_backend_client::{ListField, ListOperation, ParameterInfo, Place, ValueKind};

use super::values::Side;

/// Parameters about pages and the shape of items, which select no items.
const SHAPE: [&str; 15] = [
    "page",
    "page_size",
    "cursor",
    "limit",
    "offset",
    "ordering",
    "order_by",
    "sort",
    "fields",
    "omit",
    "expand",
    "format",
    "url_host",
    "pagination",
    "response_mode",
];

/// The start of further names of such parameters.
const SHAPE_PREFIX: &str = "page";

/// The column of fields that the document doesn't name.
const EXTRA_COLUMN: &str = "_extra";

/// The end of the name of the second column of a field that is an id or an object.
const OBJECT_COLUMN_SUFFIX: &str = "_json";

/// What a parameter means.
pub(super) enum Meaning {
    /// It selects items by a field, which has this index.
    Field(usize, FieldFilter),
    /// It selects items by something that isn't a field.
    Other,
}

/// How a parameter selects items by a field.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum FieldFilter {
    /// The field has one of the values.
    Equal { takes: Takes, rank: u8 },
    /// The field is on this side of the value; `strict` if it can't be the value itself.
    Bound { side: Side, strict: bool, rank: u8 },
}

/// How many values a parameter takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    One,
    /// One after the other, as parameters of the same name.
    Several,
    /// Joined by commas into one text.
    CommaSeparated,
}

/// Returns the parameters that can be set by filters, with what they mean.
pub(super) fn of(operation: &'static ListOperation) -> Vec<(&'static ParameterInfo, Meaning)> {
    let all = operation.parameters();
    let usable = all.iter().filter(|parameter| is_usable(parameter) && is_unambiguous(parameter, all));
    usable.filter_map(|parameter| Some((parameter, meaning(parameter, operation.fields())?))).collect()
}

fn is_usable(parameter: &ParameterInfo) -> bool {
    let is_shape = |name: &str| SHAPE.contains(&name) || name.starts_with(SHAPE_PREFIX);
    parameter.place == Place::Query
        && !parameter.required
        && !parameter.secret
        && parameter.always_sent.is_none()
        && !is_shape(base(parameter.wire))
        && !is_shape(parameter.name)
}

/// Returns whether the name in the request leads to this parameter alone.
fn is_unambiguous(parameter: &ParameterInfo, all: &[ParameterInfo]) -> bool {
    let has_name = |other: &ParameterInfo| other.wire == parameter.wire || other.name == parameter.wire;
    all.iter().filter(|other| has_name(other)).count() == 1
}

/// Returns the name in the request without the brackets of a list.
fn base(wire: &str) -> &str {
    wire.strip_suffix("[]").unwrap_or(wire)
}

/// Returns what the parameter means; `None` if it has the name of a column, but isn't known to filter by it.
fn meaning(parameter: &ParameterInfo, fields: &[ListField]) -> Option<Meaning> {
    if let Some((index, filter)) = filtered_field(parameter, fields) {
        return Some(Meaning::Field(index, filter));
    }
    let is_column = |name: &str| {
        let object = name.strip_suffix(OBJECT_COLUMN_SUFFIX);
        let is_field = |field: &ListField| {
            field.name == name || (field.kind == ValueKind::IdOrObject && object == Some(field.name))
        };
        name == EXTRA_COLUMN || fields.iter().any(is_field)
    };
    (!is_column(parameter.name) && !is_column(base(parameter.wire))).then_some(Meaning::Other)
}

fn filtered_field(parameter: &ParameterInfo, fields: &[ListField]) -> Option<(usize, FieldFilter)> {
    let name = base(parameter.wire);
    let takes = if parameter.repeated { Takes::Several } else { Takes::One };
    let equal = |rank| FieldFilter::Equal { takes, rank };
    if let Some(index) = field(fields, name, parameter.kind) {
        return Some((index, equal(0)));
    }
    if let Some((name, lookup)) = name.rsplit_once("__") {
        return lookup_of(parameter, fields, name, lookup);
    }
    if parameter.repeated {
        let index = singulars(name).find_map(|singular| field(fields, &singular, parameter.kind))?;
        return Some((index, equal(3)));
    }
    let (start, side) = match name.strip_suffix("_after") {
        Some(start) => (start, Side::Lower),
        None => (name.strip_suffix("_before")?, Side::Upper),
    };
    if !matches!(parameter.kind, ValueKind::Time | ValueKind::Text) {
        return None;
    }
    let names = [format!("{start}_at"), start.to_owned(), format!("{start}_date")];
    let index = names.iter().find_map(|name| field(fields, name, ValueKind::Time))?;
    Some((index, FieldFilter::Bound { side, strict: true, rank: 1 }))
}

/// Returns what a parameter with a lookup of Django REST framework means.
fn lookup_of(
    parameter: &ParameterInfo,
    fields: &[ListField],
    name: &str,
    lookup: &str,
) -> Option<(usize, FieldFilter)> {
    let same = field(fields, name, parameter.kind);
    let takes = if parameter.repeated { Takes::Several } else { Takes::One };
    let (side, strict) = match lookup {
        "exact" => return Some((same?, FieldFilter::Equal { takes, rank: 1 })),
        "in" if parameter.repeated => return Some((same?, FieldFilter::Equal { takes, rank: 2 })),
        "in" => {
            // A list of any kind in one text.
            let any = || fields.iter().position(|field| field.name == name && is_comparable(field));
            let index = same.or_else(|| any().filter(|_| parameter.kind == ValueKind::Text))?;
            return Some((index, FieldFilter::Equal { takes: Takes::CommaSeparated, rank: 2 }));
        }
        "gt" => (Side::Lower, true),
        "gte" => (Side::Lower, false),
        "lt" => (Side::Upper, true),
        "lte" => (Side::Upper, false),
        _ => return None,
    };
    let has_order = !matches!(parameter.kind, ValueKind::Text | ValueKind::Boolean);
    let index = same.filter(|_| has_order && !parameter.repeated)?;
    Some((index, FieldFilter::Bound { side, strict, rank: 0 }))
}

/// Returns the index of the field with this name whose values are of the parameter's kind.
fn field(fields: &[ListField], name: &str, kind: ValueKind) -> Option<usize> {
    let fits = |field: &ListField| {
        let field_kind = if field.kind == ValueKind::IdOrObject { ValueKind::Integer } else { field.kind };
        field.name == name && field_kind == kind && is_comparable(field)
    };
    fields.iter().position(fits)
}

/// Returns whether the field's values may be in a request. Secrets would appear in logs of URLs.
fn is_comparable(field: &ListField) -> bool {
    field.kind != ValueKind::Json && !field.secret
}

/// Returns what a plural may be the plural of.
fn singulars(plural: &str) -> impl Iterator<Item = String> {
    let y = plural.strip_suffix("ies").map(|start| format!("{start}y"));
    let es = plural.strip_suffix("es").map(str::to_owned);
    let s = plural.strip_suffix('s').map(str::to_owned);
    [s, es, y].into_iter().flatten()
}
