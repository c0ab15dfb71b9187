//! [`Filters`]: which SQL filters of a table become parameters of its list operation.
//!
//! A parameter that filters by a field only narrows what the server sends: DataFusion checks such a filter again, unless the
//! server is trusted to apply it as SQL does. So a filter is sent only if no server that knows the parameter, or ignores
//! it, leaves out items that pass.

mod fields;
mod limits;
mod parameters;
mod predicate;
mod pseudo;
#[cfg(test)]
mod tests;
mod values;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use synapse_backend_client::{ListOperation, ValueKind};

use self::fields::FieldParameters;
use self::limits::{MAX_BYTES, Share};
use self::parameters::Meaning;
use self::predicate::Predicate;
pub(crate) use self::pseudo::PseudoColumn;
use self::values::{Bound, Range, Side, Values};

/// The parameters of a list operation, matched with its columns.
pub(crate) struct Filters {
    trusted: bool,
    columns: HashMap<&'static str, Column>,
    fields: Vec<FieldParameters>,
    pseudo: Vec<PseudoColumn>,
}

/// A column that parameters may filter by.
#[derive(Clone, Copy)]
enum Column {
    /// An index in `fields`.
    Field(usize),
    /// An index in `pseudo`.
    Pseudo(usize),
}

/// What a request and the items that it returns say about a filter.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Support {
    /// Only items that pass are returned, if the filter is sent.
    Exact,
    /// The preset parameters say the same, or the opposite.
    Decided,
    /// If the filter is sent, other items may be returned as well.
    Inexact,
}

/// The parameters of a scan's request.
pub(crate) struct Selection {
    /// Parameters in addition to the preset ones: names in the request and values, several of a repeated parameter.
    pub(crate) parameters: Vec<(String, String)>,
    /// Whether the filters contradict each other, so that there are no rows.
    pub(crate) nothing: bool,
    /// Whether the request applies all filters, so that DataFusion drops no rows.
    pub(crate) exact: bool,
}

/// All filters of one field.
#[derive(Default)]
struct FieldSelection {
    values: Option<Values>,
    /// DataFusion doesn't check the values.
    must_send: bool,
    range: Range,
}

impl Filters {
    /// Matches the operation's parameters with its fields. `preset` are parameters of every request, by their names in the
    /// request. `trusted` says that the server applies `=` and `IN` as SQL does.
    pub(crate) fn new(
        operation: &'static ListOperation,
        preset: &[(String, String)],
        trusted: bool,
    ) -> Filters {
        let mut fields: Vec<FieldParameters> = operation.fields().iter().map(FieldParameters::new).collect();
        let mut pseudo = Vec::new();
        for (parameter, meaning) in parameters::of(operation) {
            let preset = preset.iter().filter(|(wire, _)| wire == parameter.wire);
            let preset: Vec<&str> = preset.map(|(_, value)| value.as_str()).collect();
            match meaning {
                Meaning::Other => pseudo.push(PseudoColumn::new(parameter, &preset)),
                Meaning::Field(index, filter) => {
                    if let Some(field) = fields.get_mut(index) {
                        field.add(parameter, filter, &preset);
                    }
                }
            }
        }
        fields.iter_mut().for_each(FieldParameters::sort);

        let sent = |column: &&mut PseudoColumn| !column.is_preset();
        let mut sent: Vec<&mut PseudoColumn> = pseudo.iter_mut().filter(sent).collect();
        let mut trusted_fields: Vec<&mut FieldParameters> = match trusted {
            true => fields.iter_mut().filter(|field| field.has_equality()).collect(),
            false => Vec::new(),
        };
        let mut shares: Vec<Share> = sent.iter().map(|column| column.share()).collect();
        shares.resize(shares.len() + trusted_fields.len(), Share::FIELD);
        let mut shares = limits::split(&shares).into_iter();
        sent.iter_mut().zip(&mut shares).for_each(|(column, share)| column.max_bytes = share);
        trusted_fields.iter_mut().zip(shares).for_each(|(field, share)| field.max_exact_bytes = share);

        let by_field = fields.iter().enumerate().map(|(index, field)| (field.name, Column::Field(index)));
        let by_parameter =
            pseudo.iter().enumerate().map(|(index, column)| (column.name, Column::Pseudo(index)));
        let columns = by_parameter.chain(by_field).collect();
        Filters { trusted, columns, fields, pseudo }
    }

