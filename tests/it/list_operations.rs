//! The list operations of the document, as data, and lists that are chosen at run time.

use std::collections::BTreeMap;

use crate::support::marker::Failure;
use crate::support::server;
use synapse_backend_client::raw::LISTS;
use synapse_backend_client::{BackendClient, ErrorKind, ListOperation, Place, ValueKind};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer};

fn operation(id: &str) -> &'static ListOperation {
    LISTS.iter().find(|list| list.id() == id).unwrap()
}

async fn backend() -> (MockServer, BackendClient) {
    let server = server::start().await;
    let page =
        r#"{"count": 2, "next": null, "previous": null, "results": [{"id": 1, "x": 1.50}, {"id": 2}]}"#;
    Mock::given(any()).respond_with(server::json(200, page.to_owned())).mount(&server).await;
    let client = server::client_of(&server);
    (server, client)
}

#[test]
fn table_describes_each_list() {
    let paths: BTreeMap<&str, (&str, &str)> =
        LISTS.iter().map(|list| (list.id(), (list.path(), list.tag()))).collect();
    assert_eq!(paths["list_models"], ("/models/", "models"));
    assert_eq!(paths["list_ground_truth_events"], ("/sdk/ground_truth_events/", "ground-truth"));
    assert_eq!(paths.len(), 21);

    let models = operation("list_models");
    let parameter = |name: &str| models.parameters().iter().find(|parameter| parameter.wire == name).unwrap();
    assert_eq!((parameter("project").kind, parameter("project").repeated), (ValueKind::Integer, false));
    assert_eq!(
        (parameter("is_active").kind, parameter("is_active").place),
        (ValueKind::Boolean, Place::Query)
    );
    let field = |name: &str| {
        let field = models.fields().iter().find(|field| field.name == name).unwrap();
        (field.kind, field.nullable)
    };
    assert_eq!((field("id"), field("name")), ((ValueKind::Integer, false), (ValueKind::Text, false)));
    assert_eq!(
        (field("metrics"), field("created_at"), field("project"), field("model_type")),
        (
            (ValueKind::Json, true),
            (ValueKind::Time, true),
            (ValueKind::IdOrObject, true),
            (ValueKind::Text, false)
        )
    );
    assert_eq!(models.identity(), ["id"]);

    let events = operation("list_ground_truth_events");
    assert_eq!(
        (events.identity(), events.narrower().map(ListOperation::id).collect::<Vec<_>>()),
        (["pgh_id", "id"].as_slice(), vec!["list_ground_truth_events_data"])
    );
    let versions = events.parameters().iter().find(|p| p.wire == "ground_truth_dataset_versions").unwrap();
    assert_eq!((versions.kind, versions.repeated), (ValueKind::Integer, true));
    assert!(operation("list_ground_truth_events_data").identity().is_empty());
}

