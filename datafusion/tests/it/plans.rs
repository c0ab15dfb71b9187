//! Tables and operators as texts, for other processes.

use std::sync::Arc;

use datafusion::catalog::TableProvider as _;
use datafusion::common::Result;
use datafusion::physical_plan::{ExecutionPlan, collect};
use proptest::prelude::*;
use synapse_backend_client::BackendClient;
use synapse_datafusion::{Connections, FetchExec, ListTable};
use synapse_test_backend::Backend;

use crate::support::{plan, rows, session, session_of, started, texts};

const MARKER: &str = "hunter2hunter2";

/// One connection, `here`.
#[derive(Debug)]
struct Here(BackendClient);

impl Connections for Here {
    fn client(&self, name: &str) -> Result<BackendClient> {
        match name {
            "here" => Ok(self.0.clone()),
            other => datafusion::common::exec_err!("there is no connection {other:?}"),
        }
    }
}

async fn connected() -> (Backend, Arc<dyn Connections>) {
    let (backend, client) = started(Backend::builder().ground_truth_events(95).token(MARKER)).await;
    (backend, Arc::new(Here(client)))
}

fn events(connections: &Arc<dyn Connections>) -> synapse_datafusion::ListTableBuilder {
    ListTable::named_with(connections.clone(), "here", "list_ground_truth_events")
        .parameter("page_size", "10")
}

/// Returns the operator in a plan, and its input.
fn fetch(plan: &Arc<dyn ExecutionPlan>) -> Option<(String, Arc<dyn ExecutionPlan>)> {
    match plan.downcast_ref::<FetchExec>() {
        Some(fetch) => Some((fetch.to_text().unwrap(), fetch.children()[0].clone())),
        None => plan.children().into_iter().find_map(fetch),
    }
}

