//! [`ListTable`]: a list as a table.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{Result, Statistics, exec_err, internal_datafusion_err, plan_err};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use synapse_backend_client::{Call, DynamicList, ListOperation, Place};

use crate::columns::Columns;
use crate::errors;
use crate::fetch::FetchExec;
use crate::filters::{Filters, PseudoColumn, Selection};
use crate::options::TableOptions;
use crate::parts::{self, Part};
use crate::scan::{Output, Scan, schema_of};
use crate::source::Source;
use crate::split::SplitPart;

/// The page size that is requested if the call sets none. A server may send smaller pages.
const PAGE_SIZE: usize = 1000;

/// The query parameter of the page size.
const PAGE_SIZE_PARAMETER: &str = "page_size";

/// Query parameters that select the fields of items.
const FIELD_PARAMETERS: [&str; 2] = ["fields", "omit"];

/// A list operation as a table: its items are the rows.
///
/// A scan fetches the first page to plan, and keeps it. The list's count is the exact number of rows, so that `count(*)` is one
/// request. `EXPLAIN` shows the request and the parts.
pub struct ListTable {
    source: Source,
    options: TableOptions,
    /// The columns of items.
    columns: Columns,
    /// Columns of parameters, after those of items.
    pseudo: Vec<PseudoColumn>,
    filters: Filters,
    schema: SchemaRef,
    /// The server doesn't know the narrower list.
    no_narrower: AtomicBool,
}

/// Returns the columns of an operation's items.
pub(crate) fn columns_of(list: &DynamicList, operation: &ListOperation, options: &TableOptions) -> Columns {
    let whole_items = !list.parameters().any(|(parameter, _)| FIELD_PARAMETERS.contains(&parameter.wire));
    Columns::new(operation, options.text, whole_items, options.secret_columns)
}