    /// Returns the columns of parameters that filter by something that isn't a field.
    pub(crate) fn pseudo_columns(&self) -> Vec<PseudoColumn> {
        self.pseudo.clone()
    }

    /// Returns how far a request applies each of the filters.
    pub(crate) fn support(&self, filters: &[&Expr]) -> Vec<TableProviderFilterPushDown> {
        let support = |filter: &&Expr| match self.classify(filter) {
            Some((_, _, Support::Exact | Support::Decided)) => TableProviderFilterPushDown::Exact,
            Some((_, _, Support::Inexact)) => TableProviderFilterPushDown::Inexact,
            None => TableProviderFilterPushDown::Unsupported,
        };
        filters.iter().map(support).collect()
    }

    /// Returns the parameters of a request for rows that pass all of these filters, which [`support`](Self::support) accepted.
    ///
    /// # Errors
    /// DataFusion rewrites filters also after they were accepted. Returns an error if one has a form now that isn't
    /// supported, and if DataFusion may not check it.
    pub(crate) fn select(&self, filters: &[Expr]) -> Result<Selection> {
        let mut selection = Selection { parameters: Vec::new(), nothing: false, exact: true };
        let mut pseudo: BTreeMap<usize, Values> = BTreeMap::new();
        let mut fields: BTreeMap<usize, FieldSelection> = BTreeMap::new();
        for filter in filters.iter().flat_map(split_conjunction) {
            if predicate::is_never_true(filter) {
                selection.nothing = true;
                continue;
            }
            if predicate::is_always_true(filter) {
                continue;
            }
            let Some((column, predicate, support)) = self.classify(filter) else {
                let pseudo_column = self.inexpressible_column(&[filter]);
                if self.trusted || pseudo_column.is_some() {
                    // The filter isn't shown: its values may be confidential.
                    let names: BTreeSet<&str> =
                        filter.column_refs().iter().map(|column| column.name()).collect();
                    return internal_err!(
                        "a filter of the columns {names:?} was rewritten to an unsupported form"
                    );
                }
                selection.exact = false;
                continue;
            };
            selection.exact &= support != Support::Inexact;
            match (column, predicate) {
                (Column::Pseudo(index), Predicate::OneOf(values)) => {
                    let all = pseudo.entry(index).or_insert_with(|| values.clone());
                    all.retain(|value| values.contains(value));
                    selection.nothing |= all.is_empty();
                }
                (Column::Field(index), predicate) => {
                    let field = fields.entry(index).or_default();
                    field.must_send |= support == Support::Exact;
                    field.add(predicate);
                }
                (Column::Pseudo(_), Predicate::Within(_)) => {}
            }
        }
        for (index, values) in pseudo {
            let Some(column) = self.pseudo.get(index) else { continue };
            selection.parameters.extend(values.into_iter().map(|value| (column.wire.to_owned(), value)));
        }
        self.select_fields(fields, &mut selection);
        if selection.nothing {
            selection.parameters.clear();
        }
        Ok(selection)
    }

    fn select_fields(&self, selected: BTreeMap<usize, FieldSelection>, selection: &mut Selection) {
        let mut optional: Vec<Vec<(String, String)>> = Vec::new();
        for (index, filters) in selected {
            let Some(field) = self.fields.get(index) else { continue };
            for (side, bound) in [(Side::Lower, filters.range.lower), (Side::Upper, filters.range.upper)] {
                optional.extend(
                    bound.and_then(|bound| field.bound(side, bound)).map(|parameter| vec![parameter]),
                );
            }
            let Some(values) = filters.values else { continue };
            selection.nothing |= values.is_empty() || (self.trusted && field.presets_exclude(&values));
            if values.is_empty() || field.presets_imply(&values) {
                continue;
            }
            let parameters = field.one_of(&values).unwrap_or_default();
            match filters.must_send {
                true => selection.parameters.extend(parameters),
                false => optional.push(parameters),
            }
        }
        let size = |parameters: &[(String, String)]| -> usize {
            parameters.iter().map(|(_, value)| value.len() + 1).sum::<usize>().saturating_sub(1)
        };
        optional.sort_by_key(|parameters| size(parameters));
        let mut rest = MAX_BYTES.saturating_sub(size(&selection.parameters));
        for parameters in optional {
            // The others are wider.
            let Some(less) = rest.checked_sub(size(&parameters)) else { break };
            rest = less;
            selection.parameters.extend(parameters);
        }
    }

