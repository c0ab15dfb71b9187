//! Bytes of plans, as they come from others.

use std::sync::Arc;

use ballista_core::extension::SessionConfigExt as _;
use datafusion::arrow::array::{AsArray as _, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::{Result, TableReference, exec_err};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{Extension, LogicalPlan};
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion_proto::logical_plan::LogicalExtensionCodec;
use datafusion_proto::physical_plan::{
    AsExecutionPlan as _, DefaultPhysicalProtoConverter, PhysicalExtensionCodec,
    PhysicalProtoConverterExtension,
};
use datafusion_proto::protobuf::PhysicalPlanNode;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use synapse_backend_client::BackendClient;
use synapse_ballista::synapse_datafusion::{Connections, FetchExec, ListTable, TextColumns};
use synapse_ballista::{ListLogicalCodec, ListPhysicalCodec};
use synapse_test_backend::Backend;

use crate::support::EVENTS;

/// Connections with one client, `default`.
#[derive(Debug)]
pub struct OneClient(BackendClient);

impl OneClient {
    pub fn of(backend: &Backend) -> Self {
        OneClient(BackendClient::builder(backend.url()).access_token(backend.token()).build().unwrap())
    }
}

impl Connections for OneClient {
    fn client(&self, name: &str) -> Result<BackendClient> {
        match name {
            "default" => Ok(self.0.clone()),
            _ => exec_err!("connection `{name}` is missing"),
        }
    }
}

/// Connections that have no client: encoding asks for none.
#[derive(Debug)]
struct NoClient;

impl Connections for NoClient {
    fn client(&self, name: &str) -> Result<BackendClient> {
        exec_err!("connection `{name}` isn't there")
    }
}

fn table(connections: Arc<dyn Connections>) -> Arc<ListTable> {
    let table = ListTable::named_with(connections, "default", "list_ground_truth_events");
    table.parameter("page_size", "10").text_columns(TextColumns::Plain).build().unwrap()
}

async fn physical(backend: &Backend) -> Arc<dyn ExecutionPlan> {
    let session = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(3));
    session.register_table("t", table(Arc::new(OneClient::of(backend)))).unwrap();
    session.sql("SELECT id, data FROM t").await.unwrap().create_physical_plan().await.unwrap()
}

#[tokio::test]
async fn plan_survives_its_bytes() {
    let backend = Backend::builder().ground_truth_events(95).start().await.unwrap();
    let mut bytes = Vec::new();
    let encoding = ListPhysicalCodec::new(Arc::new(NoClient));
    let plan = PhysicalPlanNode::try_from_physical_plan(physical(&backend).await, &encoding).unwrap();
    plan.try_encode(&mut bytes).unwrap();
    let context = Arc::new(TaskContext::default());
    let node = PhysicalPlanNode::try_decode(&bytes).unwrap();
    // Read without a connection, it fails when it is executed.
    let plan = node.try_into_physical_plan(&context, &encoding).unwrap();
    let error = collect(plan, context.clone()).await.unwrap_err().to_string();
    assert!(error.contains("isn't there"), "{error}");
    let decoding = ListPhysicalCodec::new(Arc::new(OneClient::of(&backend)));
    let plan = node.try_into_physical_plan(&context, &decoding).unwrap();
    assert_eq!(plan.properties().partitioning.partition_count(), 3);
    let batches = collect(plan, context).await.unwrap();
    let ids: i64 =
        batches.iter().flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values()).sum();
    assert_eq!(ids, (1001..1096).sum::<i64>());
}

/// Returns the operator of a list in a plan.
fn fetch(plan: &Arc<dyn ExecutionPlan>) -> Option<Arc<dyn ExecutionPlan>> {
    match plan.downcast_ref::<FetchExec>() {
        Some(_) => Some(plan.clone()),
        None => plan.children().into_iter().find_map(fetch),
    }
}

/// Returns a scan of three parts as bytes, and the rows of its parts.
async fn scan(backend: &Backend, codec: &ListPhysicalCodec) -> (Vec<u8>, Vec<String>) {
    let scan = fetch(&physical(backend).await).unwrap();
    let parts = collect(scan.children()[0].clone(), Arc::new(TaskContext::default())).await.unwrap();
    let parts = parts.iter().flat_map(|batch| batch.column(0).as_string::<i32>().iter());
    let parts = parts.map(|part| part.unwrap().to_owned()).collect();
    let mut bytes = Vec::new();
    codec.try_encode(scan, &mut bytes, &DefaultPhysicalProtoConverter {}).unwrap();
    (bytes, parts)
}

