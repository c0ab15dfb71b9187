//! The API as a user writes it. Every line compiles, and the main ones run on the embedded backend.

use std::time::{Duration, SystemTime};

use crate::support::backend::backend;
use futures_util::{Stream, StreamExt};
use serde::Deserialize;
use synapse_backend_client::reqwest::{Method, StatusCode};
use synapse_backend_client::types::{GroundTruthEvent, Model};
use synapse_backend_client::{BackendClient, Error, Json, ListAll, ModelFile, UploadPhase, json};
use synapse_test_backend::Backend;

#[derive(Debug, Deserialize)]
#[allow(dead_code, reason = "only decoded")]
struct MyEvent {
    id: i64,
}

#[allow(dead_code, reason = "that it compiles is the test")]
async fn every_line_compiles(token: String, bar: &'static Bar) -> Result<(), Error> {
    let client =
        BackendClient::builder("https://api.synapse.sh").access_token(token).tenant("acme").build()?;
    let _ = BackendClient::from_env();

    let page =
        client.list_models().params(|p| p.project(123).model_type("detection").is_active(true)).await?;
    for model in &page.results {
        println!("{} {}", model.id, model.name);
    }
    println!("{:?}", page.count);

    let model = client.get_model(456).params(|p| p.expand(["metrics", "versions"])).await?;
    println!("{}", model.metrics["accuracy"]);
    let model =
        client.get_model(456).url_conversion("file", |url| format!("https://cdn.example.com{url}")).await?;
    let _: Model = model;

    let model = client
        .create_model("/data/model.pt", |m| {
            m.name("Object Detection Model v2")
                .description("x")
                .model_type("detection")
                .project(123)
                .metrics(json!({"accuracy": 0.92}))
                .configuration(json!({"input_size": [640, 640]}))
        })
        .on_progress(|p| bar.set_position(p.bytes_sent))
        .await?;
    let _: Model = model;
    let _ = client.create_model(ModelFile::uploaded(7), |m| m);
    let _ = client.create_model(vec![1_u8], |m| m.metrics(serde_json::json!({"accuracy": 0.92})));
    let _ = client.create_model(std::path::Path::new("/data/model.pt"), |m| m);

    let month_ago = SystemTime::now() - Duration::from_secs(30 * 24 * 3600);
    let mut events = client
        .list_ground_truth_events()
        .params(|p| p.ground_truth_dataset_versions([123]).created_after(month_ago))
        .list_all()
        .concurrency(8)
        .stream();
    while let Some(event) = events.next().await {
        let event = event?;
        println!("{}", event.id);
    }
    let events: Vec<GroundTruthEvent> = client.list_ground_truth_events().list_all().try_collect().await?;
    drop(events);
    let mine: Vec<MyEvent> = client.list_ground_truth_events().list_all_as::<MyEvent>().try_collect().await?;
    drop(mine);

    let version = client.get_ground_truth_version(123).await?;
    println!("{}", version.ground_truth_dataset["name"]);

    match client.get_model(999).await {
        Err(e) if e.is_not_found() => {}
        Err(e) if e.status() == Some(StatusCode::BAD_REQUEST) => eprintln!("{:?}", e.response()),
        other => drop(other?),
    }
    let _ = client
        .call(|raw| raw.get_chunked_upload("a"))
        .timeout(Duration::from_secs(1))
        .header("x-a", "b")
        .await;
    let _: Json = client.get_model(1).param("name", "value").send_as::<Json>().await?;
    let _ = client.get_model(1).request()?;
    Ok(())
}

#[allow(dead_code)]
struct Bar;

#[allow(dead_code)]
impl Bar {
    fn set_position(&self, _: u64) {}
}

fn is_send_and_static<T: Send + 'static>(_: &T) {}
fn is_a_shared_handle<T: Clone + Send + Sync + 'static>(_: &T) {}
fn is_an_unpin_stream<T: Stream + Unpin + Send + 'static>(_: &T) {}

#[derive(Deserialize)]
#[allow(dead_code, reason = "only decoded")]
struct NotClone {
    id: i64,
}

