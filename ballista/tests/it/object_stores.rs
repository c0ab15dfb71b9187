//! Copies to an object store.

use synapse_test_backend::Backend;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::{Cluster, query, rows};

const SECRET: &str = "hunter2hunter2";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn executor_writes_to_a_bucket() {
    let store = MockServer::start().await;
    Mock::given(method("PUT"))
        .and(path("/exports/night/events.parquet"))
        .respond_with(ResponseTemplate::new(200).insert_header("ETag", "\"1\""))
        .expect(1)
        .mount(&store)
        .await;
    let backend = Backend::builder().ground_truth_events(95).start().await.unwrap();
    let cluster = Cluster::start_with(&backend, 1, &|name, command| {
        if name == "executor-0" {
            command
                .envs([("AWS_ENDPOINT", store.uri()), ("AWS_ALLOW_HTTP", "true".to_owned())])
                .envs([("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", SECRET)])
                .env("RUST_LOG", "trace,h2=info,hyper_util=info,tower=info");
        }
    })
    .await;
    let session = cluster.session(4).await;
    let copy = "COPY (SELECT id, data FROM t) TO 's3://exports/night/events.parquet' STORED AS PARQUET";
    assert_eq!(rows(&session, copy).await, [["95"]]);
    let requests = store.received_requests().await.unwrap();
    assert_eq!(requests.len(), 1);
    assert!(requests[0].body.starts_with(b"PAR1") && requests[0].body.ends_with(b"PAR1"));
    let authorization = requests[0].headers["authorization"].to_str().unwrap();
    assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=key/"), "{authorization}");
    assert!(!cluster.executors[0].log().contains(SECRET));
    let other = copy.replace("s3://exports", &store.uri());
    assert!(query(&session, &other).await.is_err());
    assert_eq!(store.received_requests().await.unwrap().len(), 1);
}