/// Runs a scan of these parts.
async fn run(codec: &ListPhysicalCodec, scan: &[u8], parts: &[String]) -> Result<usize> {
    let schema = Arc::new(Schema::new(vec![Field::new("part", DataType::Utf8, false)]));
    let partition = |part: &String| {
        vec![
            RecordBatch::try_new(schema.clone(), vec![Arc::new(StringArray::from(vec![part.as_str()]))])
                .unwrap(),
        ]
    };
    let partitions: Vec<_> = parts.iter().map(partition).collect();
    let input: Arc<dyn ExecutionPlan> = MemorySourceConfig::try_new_exec(&partitions, schema.clone(), None)?;
    let context = Arc::new(TaskContext::default());
    let plan = codec.try_decode(scan, &[input], &context, &DefaultPhysicalProtoConverter {})?;
    Ok(collect(plan, context).await?.iter().map(RecordBatch::num_rows).sum())
}

/// Whoever can send plans can't have a token sent to a host of theirs.
#[tokio::test]
async fn part_of_other_host_is_refused() {
    let (backend, other) = (Backend::builder(), Backend::builder());
    let backend = backend.ground_truth_events(95).start().await.unwrap();
    let other = other.ground_truth_events(95).start().await.unwrap();
    let codec = ListPhysicalCodec::new(Arc::new(OneClient::of(&backend)));
    let (scan, parts) = scan(&backend, &codec).await;
    assert_eq!(run(&codec, &scan, &parts).await.unwrap(), 95);
    let host = other.url().strip_prefix("http://").unwrap().trim_end_matches('/').to_owned();
    for url in [format!("http://{host}{EVENTS}?page=2"), format!("//{host}{EVENTS}?page=2")] {
        let mut part: serde_json::Value = serde_json::from_str(&parts[0]).unwrap();
        assert!(part["checkpoint"]["at"]["page"].is_object(), "{part}");
        part["checkpoint"]["at"] = serde_json::json!({"link": {"url": url, "number": 1, "item": 0}});
        let error = run(&codec, &scan, &[part.to_string()]).await.unwrap_err().to_string();
        assert!(error.contains("checkpoint"), "{error}");
    }
    assert_eq!(other.requests().len(), 0);
}

/// Changed bytes of a scan or of its parts give rows or an error.
#[test]
fn changed_scan_never_panics() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let backend = runtime.block_on(Backend::builder().ground_truth_events(25).start()).unwrap();
    let codec = ListPhysicalCodec::new(Arc::new(OneClient::of(&backend)));
    let (scan, parts) = runtime.block_on(scan(&backend, &codec));
    let changes = (any::<bool>(), any::<prop::sample::Index>(), any::<u8>(), any::<bool>());
    let changed = TestRunner::default().run(&changes, |(of_scan, at, byte, cut)| {
        let (mut scan, mut part) = (scan.clone(), parts[0].clone().into_bytes());
        let bytes = if of_scan { &mut scan } else { &mut part };
        let at = at.index(bytes.len());
        match cut {
            true => bytes.truncate(at),
            false => bytes[at] = byte,
        }
        let part = String::from_utf8_lossy(&part).into_owned();
        let _ = runtime.block_on(run(&codec, &scan, &[part]));
        Ok(())
    });
    changed.unwrap();
}

/// A scan's parameters are as limited as a table's.
#[tokio::test]
async fn forged_parameters_are_refused() {
    let backend = Backend::builder().ground_truth_events(25).start().await.unwrap();
    let codec = ListPhysicalCodec::new(Arc::new(OneClient::of(&backend)));
    let (scan, parts) = scan(&backend, &codec).await;
    let scan = String::from_utf8_lossy(&scan).replacen("\"page_size\"", "\"page\"", 1);
    // The bytes before the text aren't Unicode.
    let scan = scan.replacen('\u{fffd}', "", 1).into_bytes();
    let error = run(&codec, &[b"\xff", scan.as_slice()].concat(), &parts).await.unwrap_err().to_string();
    assert!(error.contains("selects a page"), "{error}");
}