impl ListTable {
    pub(crate) fn new(source: Source, options: TableOptions) -> Self {
        let list = source.list();
        let preset = list.parameters().flat_map(|(parameter, values)| {
            values.iter().map(|value| (parameter.wire.to_owned(), value.clone()))
        });
        let filters = Filters::new(list.operation(), &preset.collect::<Vec<_>>(), options.trusted);
        let columns = columns_of(list, list.operation(), &options);
        let decoded = columns.schema();
        let pseudo = if options.filter_columns { filters.pseudo_columns() } else { Vec::new() };
        let is_free = |column: &PseudoColumn| decoded.field_with_name(column.field.name()).is_err();
        let pseudo: Vec<PseudoColumn> = pseudo.into_iter().filter(is_free).collect();
        let fields = decoded.fields().iter().cloned().chain(pseudo.iter().map(|column| column.field.clone()));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<Arc<Field>>>()));
        ListTable { source, options, columns, pseudo, filters, schema, no_narrower: AtomicBool::new(false) }
    }

    /// Returns the list operation.
    pub fn operation(&self) -> &'static ListOperation {
        self.source.list().operation()
    }

    /// Returns the indices of the items' columns.
    pub(crate) fn item_columns(&self) -> Vec<usize> {
        (0..self.columns.schema().fields().len()).collect()
    }

    pub(crate) fn source(&self) -> &Source {
        &self.source
    }

    pub(crate) fn options(&self) -> &TableOptions {
        &self.options
    }

    /// Returns a table of some of the items.
    pub(crate) fn of_split(&self, part: SplitPart) -> ListTable {
        // Filters aren't sent, without which such columns have no value.
        let options = TableOptions { split: Some(part), filter_columns: false, ..self.options.clone() };
        ListTable::new(self.source.clone(), options)
    }

    /// Returns the number of items of a page that is requested; 1 if the list has no such parameter.
    pub(crate) fn page_size(&self) -> u64 {
        let list = self.source.list();
        let set = list.parameters().find(|(known, _)| known.wire == PAGE_SIZE_PARAMETER);
        let size = match set {
            Some((_, values)) => values.iter().find_map(|value| value.parse().ok()),
            None => has_page_size(list).then_some(PAGE_SIZE as u64),
        };
        size.unwrap_or(1).max(1)
    }

    /// Returns the scans of all items with these columns: that of the narrower list first, if there is one.
    ///
    /// # Errors
    /// Returns an error if the table has no such column.
    pub(crate) fn whole_scans(&self, projection: Option<&Vec<usize>>) -> Result<Vec<Scan>> {
        let (decoded, outputs) = self.outputs(projection, &self.filters.select(&[])?)?;
        let columns = self.columns.project(&decoded);
        let schema = schema_of(&columns, &outputs);
        let list = self.sized(self.source.call(self.options.deadline)?, None);
        let narrower = self.narrower_of(&list, &columns.schema());
        let scan = |(list, columns)| Scan {
            id: 0,
            list,
            name: self.source.name().cloned(),
            options: self.options.clone(),
            columns,
            outputs: outputs.clone(),
            schema: schema.clone(),
            limit: None,
            parts: 1,
        };
        Ok(narrower.into_iter().chain([(list, columns)]).map(scan).collect())
    }

    /// Returns the columns of a scan, and the item columns that they need.
    fn outputs(
        &self,
        projection: Option<&Vec<usize>>,
        selection: &Selection,
    ) -> Result<(Vec<usize>, Vec<Output>)> {
        let (mut decoded, mut outputs) = (Vec::new(), Vec::new());
        let items = self.columns.schema().fields().len();
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        for index in projection.unwrap_or(&all) {
            if *index < items {
                outputs.push(Output::Item(decoded.len()));
                decoded.push(*index);
            } else {
                let column = self.pseudo.get(index - items);
                let column =
                    column.ok_or_else(|| internal_datafusion_err!("the table has no column {index}"))?;
                let value = column.value(selection)?;
                if value.is_null() {
                    return plan_err!(
                        "{}: the column `{}` is a parameter of the request: it has a value only if `=` filters by it. Name the \
                         columns in place of `*`, or filter by `=` directly above the table",
                        self.operation().id(),
                        column.field.name()
                    );
                }
                outputs.push(Output::Parameter(column.field.clone(), value));
            }
        }
        Ok((decoded, outputs))
    }

    /// Returns the narrower list that has all columns, with its columns; `None` if the server doesn't know it.
    fn narrower(&self, list: &Call<DynamicList>, wanted: &SchemaRef) -> Option<(Call<DynamicList>, Columns)> {
        if self.no_narrower.load(Ordering::Relaxed) {
            return None;
        }
        self.narrower_of(list, wanted)
    }

    /// Returns the narrower list that has all columns, with its columns.
    fn narrower_of(
        &self,
        list: &Call<DynamicList>,
        wanted: &SchemaRef,
    ) -> Option<(Call<DynamicList>, Columns)> {
        if !self.options.narrow {
            return None;
        }
        self.operation().narrower().find_map(|operation| {
            let columns = columns_of(list.operation(), operation, &self.options);
            let schema = columns.schema();
            let indexes: Option<Vec<usize>> = wanted
                .fields()
                .iter()
                .map(|field| {
                    schema.index_of(field.name()).ok().filter(|index| schema.field(*index) == field.as_ref())
                })
                .collect();
            // Without columns any list would do, but only its own surely has the same items.
            let has_all = indexes.filter(|indexes| !indexes.is_empty())?;
            let is_extra = |field: &Arc<Field>| self.columns.is_extra(field.name());
            if wanted.fields().iter().any(is_extra) {
                return None;
            }
            let parameters = list.operation().with_operation(operation)?;
            Some((list.clone().params(|_| parameters), columns.project(&has_all)))
        })
    }

    fn sized(&self, list: Call<DynamicList>, limit: Option<usize>) -> Call<DynamicList> {
        let is_set = list.operation().parameters().any(|(known, _)| known.wire == PAGE_SIZE_PARAMETER);
        match has_page_size(list.operation()) && !is_set {
            true => {
                let size = limit.map_or(PAGE_SIZE, |limit| limit.clamp(1, PAGE_SIZE));
                list.params(|list| list.parameter(PAGE_SIZE_PARAMETER, size.to_string()))
            }
            false => list,
        }
    }
}

/// Returns whether a list's page size can be requested.
fn has_page_size(list: &DynamicList) -> bool {
    let mut parameters = list.operation().parameters().iter();
    parameters.any(|known| known.wire == PAGE_SIZE_PARAMETER && known.place == Place::Query)
}

