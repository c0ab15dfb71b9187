//! Queries of a table that sends its filters return the rows of a table that doesn't.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use datafusion::arrow::array::{AsArray as _, RecordBatch};
use datafusion::arrow::datatypes::{Int64Type, SchemaRef};
use datafusion::catalog::memory::MemorySourceConfig;
use datafusion::catalog::{MemTable, Session, TableProvider};
use datafusion::common::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionContext;
use proptest::prelude::*;

use super::model::{Item, Server, batch, items};
use super::{Filters, OPERATION, owned};

#[derive(Debug)]
struct Table {
    filters: Filters,
    server: Server,
    items: Vec<Item>,
    preset: Vec<(String, String)>,
    /// The parameters of the last scan, without the preset ones.
    sent: Mutex<Vec<(String, String)>>,
}

impl Table {
    fn new(server: Server, trusted: bool, items: &[Item], preset: &[(&str, &str)]) -> Table {
        let preset = owned(preset);
        let filters = Filters::new(&OPERATION, &preset, trusted);
        Table { filters, server, items: items.to_vec(), preset, sent: Mutex::default() }
    }
}

#[async_trait]
impl TableProvider for Table {
    fn schema(&self) -> SchemaRef {
        batch(&[]).schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(self.filters.support(filters))
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let selection = self.filters.select(filters)?;
        self.sent.lock().unwrap().clone_from(&selection.parameters);
        let parameters = [self.preset.clone(), selection.parameters].concat();
        let items = if selection.nothing { Vec::new() } else { self.server.list(&self.items, &parameters) };
        let rows = [vec![batch(&items)]];
        Ok(MemorySourceConfig::try_new_exec(&rows, self.schema(), projection.cloned())?)
    }
}

async fn ids(table: Arc<dyn TableProvider>, filter: &str) -> Vec<i64> {
    let context = SessionContext::new();
    context.register_table("things", table).unwrap();
    let query = format!("SELECT id FROM things WHERE {filter} ORDER BY id");
    let batches = context.sql(&query).await.unwrap().collect().await.unwrap();
    batches
        .iter()
        .flat_map(|batch: &RecordBatch| batch.column(0).as_primitive::<Int64Type>().values().to_vec())
        .collect()
}

fn all_rows(items: &[Item]) -> Arc<dyn TableProvider> {
    let rows = batch(items);
    Arc::new(MemTable::try_new(rows.schema(), vec![vec![rows]]).unwrap())
}

fn term() -> impl Strategy<Value = String> {
    let integer = prop::sample::select(vec!["0", "1", "2", "3", "'2'", "NULL", "1.0"]);
    let integers = (integer.clone(), integer.clone(), integer.clone());
    let column = prop::sample::select(vec!["id", "project", "dataset_version"]);
    let of_integers = (column, integers, 0..13).prop_map(|(column, (a, b, c), form)| match form {
        0 | 1 => format!("{column} = {a}"),
        2 => format!("{a} = {column}"),
        3 => format!("{column} IN ({a}, {b})"),
        4 => format!("{column} IN ({a}, {b}, {c}, 7, 8)"),
        5 => format!("{column} NOT IN ({a}, {b}, {c}, 7, 8)"),
        12 => format!("(id = {a} OR {column} = {b})"),
        6 => format!("({column} = {a} OR ({column} = {b} OR {column} = {c}))"),
        7 => format!("{column} > {a}"),
        8 => format!("{column} BETWEEN {a} AND {b}"),
        9 => format!("CAST({column} AS BIGINT) = {a}"),
        10 => format!("CAST({column} AS VARCHAR) = {a}"),
        _ => format!("{column} <= {a}"),
    });
    let word = prop::sample::select(vec!["'a'", "'A'", "'b'", "' a'", "''", "'a,b'", "NULL"]);
    let column = prop::sample::select(vec!["status", "category", "name"]);
    let of_texts = (column, word.clone(), word, 0..6).prop_map(|(column, a, b, form)| match form {
        0 | 1 => format!("{column} = {a}"),
        2 => format!("{column} IN ({a}, {b}, 'b', 'c')"),
        3 => format!("({a} = {column} OR {column} = {b})"),
        4 => format!("{column} > {a}"),
        _ => format!("{column} <> {a}"),
    });
    let of_others = prop::sample::select(vec![
        "is_active",
        "NOT is_active",
        "is_active IS NOT TRUE",
        "is_active = false",
        "is_active IS NULL",
        "id = project",
        "score = 0.1",
        "score = 0",
        "score >= 0.1",
        "score < 0.5",
        "score > -0.0",
        "score IN (0.5, 3)",
    ])
    .prop_map(str::to_owned);
    let time = (prop::sample::select(vec!["=", ">", ">=", "<", "<="]), 0..30_u32, any::<bool>());
    let of_times = time.prop_map(|(operator, tenths, zone)| {
        let time =
            format!("1970-01-01T00:00:{:02}.{}{}", tenths / 10, tenths % 10, if zone { "Z" } else { "" });
        format!("created_at {operator} TIMESTAMP '{time}'")
    });
    prop_oneof![4 => of_integers, 3 => of_texts, 2 => of_others, 1 => of_times]
}