    /// Returns the first column without a field that a filter names in another form than `=` with one value, which the request
    /// can't express. Such a filter sees a null.
    pub(crate) fn inexpressible_column(&self, filters: &[&Expr]) -> Option<&'static str> {
        let rejected = filters.iter().filter(|filter| self.classify(filter).is_none());
        let mut names = rejected.flat_map(|filter| filter.column_refs()).map(|column| column.name.as_str());
        names.find_map(|name| match self.columns.get(name)? {
            Column::Pseudo(index) => {
                self.pseudo.get(*index).filter(|column| !column.is_preset()).map(|column| column.name)
            }
            Column::Field(_) => None,
        })
    }

    fn kind_of(&self, column: &str) -> Option<ValueKind> {
        match self.columns.get(column)? {
            Column::Field(index) => self.fields.get(*index).map(|field| field.kind),
            Column::Pseudo(index) => self.pseudo.get(*index).map(|column| column.kind),
        }
    }

    /// Returns what a filter demands of its column, and how far a request applies it; `None` if it can't be sent.
    fn classify(&self, filter: &Expr) -> Option<(Column, Predicate, Support)> {
        let (name, predicate) = predicate::parse(filter, &|column| self.kind_of(column))?;
        let column = *self.columns.get(name)?;
        let support = match (column, &predicate) {
            (Column::Pseudo(index), Predicate::OneOf(values)) => {
                self.pseudo.get(index)?.is_sendable(values).then_some(Support::Exact)?
            }
            (Column::Pseudo(_), Predicate::Within(_)) => return None,
            (Column::Field(index), Predicate::OneOf(values)) => {
                self.equality_support(self.fields.get(index)?, values)?
            }
            (Column::Field(index), Predicate::Within(range)) => {
                let field = self.fields.get(index)?;
                let bound = |side, bound: Option<Bound>| bound.and_then(|bound| field.bound(side, bound));
                bound(Side::Lower, range.lower).or_else(|| bound(Side::Upper, range.upper))?;
                Support::Inexact
            }
        };
        Some((column, predicate, support))
    }

    fn equality_support(&self, field: &FieldParameters, values: &Values) -> Option<Support> {
        if !field.is_sendable(values) {
            return None;
        }
        if self.trusted && (field.presets_imply(values) || field.presets_exclude(values)) {
            return Some(Support::Decided);
        }
        field.one_of(values)?;
        match self.trusted && limits::size(values) <= field.max_exact_bytes {
            true => Some(Support::Exact),
            false => Some(Support::Inexact),
        }
    }
}

impl FieldSelection {
    fn add(&mut self, predicate: Predicate) {
        match predicate {
            Predicate::OneOf(values) => {
                let all = self.values.get_or_insert_with(|| values.clone());
                all.retain(|value| values.contains(value));
            }
            Predicate::Within(range) => {
                self.range.lower = Bound::tighter(self.range.lower, range.lower, Side::Lower);
                self.range.upper = Bound::tighter(self.range.upper, range.upper, Side::Upper);
            }
        }
    }
}

impl fmt::Debug for Filters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut columns: Vec<&str> = self.columns.keys().copied().collect();
        columns.sort_unstable();
        f.debug_struct("Filters")
            .field("trusted", &self.trusted)
            .field("columns", &columns)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parameters: Vec<&str> = self.parameters.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Selection")
            .field("parameters", &parameters)
            .field("nothing", &self.nothing)
            .field("exact", &self.exact)
            .finish()
    }
}
