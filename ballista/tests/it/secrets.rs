//! The token is shown nowhere.

use std::sync::Arc;

use ballista_core::extension::SessionConfigExt as _;
use datafusion::prelude::SessionConfig;
use datafusion_proto::logical_plan::AsLogicalPlan as _;
use datafusion_proto::physical_plan::AsExecutionPlan as _;
use datafusion_proto::protobuf::{LogicalPlanNode, PhysicalPlanNode};
use synapse_ballista::synapse_datafusion::EnvironmentConnections;
use synapse_ballista::{ListLogicalCodec, ListPhysicalCodec};
use synapse_test_backend::http::request::Parts;
use synapse_test_backend::{Backend, Fault};

use crate::support::{Cluster, EVENTS, query, rows};

const MARKER: &str = "hunter2hunter2";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn token_is_shown_nowhere() {
    let backend = Backend::builder().ground_truth_events(95).token(MARKER).start().await.unwrap();
    let cluster = Cluster::start_with(&backend, 2, &|_, command| {
        command.env("RUST_LOG", "trace,h2=info,hyper_util=info,tower=info");
    })
    .await;
    let session = cluster.session(4).await;
    let mut shown = vec![format!("{:?}", session.state().config().options())];
    shown.push(
        rows(&session, "EXPLAIN VERBOSE SELECT id FROM t WHERE category = 'train'").await.concat().join("\n"),
    );
    shown.push(rows(&session, "EXPLAIN ANALYZE SELECT sum(id) FROM t").await.concat().join("\n"));
    let plan = session.sql("SELECT id, data FROM t").await.unwrap().into_optimized_plan().unwrap();
    let codec = ListLogicalCodec::new(Arc::new(EnvironmentConnections::new()));
    let mut bytes = Vec::new();
    LogicalPlanNode::try_from_logical_plan(&plan, &codec).unwrap().try_encode(&mut bytes).unwrap();
    shown.push(format!("{plan:?} {}", String::from_utf8_lossy(&bytes)));
    backend.inject(
        Fault::response(403)
            .json(format!("{{\"detail\": \"no {MARKER}\"}}"))
            .on("GET", EVENTS)
            .when(|request: &Parts| request.uri.query().is_some_and(|query| query.contains("page=5")))
            .always(),
    );
    let error = query(&session, "SELECT sum(id) FROM t").await.unwrap_err();
    shown.push(format!("{error} {error:?} {error:#?}"));
    assert!(shown.last().unwrap().contains("403"));
    for process in cluster.executors.iter().chain([&cluster.scheduler]) {
        let log = process.log();
        assert!(
            log.contains("TRACE") && log.contains("list_ground_truth_events"),
            "{}",
            &log[..log.len().min(2000)]
        );
        shown.push(log);
    }
    for text in shown {
        let at = text.find(MARKER);
        assert!(at.is_none(), "{}", text.get(at.unwrap_or(0).saturating_sub(300)..).unwrap_or_default());
    }
}

/// A physical plan that has been made with a client, which has the token.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scan_bytes_have_no_token() {
    let backend = Backend::builder().ground_truth_events(95).token(MARKER).start().await.unwrap();
    let connections = Arc::new(crate::codec::OneClient::of(&backend));
    let table = synapse_ballista::synapse_datafusion::ListTable::named_with(
        connections.clone(),
        "default",
        "list_ground_truth_events",
    );
    let config = synapse_ballista::config_with(SessionConfig::new_with_ballista(), connections.clone());
    let session = datafusion::prelude::SessionContext::new_with_config(config);
    session.register_table("t", table.parameter("page_size", "10").build().unwrap()).unwrap();
    let plan = session.sql("SELECT id, data FROM t").await.unwrap().create_physical_plan().await.unwrap();
    let codec = ListPhysicalCodec::new(connections);
    let mut bytes = Vec::new();
    PhysicalPlanNode::try_from_physical_plan(plan, &codec).unwrap().try_encode(&mut bytes).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains("list_ground_truth_event") && !text.contains(MARKER), "{text}");
}