fn client(backend: &Backend) -> BackendClient {
    BackendClient::builder(backend.url()).access_token(backend.token()).build().unwrap()
}

#[tokio::test]
async fn clients_shared_and_futures_spawned() {
    let backend = backend().models(3).ground_truth_events(250).start().await.unwrap();
    let client = client(&backend);
    is_a_shared_handle(&client);
    let sending = client.get_model(Backend::FIRST_MODEL).send();
    is_send_and_static(&sending);
    let events: ListAll<GroundTruthEvent> = client.list_ground_truth_events().list_all();
    let events = events.stream();
    is_an_unpin_stream(&events);
    let creating = client
        .create_model(vec![0; 10], |m| m.name("x").model_type("detection").project(Backend::FIRST_PROJECT))
        .send();
    is_send_and_static(&creating);
    is_send_and_static(&client.list_ground_truth_events().list_all().partitions(2));
    // Calls and lists own the client.
    let call = client.clone().list_ground_truth_events();
    is_send_and_static(&call);
    is_send_and_static(&call.clone().into_future());
    is_send_and_static(&call.clone().send_as::<Json>());
    let own = call.list_all_as::<NotClone>();
    is_a_shared_handle(&own);
    is_send_and_static(&own.clone().try_collect::<Vec<_>>());
    is_send_and_static(&own.clone().partitions(2));
    is_an_unpin_stream(&own.clone().pages());
    is_an_unpin_stream(&own.clone().stream());
    let mut stream = own.stream();
    is_send_and_static(&async move { stream.next().await });
    let custom = client.clone().request(Method::GET, "/tags/");
    is_send_and_static(&custom);
    is_a_shared_handle(&custom.list_all());
    let (model, events, created) = tokio::join!(
        tokio::spawn(sending),
        tokio::spawn(events.map(|event| event.unwrap().id).collect::<Vec<_>>()),
        tokio::spawn(creating)
    );
    assert_eq!(model.unwrap().unwrap().id, Backend::FIRST_MODEL);
    assert_eq!(events.unwrap().len(), 250);
    assert_eq!(created.unwrap().unwrap().name, "x");
}

#[tokio::test]
async fn create_model_end_to_end() {
    let backend = backend().models(20).ground_truth_events(1_000).start().await.unwrap();
    let client = client(&backend);
    let file: Vec<u8> = (0..3_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("모델 v2.pt");
    std::fs::write(&path, &file).unwrap();

    let (sender, progress) = std::sync::mpsc::channel();
    let created = client
        .create_model(&path, |m| {
            m.name("모델 v2")
                .model_type("detection")
                .project(Backend::FIRST_PROJECT)
                .metrics(json!({"accuracy": 0.92}))
        })
        .chunk_size(1 << 20)
        .on_progress(move |p| sender.send(p).unwrap())
        .await
        .unwrap();
    assert_eq!(created.metrics.text(), r#"{"accuracy":0.92}"#);

    let progress: Vec<_> = progress.iter().collect();
    assert!(progress.windows(2).all(|pair| pair[0].bytes_sent <= pair[1].bytes_sent));
    let last = progress.last().unwrap();
    assert_eq!(
        (last.bytes_sent, last.bytes_total, last.phase),
        (3_000_000, 3_000_000, UploadPhase::Complete)
    );

    let upload = &backend.upload_ids()[0];
    assert_eq!(std::fs::read(backend.uploaded_file(upload).unwrap()).unwrap(), file);
    let ranges: Vec<_> =
        backend.accepted_ranges(upload).into_iter().map(|range| (range.start, range.end)).collect();
    assert_eq!(ranges, [(0, 1 << 20), (1 << 20, 2 << 20), (2 << 20, 3_000_000)]);
    assert_eq!(backend.completions(upload), 1);

    let got = client.get_model(created.id).await.unwrap();
    assert_eq!(
        (got.name.as_str(), got.model_type.as_str(), got.project.id()),
        ("모델 v2", "detection", Some(Backend::FIRST_PROJECT))
    );
    let uploaded = backend.file_bytes(got.file.as_ref().unwrap()).unwrap();
    assert_eq!(uploaded, file);
}