#[tokio::test]
async fn table_survives_its_bytes() {
    let codec = ListLogicalCodec::new(Arc::new(NoClient));
    let table = table(Arc::new(NoClient));
    let (name, mut bytes) = (TableReference::bare("t"), Vec::new());
    codec.try_encode_table_provider(&name, table.clone(), &mut bytes).unwrap();
    let schema = table.schema();
    let context = TaskContext::default();
    let read = codec.try_decode_table_provider(&bytes, &name, schema.clone(), &context).unwrap();
    assert_eq!(read.schema(), schema);
    let fewer = Arc::new(Schema::new(schema.fields()[1..].to_vec()));
    let error = codec.try_decode_table_provider(&bytes, &name, fewer, &context).unwrap_err();
    assert!(error.to_string().contains("other columns"), "{error}");
}

/// Codecs of a user's functions.
#[derive(Debug)]
struct OfUser;

impl LogicalExtensionCodec for OfUser {
    fn try_decode(&self, _: &[u8], _: &[LogicalPlan], _: &TaskContext) -> Result<Extension> {
        exec_err!("the user's node")
    }

    fn try_encode(&self, _: &Extension, _: &mut Vec<u8>) -> Result<()> {
        exec_err!("the user's node")
    }

    fn try_decode_table_provider(
        &self,
        _: &[u8],
        _: &TableReference,
        _: SchemaRef,
        _: &TaskContext,
    ) -> Result<Arc<dyn TableProvider>> {
        exec_err!("the user's table")
    }

    fn try_encode_table_provider(
        &self,
        _: &TableReference,
        _: Arc<dyn TableProvider>,
        _: &mut Vec<u8>,
    ) -> Result<()> {
        exec_err!("the user's table")
    }
}

impl PhysicalExtensionCodec for OfUser {
    fn try_decode(
        &self,
        _: &[u8],
        _: &[Arc<dyn ExecutionPlan>],
        _: &TaskContext,
        _: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        exec_err!("the user's operator")
    }

    fn try_encode(
        &self,
        _: Arc<dyn ExecutionPlan>,
        _: &mut Vec<u8>,
        _: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        exec_err!("the user's operator")
    }
}

#[tokio::test]
async fn codecs_of_settings_are_kept() {
    let config = SessionConfig::new_with_ballista()
        .with_ballista_logical_extension_codec(Arc::new(OfUser))
        .with_ballista_physical_extension_codec(Arc::new(OfUser));
    let config = synapse_ballista::config(config);
    let (context, name) = (TaskContext::default(), TableReference::bare("t"));
    let logical = config.ballista_logical_extension_codec();
    let table = logical.try_decode_table_provider(b"x", &name, Arc::new(Schema::empty()), &context);
    assert!(table.unwrap_err().to_string().contains("the user's table"));
    let physical = config.ballista_physical_extension_codec();
    let operator = physical.try_decode(b"x", &[], &context, &DefaultPhysicalProtoConverter {});
    assert!(operator.unwrap_err().to_string().contains("the user's operator"));
}

const PREFIXES: [&[u8]; 2] = [b"", b"\xffsynapse-datafusion/table\n"];

proptest! {
    /// Any bytes give an error, and never a panic.
    #[test]
    fn any_bytes_are_an_error(prefix in 0..2_usize, bytes in prop::collection::vec(any::<u8>(), 0..200), json in "\\PC{0,80}", is_json in any::<bool>()) {
        let mut text = PREFIXES[prefix].to_vec();
        text.extend(match is_json { true => json.as_bytes(), false => &bytes });
        let context = TaskContext::default();
        let logical = ListLogicalCodec::new(Arc::new(NoClient));
        let (name, schema) = (TableReference::bare("t"), Arc::new(Schema::empty()));
        prop_assert!(logical.try_decode_table_provider(&text, &name, schema, &context).is_err());
    }

    /// Changed bytes of a table give a table or an error.
    #[test]
    fn changed_table_never_panics(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let codec = ListLogicalCodec::new(Arc::new(NoClient));
        let table = table(Arc::new(NoClient));
        let (name, mut bytes) = (TableReference::bare("t"), Vec::new());
        codec.try_encode_table_provider(&name, table.clone(), &mut bytes).unwrap();
        let at = at.index(bytes.len());
        match cut {
            true => bytes.truncate(at),
            false => bytes[at] = byte,
        }
        let schema = table.schema();
        let _ = codec.try_decode_table_provider(&bytes, &name, schema, &TaskContext::default());
    }
}
