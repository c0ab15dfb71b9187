//! Calls awaited outside a tokio runtime. They return an error that names the requirement, and don't panic.

use std::future::{Future, IntoFuture};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use synapse_backend_client::bytes::Bytes;
use synapse_backend_client::reqwest::Method;
use synapse_backend_client::types::Model;
use synapse_backend_client::{BackendClient, Error, ErrorKind, Json, ModelFile, UrlConverter};
use tokio::runtime::Runtime;
use wiremock::{Mock, MockServer, ResponseTemplate};

const MODEL: &str = r#"{"id": 1, "name": "n", "model_type": "x"}"#;
const PAGE: &str = r#"{"count": 1, "next": null, "results": [{"id": 1, "name": "n", "model_type": "x"}]}"#;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// A minimal executor without tokio.
fn block_on<F: IntoFuture>(future: F) -> F::Output {
    let mut future = pin!(future.into_future());
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

fn assert_needs_runtime<T>(what: &str, outcome: Result<T, Error>) {
    let Err(error) = outcome else { panic!("{what}: it succeeds") };
    assert_eq!(error.kind(), ErrorKind::Configuration, "{what}: {error:?}");
    let text = error.to_string();
    assert!(text.contains("no tokio runtime") && text.contains("#[tokio::main]"), "{what}: {text}");
}

/// Returns a server that sends this body to every request, and its separate runtime.
fn serving(body: &'static str) -> (Runtime, MockServer) {
    starting(ResponseTemplate::new(200).set_body_raw(body, "application/json"))
}

/// Like [`serving`], but the server sends no response while a test runs.
fn silent() -> (Runtime, MockServer) {
    starting(ResponseTemplate::new(200).set_delay(Duration::from_secs(3_600)))
}

fn starting(response: ResponseTemplate) -> (Runtime, MockServer) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = runtime.block_on(async {
        let server = MockServer::start().await;
        Mock::given(wiremock::matchers::any()).respond_with(response).mount(&server).await;
        server
    });
    (runtime, server)
}

fn client(server: &MockServer) -> BackendClient {
    BackendClient::builder(server.uri()).access_token("t").build().unwrap()
}

#[test]
fn every_entry_point_needs_a_runtime() {
    let (runtime, server) = serving(MODEL);
    let client = client(&server);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.pt");
    std::fs::write(&file, "12345").unwrap();
    let target = folder.path().join("target");

    assert_needs_runtime("a call", block_on(client.get_model(1)));
    assert_needs_runtime("send_as", block_on(client.get_model(1).send_as::<Json>()));
    assert_needs_runtime("call", block_on(client.call(|raw| raw.list_models())));
    assert_needs_runtime("request", block_on(client.request(Method::GET, "/x/")));
    let create = |file: ModelFile| client.create_model(file, |m| m.name("n").model_type("x").project(1));
    assert_needs_runtime("create_model of a path", block_on(create(ModelFile::from(file.clone()))));
    assert_needs_runtime(
        "create_model of bytes",
        block_on(create(ModelFile::from(Bytes::from_static(b"1")))),
    );
    assert_needs_runtime("create_model of an upload", block_on(create(ModelFile::uploaded(7))));
    assert_needs_runtime("upload", block_on(client.create_chunked_upload(file.clone())));
    assert_needs_runtime("upload_all", block_on(client.upload_all([file.clone(), file])));
    assert_needs_runtime("upload_all of nothing", block_on(client.upload_all([""; 0])));
    assert_needs_runtime("download", block_on(client.download("/media/1").to(&target)));
    assert_needs_runtime("download of a data URI", block_on(client.download("data:,x").to(&target)));
    assert_needs_runtime("download_all", block_on(client.download_all([("/media/1", &target)])));
    assert_needs_runtime("a stream", block_on(client.upload_all(["x"]).stream().next()).unwrap().1);
    assert_needs_runtime("partitions", block_on(client.list_models().list_all().partitions(2)));
    assert_needs_runtime("list_all", block_on(client.list_models().list_all().stream().next()).unwrap());
    assert_needs_runtime(
        "list_all_as",
        block_on(client.list_models().list_all_as::<Json>().try_collect::<Vec<_>>()),
    );
    assert_needs_runtime(
        "list_all_raw",
        block_on(client.list_models().list_all_raw().try_collect::<Vec<_>>()),
    );
    assert_needs_runtime("pages", block_on(client.list_models().list_all().pages().next()).unwrap());
    let converter = client.download_to(folder.path().join("cache"));
    let converted =
        block_on(converter.convert("/media/1")).map_err(|error| *error.downcast::<Error>().unwrap());
    assert_needs_runtime("download_to", converted);
    assert!(!target.exists());
    assert_eq!(runtime.block_on(server.received_requests()).unwrap().len(), 0);
}

#[test]
fn client_built_outside_runtime_works() {
    let (runtime, server) = serving(MODEL);
    let client = client(&server);
    assert_needs_runtime("outside", block_on(client.get_model(1)));
    assert_eq!(runtime.block_on(client.get_model(1).into_future()).unwrap().id, 1);
    // Within a runtime's context, any executor works.
    let entered = runtime.enter();
    assert_eq!(block_on(client.get_model(1)).unwrap().id, 1);
    drop(entered);
    assert_needs_runtime("outside again", block_on(client.get_model(1)));
    // Another runtime works too.
    let other = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    assert_eq!(other.block_on(client.get_model(1).into_future()).unwrap().id, 1);
}

#[test]
fn future_polled_outside_runtime_fails() {
    let (runtime, server) = silent();
    let client = client(&server);
    let mut call = Box::pin(client.get_model(1).send());
    let polled = runtime
        .block_on(async { std::future::poll_fn(|context| Poll::Ready(call.as_mut().poll(context))).await });
    assert!(polled.is_pending(), "{polled:?}");
    assert_needs_runtime("moved out", block_on(call));
    let partitions = client.list_models().list_all().partitions(2);
    let mut partitions = Box::pin(partitions);
    let polled = runtime.block_on(async {
        std::future::poll_fn(|context| Poll::Ready(partitions.as_mut().poll(context))).await
    });
    assert!(polled.is_pending(), "{polled:?}");
    assert_needs_runtime("partitions moved out", block_on(partitions));
}

#[test]
fn list_started_in_runtime_ends_outside() {
    let (runtime, server) = serving(PAGE);
    let client = client(&server);
    let mut models = client.list_models().list_all().stream();
    let first: Model = runtime.block_on(models.next()).unwrap().unwrap();
    assert_eq!(first.id, 1);
    assert!(block_on(models.next()).is_none());
}

#[test]
fn drop_outside_runtime_does_not_panic() {
    let (runtime, server) = silent();
    let client = client(&server);
    let mut call = Box::pin(client.list_models().send());
    let mut upload = Box::pin(client.create_chunked_upload(Bytes::from_static(b"1")).send());
    let mut all = Box::pin(client.upload_all([Bytes::from_static(b"1")]).send());
    let mut list = client.list_models().list_all().stream();
    let mut next = Box::pin(list.next());
    runtime.block_on(std::future::poll_fn(|context| {
        assert!(call.as_mut().poll(context).is_pending());
        assert!(upload.as_mut().poll(context).is_pending());
        assert!(all.as_mut().poll(context).is_pending());
        assert!(next.as_mut().poll(context).is_pending());
        Poll::Ready(())
    }));
    drop((call, upload, all, next));
    drop((list, client, server));
    drop(runtime);
}