#[tokio::test]
async fn table_and_operator_are_sent_as_text() {
    let (backend, connections) = connected().await;
    let table = events(&connections).filter_columns(true).parts(4).build().unwrap();
    let text = table.to_text().unwrap();
    let sent = ListTable::from_text(text.as_bytes(), connections.clone()).unwrap();
    assert_eq!((sent.schema(), sent.to_text().unwrap()), (table.schema(), text.clone()));

    let session = session_of(sent, 2);
    let sql = "SELECT id, data, search FROM t WHERE search = '비'";
    let here = rows(&session, sql).await;
    assert!(!here.is_empty() && here.len() < 95);
    let physical = session.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
    let (operator, input) = fetch(&physical).unwrap();
    let other = FetchExec::from_text(operator.as_bytes(), input, connections.as_ref()).unwrap();
    let there = texts(&collect(other, session.task_ctx()).await.unwrap());
    assert_eq!(there.len(), here.len());
    for text in [text, operator] {
        assert!(
            !text.contains(MARKER) && !text.contains(backend.url()) && !text.contains("127.0.0.1"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn table_of_client_is_not_sent() {
    let (_backend, client) = started(Backend::builder()).await;
    let table =
        synapse_datafusion::ListTables::table(&client, |client| client.list_models()).build().unwrap();
    let error = table.to_text().unwrap_err().to_string();
    assert!(error.contains("list_models") && error.contains("ListTable::named"), "{error}");
}

#[tokio::test]
async fn unknown_connection_or_list_is_refused() {
    let (_backend, connections) = connected().await;
    let unknown =
        ListTable::named_with(connections.clone(), "here", "list_nothing").build().unwrap_err().to_string();
    assert!(unknown.contains("no list operation \"list_nothing\""), "{unknown}");
    let unnamed =
        ListTable::named_with(connections.clone(), "here", "list_models").parameter("projct", "1").build();
    assert!(unnamed.unwrap_err().to_string().contains("`projct`: the operation has no such parameter"));
    let page =
        ListTable::named_with(connections.clone(), "here", "list_models").parameter("page", "3").build();
    assert!(page.unwrap_err().to_string().contains("`page` selects a page"));
    let other_place = ListTable::named_with(connections.clone(), "there", "list_models").build().unwrap();
    let error =
        session_of(other_place, 1).sql("SELECT id FROM t").await.unwrap().collect().await.unwrap_err();
    assert!(error.to_string().contains("no connection \"there\""), "{error}");
}

#[tokio::test]
async fn other_base_url_is_refused() {
    let (backend, connections) = connected().await;
    let table = |url: &str| session_of(events(&connections).base_url(url).build().unwrap(), 1);
    let same = format!("{}/", backend.url());
    assert_eq!(rows(&table(&same), "SELECT count(*) FROM t").await, [["95"]]);
    let error =
        table("https://other.example").sql("SELECT id FROM t").await.unwrap().collect().await.unwrap_err();
    assert!(error.to_string().contains("its base URL in this process isn't the table's"), "{error}");
    let physical = table(&same).sql("SELECT id FROM t").await.unwrap().create_physical_plan().await.unwrap();
    let (operator, input) = fetch(&physical).unwrap();
    let other = operator.replace(backend.url(), "http://attacker.example");
    assert_ne!(operator, other);
    let other = FetchExec::from_text(other.as_bytes(), input, connections.as_ref()).unwrap();
    let error = collect(other, session(1).task_ctx()).await.unwrap_err().to_string();
    assert!(error.contains("base URL") && !error.contains(MARKER), "{error}");
}

#[tokio::test]
async fn operator_refuses_another_input() {
    let (_backend, connections) = connected().await;
    let session = session_of(events(&connections).build().unwrap(), 1);
    let physical = session.sql("SELECT id FROM t").await.unwrap().create_physical_plan().await.unwrap();
    let (operator, _) = fetch(&physical).unwrap();
    let error =
        FetchExec::from_text(operator.as_bytes(), physical, connections.as_ref()).unwrap_err().to_string();
    assert!(error.contains("not the list's parts"), "{error}");
}

#[tokio::test]
async fn environment_names_missing_variable() {
    let table = ListTable::named("no_such_place", "list_models").build().unwrap();
    let error =
        session_of(table, 1).sql("SELECT id FROM t").await.unwrap().collect().await.unwrap_err().to_string();
    assert!(error.contains("SYNAPSE_NO_SUCH_PLACE_BASE_URL isn't set"), "{error}");
    for name in ["", "a=b", "1", "Default", &"x".repeat(100)] {
        let table = ListTable::named(name, "list_models").build().unwrap();
        let error = session_of(table, 1).sql("SELECT id FROM t").await.unwrap().collect().await.unwrap_err();
        assert!(error.to_string().contains("connection: a name has"), "{error}");
    }
}

/// Operators of DataFusion above a list, compared with the same rows in memory.
#[tokio::test]
async fn queries_agree_with_rows_in_memory() {
    let (_backend, connections) = connected().await;
    let lists = session(3);
    lists.register_table("t", events(&connections).build().unwrap()).unwrap();
    let memory = session(3);
    let all = lists.sql("SELECT * FROM t").await.unwrap();
    let schema = Arc::new(all.schema().as_arrow().clone());
    let batches = all.collect().await.unwrap();
    let table = datafusion::datasource::MemTable::try_new(schema, vec![batches]).unwrap();
    memory.register_table("t", Arc::new(table)).unwrap();
    for sql in QUERIES {
        assert_eq!(rows(&lists, sql).await, rows(&memory, sql).await, "{sql}");
    }
    let plan = plan(&lists, QUERIES[0]).await;
    assert_eq!(plan.matches("FetchExec").count(), 2, "{plan}");
}

const QUERIES: [&str; 12] = [
    "SELECT a.id, b.data_unit FROM t a JOIN t b ON a.id = b.id ORDER BY a.id",
    "SELECT id FROM t WHERE category = 'train' UNION ALL SELECT id FROM t WHERE category = 'test' ORDER BY 1",
    "SELECT id, created_at FROM t ORDER BY created_at DESC, id LIMIT 7",
    "SELECT id, row_number() OVER (PARTITION BY category ORDER BY id) AS n FROM t ORDER BY id",
    "SELECT category, count(*), sum(id), min(created_at) FROM t GROUP BY category ORDER BY category",
    "SELECT DISTINCT category FROM t ORDER BY category",
    "SELECT count(*) FROM (SELECT id FROM t LIMIT 25)",
    "SELECT id FROM t WHERE id > (SELECT avg(id) FROM t) ORDER BY id",
    "SELECT category, count(*) AS n FROM t GROUP BY category HAVING count(*) > 10 ORDER BY category",
    "SELECT count(DISTINCT data_unit), count(data_unit), count(_extra) FROM t",
    "SELECT id, CASE WHEN id % 2 = 0 THEN 'even' ELSE category END AS kind FROM t ORDER BY id",
    "SELECT count(*) FROM t a LEFT JOIN t b ON a.id = b.id + 1 WHERE b.id IS NULL",
];

proptest! {
    /// Any bytes are an error, not a panic.
    #[test]
    fn odd_texts_are_errors(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0_usize..400, byte in any::<u8>()) {
        let connections: Arc<dyn Connections> =
            Arc::new(Here(BackendClient::builder("http://127.0.0.1:9").build().unwrap()));
        prop_assert!(ListTable::from_text(&bytes, connections.clone()).is_err());
        let table = events(&connections).build().unwrap();
        let mut text = table.to_text().unwrap().into_bytes();
        let at = at % text.len();
        text[at] = byte;
        let _ = ListTable::from_text(&text, connections.clone());
        let input = Arc::new(datafusion::physical_plan::empty::EmptyExec::new(table.schema()));
        prop_assert!(FetchExec::from_text(&text, input, connections.as_ref()).is_err());
    }
}