#[tokio::test]
async fn list_chosen_at_run_time_is_read() {
    let (server, client) = backend().await;
    let parameters =
        [("ground_truth_dataset_versions", "1"), ("ground_truth_dataset_versions", "2"), ("search", "a b")];
    let list = client.list(operation("list_ground_truth_events"), parameters);
    let mut stream = list.clone().stream();
    assert_eq!(stream.next().await.unwrap().unwrap().as_str(), r#"{"id": 1, "x": 1.50}"#);
    assert_eq!(stream.next().await.unwrap().unwrap().as_str(), r#"{"id": 2}"#);
    assert!(stream.next().await.is_none());
    assert_eq!(
        server::lines(&server).await,
        [
            "GET /sdk/ground_truth_events/?ground_truth_dataset_versions=1&ground_truth_dataset_versions=2&search=a+b"
        ]
    );
    let all: Vec<_> = list.try_collect().await.unwrap();
    assert_eq!(all.len(), 2);
}

#[tokio::test]
async fn unknown_or_second_value_is_refused() {
    let (server, client) = backend().await;
    let models = operation("list_models");
    for (parameters, message) in [
        (vec![("projekt", "1")], "list_models: `projekt`: the operation has no such parameter"),
        (vec![("project", "1"), ("project", "2")], "list_models: `project`: the parameter takes one value"),
    ] {
        let error = client.list(models, parameters).stream().next().await.unwrap().failure();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains(message), "{error}");
    }
    assert!(server::lines(&server).await.is_empty());
}

#[tokio::test]
async fn call_becomes_dynamic_list() {
    let (server, client) = backend().await;
    let events = client
        .list_ground_truth_events()
        .params(|p| p.ground_truth_dataset_versions([1]).search("a").page_size(5))
        .param("search", "b")
        .param("unknown", "c")
        .header("x-trace", "7");
    let events = events.into_dynamic().unwrap();
    let texts: BTreeMap<&str, Vec<String>> =
        events.operation().parameters().map(|(parameter, texts)| (parameter.wire, texts.to_vec())).collect();
    let expected = [("ground_truth_dataset_versions", "1"), ("page_size", "5"), ("search", "b")];
    assert_eq!(texts, expected.map(|(name, text)| (name, vec![text.to_owned()])).into());

    // A value is added to those that the call has; another operation has the same parameters.
    let more = events.clone().params(|list| list.parameter("ground_truth_dataset_versions", "2"));
    let narrower = events.operation().operation().narrower().next().unwrap();
    let data = more.clone().params(|list| list.with_operation(narrower).unwrap());
    for list in [more, data] {
        assert_eq!(list.list_all_raw().try_collect::<Vec<_>>().await.unwrap().len(), 2);
    }
    let query =
        "?ground_truth_dataset_versions=1&ground_truth_dataset_versions=2&page_size=5&search=b&unknown=c";
    let requests = server::requests(&server).await;
    let sent: Vec<_> = requests
        .iter()
        .map(|request| format!("{}?{}", request.url.path(), request.url.query().unwrap()))
        .collect();
    assert_eq!(
        sent,
        ["/sdk/ground_truth_events/", "/sdk/ground_truth_events/data/"].map(|path| format!("{path}{query}"))
    );
    assert!(requests.iter().all(|request| request.headers["x-trace"] == "7"));

    let twice = events.params(|list| list.parameter("search", "c"));
    let error = twice.list_all_raw().stream().next().await.unwrap().failure();
    assert!(error.to_string().contains("`search`: the parameter takes one value"), "{error}");
}

#[tokio::test]
async fn other_call_is_no_dynamic_list() {
    let client = BackendClient::builder("http://127.0.0.1:9").build().unwrap();
    let custom =
        client.request(synapse_backend_client::reqwest::Method::GET, "/tags/").into_dynamic().unwrap_err();
    assert_eq!(custom.kind(), ErrorKind::InvalidInput);
    let models = client.list_models().into_dynamic().unwrap();
    let agents = operation("list_agents");
    assert!(
        models
            .clone()
            .params(|list| list.parameter("model_type", "x"))
            .operation()
            .with_operation(agents)
            .is_none()
    );
    assert!(models.operation().with_operation(agents).is_some());
}

#[tokio::test]
async fn raw_item_names_its_page_and_range() {
    let (_server, client) = backend().await;
    let items: Vec<_> = client.list_models().list_all_raw().try_collect().await.unwrap();
    for item in &items {
        assert_eq!(&item.page()[item.range()], item.as_bytes());
        assert_eq!(item.page().as_ptr(), items[0].page().as_ptr());
    }
    assert_eq!(items[1].as_str(), r#"{"id": 2}"#);
}

#[test]
fn fields_have_words_aliases_and_secrets() {
    let field = |list: &str, name: &str| {
        operation(list).fields().iter().find(|field| field.name == name).copied().unwrap()
    };
    assert!(field("list_agents", "token").secret && !field("list_agents", "name").secret);
    assert!(field("list_models", "model_type").words.contains(&"detection"));
    assert!(field("list_models", "name").words.is_empty());
}