/// A filter of several terms, most of them joined by AND.
fn filter() -> impl Strategy<Value = String> {
    let tree = term().prop_recursive(2, 6, 2, |inner| {
        prop_oneof![
            2 => (inner.clone(), inner.clone()).prop_map(|(one, other)| format!("({one} OR {other})")),
            2 => (inner.clone(), inner.clone()).prop_map(|(one, other)| format!("({one} AND {other})")),
            1 => inner.prop_map(|one| format!("NOT ({one})")),
        ]
    });
    prop::collection::vec(prop_oneof![1 => term(), 1 => tree], 1..4).prop_map(|terms| terms.join(" AND "))
}

const PRESETS: [&[(&str, &str)]; 6] = [
    &[],
    &[("project", "1")],
    &[("dataset_versions", "1"), ("dataset_versions", "2")],
    &[("status", "a")],
    &[("categories", "a"), ("categories", "b")],
    &[("id__in[]", "1"), ("id__in[]", "2"), ("id__in[]", "3"), ("is_active", "true")],
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn same_rows_as_without_pushdown(
        items in items(),
        filters in prop::collection::vec(filter(), 1..3),
        preset in prop::sample::select(PRESETS.to_vec()),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let servers =
            [(Server::AsSql, true), (Server::AsSql, false), (Server::IgnoresAll, false), (Server::IgnoresCase, false)];
        for filter in &filters {
            for (server, trusted) in servers {
                let expected = runtime.block_on(ids(all_rows(&server.list(&items, &owned(preset))), filter));
                let table = Arc::new(Table::new(server, trusted, &items, preset));
                let found = runtime.block_on(ids(table.clone(), filter));
                prop_assert_eq!(found, expected, "{} {:?} {} {:?}", filter, server, trusted, table.sent.lock().unwrap());
            }
        }
    }
}

/// Asserts which parameters a query sends once DataFusion has rewritten its filter.
#[track_caller]
fn assert_query_sends(filter: &str, parameters: &[(&str, &str)]) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let table = Arc::new(Table::new(Server::IgnoresAll, false, &[], &[]));
    runtime.block_on(ids(table.clone(), filter));
    let mut sent = table.sent.lock().unwrap().clone();
    sent.sort();
    assert_eq!(sent, owned(parameters), "{filter}");
}

#[test]
fn rewritten_integer_filters() {
    assert_query_sends("project = '5'", &[("project", "5")]);
    assert_query_sends("project = 5.0", &[]);
    assert_query_sends("id IN (2, 1)", &[("id__in[]", "1"), ("id__in[]", "2")]);
    assert_query_sends("id IN (1, 2, 3, 4) AND id IN (4, 5)", &[("id", "4")]);
    assert_query_sends("id = 1 OR project = 2", &[]);
    assert_query_sends("CAST(id AS BIGINT) = 1 AND 1 = project", &[("id", "1"), ("project", "1")]);
    assert_query_sends("CAST(id AS INT) = 1", &[("id", "1")]);
    assert_query_sends("id BETWEEN 2 AND 4", &[("id__gt", "1"), ("id__lte", "4")]);
}

#[test]
fn rewritten_filters_of_other_kinds() {
    assert_query_sends("is_active = true AND status = 'a'", &[("is_active", "true"), ("status", "a")]);
    assert_query_sends("is_active <> true", &[("is_active", "false")]);
    assert_query_sends("name IN ('x', 'y')", &[("name__in", "x,y")]);
    assert_query_sends("score >= 1", &[("score__gte", "1")]);
    let after = [("created_after", "2024-01-01T23:59:59Z")];
    assert_query_sends("created_at >= '2024-01-02'", &after);
    assert_query_sends("created_at > TIMESTAMP '2024-01-02T09:00:00+09:00'", &after);
    assert_query_sends("created_at > DATE '2024-01-02'", &after);
    assert_query_sends("created_at > to_timestamp('2024-01-02T00:00:00Z')", &after);
}