fn length(range: &Range<u64>) -> u64 {
    range.end.saturating_sub(range.start)
}

/// Returns a random number.
fn random_id() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(std::time::SystemTime::now())
}

impl fmt::Debug for ListTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListTable")
            .field("source", &self.source)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl TableProvider for ListTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        match self.options.split {
            // The server's answer would have other ranges.
            Some(_) => Ok(vec![TableProviderFilterPushDown::Unsupported; filters.len()]),
            None => Ok(self.filters.support(filters)),
        }
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let selection = self.filters.select(filters)?;
        let (decoded, outputs) = self.outputs(projection, &selection)?;
        let columns = self.columns.project(&decoded);
        let schema = schema_of(&columns, &outputs);
        if selection.nothing || limit == Some(0) {
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        let range = match &self.options.split {
            Some(SplitPart::Items { range, .. }) => Some(range.clone()),
            Some(SplitPart::Counted) | None => None,
        };
        // Rows that DataFusion drops don't count.
        let limit = limit.filter(|_| selection.exact && range.is_none());
        let parameters = selection.parameters.iter();
        let list = parameters.fold(self.source.call(self.options.deadline)?, |list, (name, value)| {
            list.params(|list| list.parameter(name, value.as_str()))
        });
        let list = self.sized(list, limit);
        let parts = match limit {
            Some(_) => 1,
            None => {
                let target = session.config().target_partitions();
                let default = match &self.source {
                    // More parts would fetch more pages concurrently.
                    Source::Call(_) => target.min(self.options.concurrency),
                    // Several processes may read the parts.
                    Source::Named { .. } => target,
                };
                self.options.parts.unwrap_or(default).max(1)
            }
        };
        let most = range.as_ref().map(length).or(limit.map(|limit| limit as u64));
        let id = random_id();
        let scan = |list, columns| Scan {
            id,
            list,
            name: self.source.name().cloned(),
            options: self.options.clone(),
            columns,
            outputs: outputs.clone(),
            schema: schema.clone(),
            limit: most,
            parts,
        };
        let narrower = self.narrower(&list, &columns.schema());
        let mut candidates = narrower.into_iter().chain([(list, columns)]).peekable();
        let mut chosen = None;
        let mut is_older = false;
        while let Some((list, columns)) = candidates.next() {
            let scan = scan(list, columns);
            let planned = match range.clone().filter(|range| !range.is_empty()) {
                Some(range) => scan.whole().part_of_items(range).await.map(|part| vec![part]),
                None => scan.whole().partitions(parts).await,
            };
            match planned {
                Ok(planned) => chosen = Some((scan, planned)),
                Err(error) if error.is_not_found() && candidates.peek().is_some() => {
                    // Other parts may be those of the narrower list.
                    if range.is_some() {
                        return exec_err!(
                            "{}: a server has no such list: set `narrow(false)` before the list is split",
                            scan.operation()
                        );
                    }
                    is_older = true;
                    continue;
                }
                Err(error) => return Err(errors::of_client(error)),
            }
            break;
        }
        if is_older {
            self.no_narrower.store(true, Ordering::Relaxed);
        }
        let Some((mut scan, planned)) = chosen else { return exec_err!("the table has no list") };
        scan.parts = planned.len();
        let Some(first) = planned.first() else {
            return exec_err!("{}: the list has no parts", scan.operation());
        };
        let total = first.checkpoint().total();
        let mut statistics = Statistics::new_unknown(&schema);
        if let Some(part) = &self.options.split {
            part.check(scan.operation(), total)?;
        }
        if range.as_ref().is_some_and(Range::is_empty) {
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        if let Some(total) = total {
            let rows = usize::try_from(most.map_or(total, |most| total.min(most))).unwrap_or(usize::MAX);
            statistics.num_rows = match selection.exact && self.options.returns_count() {
                true => Precision::Exact(rows),
                false => Precision::Inexact(rows),
            };
        }
        let parts: Vec<Part> =
            planned.iter().enumerate().map(|(index, part)| Part::new(id, index, part)).collect();
        let input = parts::source(&parts)?;
        Ok(Arc::new(FetchExec::new(Arc::new(scan), input, Some(planned.into()), Arc::new(statistics))?))
    }
}
