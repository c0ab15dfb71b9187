//! Data collections, data units, and checksums of data files.

use std::time::Duration;

use synapse_backend_client::types::{
    DataCategory, DataUnitCreate, DataUnitFile, FileFunction, FileType, ProcessingStatus, TaskCreate,
};
use synapse_backend_client::{RetryPolicy, json};

use super::{Backend, Shapes, assert_free_form, assert_pages, assert_query, assert_shapes, json_of};
use crate::support::marker::Failure;

const PAGE: &str = r#"{"count": 0, "next": null, "previous": null, "results": []}"#;
const MD5: &str = "9e107d9d372bb6826bd81d3542a419d6";

const COLLECTION: Shapes<'_> = Shapes {
    full: r#"{
        "id": 12, "name": "거리", "description": "d", "category": "pcd", "category_display": "Point clouds",
        "meta": {"data_unit_meta_schema": {"type": "object"}}, "caution": "sensitive_content", "access_level": "public",
        "is_archived": true, "count_projects": 2, "tenant": 3, "project": 123,
        "file_specifications": [{
            "id": 31, "name": "image_1", "description": "d", "file_type": "image", "file_type_display": "Image",
            "configuration": {"a": 1.50}, "index": 2147483647, "is_required": true, "is_primary": true,
            "is_sequential": false, "function_type": "sub", "extensions": ["jpg", ".png"]
        }],
        "created": "2025-01-31T09:00:00Z", "created_at": "2025-01-31T09:00:00Z", "modified": "2025-01-31T09:00:00Z",
        "updated_at": "2025-01-31T09:00:00Z"
    }"#,
    related: &["tenant", "project"],
    open: &["category", "caution", "access_level"],
    ..Shapes::NONE
};

#[tokio::test]
async fn list_data_collections_sends_filters() {
    let backend = Backend::of(PAGE).await;
    backend.get(backend.client.list_data_collections(), "/data_collections/").await;
    assert_query!(backend, list_data_collections(), "/data_collections/", {
        category("image") => "category=image",
        page(2) => "page=2",
        page_size(10) => "page_size=10",
        search("city streets") => "search=city+streets",
    });
}

#[tokio::test]
async fn get_data_collection_expands_by_default() {
    let backend = Backend::of(r#"{"id": 12}"#).await;
    let client = &backend.client;
    backend.get(client.get_data_collection(12), "/data_collections/12/?expand=file_specifications").await;
    let call = client.get_data_collection(12).params(|p| p.expand(["project", "tenant"]));
    backend.get(call, "/data_collections/12/?expand=project&expand=tenant").await;
}

#[tokio::test]
async fn data_collection_reads_every_shape() {
    let backend = Backend::start().await;
    let client = &backend.client;
    let collection = assert_shapes(&backend, || client.get_data_collection(12), COLLECTION).await;
    assert_eq!((collection.id, collection.category.clone()), (12, Some(DataCategory::Pcd)));
    let specifications = collection.file_specifications.as_ref().unwrap();
    let specification = &specifications[0];
    assert_eq!((specification.id, specification.name.as_deref()), (31, Some("image_1")));
    assert_eq!(specification.file_type, Some(FileType::Image));
    assert_eq!((specification.is_primary, specification.is_sequential), (Some(true), Some(false)));
    assert_eq!(specification.function_type, Some(FileFunction::Sub));
    assert_eq!(specification.extensions.as_deref(), Some(["jpg".to_owned(), ".png".to_owned()].as_slice()));
    assert!(specification.extra.is_empty());
    assert_pages(&backend, || client.list_data_collections(), COLLECTION, &collection).await;
    // A specification with only its id, with unknown words, and without words.
    backend.answer(
        200,
        r#"{"id": 12, "file_specifications": [{"id": 1}, {"id": 2, "file_type": "medical", "function_type": "new", "more": 1},
            {"id": 3, "name": null, "file_type": null, "function_type": "", "extensions": null, "is_required": null}]}"#,
    );
    let collection = backend.output(client.get_data_collection(12)).await;
    let specifications = collection.file_specifications.unwrap();
    assert_eq!(specifications.iter().map(|given| given.id).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(specifications[1].file_type.as_ref().map(FileType::as_str), Some("medical"));
    assert_eq!(specifications[1].function_type.as_ref().map(FileFunction::as_str), Some("new"));
    assert_eq!(specifications[1].extra["more"].text(), "1");
    assert_eq!(specifications[2].function_type, Some(FileFunction::Blank));
}

// ---- data units

const UNIT: Shapes<'_> = Shapes {
    full: r#"{
        "id": 2001, "data_collection": 12, "group": 8, "checksum": "c0", "meta": {"camera": "front", "at": 1.50},
        "files": {"image_1": {"url": "/media/a.png", "is_primary": true}}, "can_generate_task": false,
        "created": "2025-01-31T09:00:00Z", "created_at": "2025-01-31T09:00:00Z", "modified": "2025-01-31T09:00:00Z",
        "updated_at": "2025-01-31T09:00:00Z"
    }"#,
    related: &["data_collection", "group"],
    files: &["files"],
    ..Shapes::NONE
};

#[tokio::test]
async fn get_data_unit_sends_each_parameter() {
    let backend = Backend::of(r#"{"id": 1}"#).await;
    backend.get(backend.client.get_data_unit(2001), "/data_units/2001/").await;
    assert_query!(backend, get_data_unit(2001), "/data_units/2001/", {
        expand("files") => "expand=files",
        fields(["id", "files"]) => "fields=id&fields=files",
        omit(["meta"]) => "omit=meta",
        url_host("internal") => "url_host=internal",
    });
}

#[tokio::test]
async fn data_unit_reads_every_shape() {
    let backend = Backend::start().await;
    let client = &backend.client;
    let unit = assert_shapes(&backend, || client.get_data_unit(2001), UNIT).await;
    assert_eq!((unit.id, unit.data_collection.id(), unit.group.id()), (2001, Some(12), Some(8)));
    assert_eq!((unit.checksum.as_deref(), unit.can_generate_task), (Some("c0"), Some(false)));
    assert_eq!(unit.meta.text(), r#"{"camera": "front", "at": 1.50}"#);
    assert_pages(&backend, || client.list_data_units(), UNIT, &unit).await;
}

#[tokio::test]
async fn list_data_units_always_sends_page_size() {
    let backend = Backend::of(PAGE).await;
    let client = &backend.client;
    let at = "/data_units/?";
    backend.get(client.list_data_units(), "/data_units/?page_size=100").await;
    for (call, query) in [
        (
            client.list_data_units().params(|p| p.can_generate_task(false)),
            "can_generate_task=false&page_size=100",
        ),
        (client.list_data_units().params(|p| p.data_collection(12)), "data_collection=12&page_size=100"),
        (client.list_data_units().params(|p| p.expand("files")), "expand=files&page_size=100"),
        (client.list_data_units().params(|p| p.fields(["id"])), "fields=id&page_size=100"),
        (client.list_data_units().params(|p| p.ids([1, 2])), "ids=1%2C2&page_size=100"),
        (client.list_data_units().params(|p| p.ids_ex([3])), "ids_ex=3&page_size=100"),
        (client.list_data_units().params(|p| p.omit(["meta"])), "omit=meta&page_size=100"),
        (client.list_data_units().params(|p| p.ordering("-id")), "ordering=-id&page_size=100"),
        (client.list_data_units().params(|p| p.page(2)), "page=2&page_size=100"),
        (client.list_data_units().params(|p| p.page_size(7)), "page_size=7"),
        (client.list_data_units().params(|p| p.search("a b")), "page_size=100&search=a+b"),
        (client.list_data_units().params(|p| p.url_host("in")), "page_size=100&url_host=in"),
    ] {
        backend.get(call, &format!("{at}{query}")).await;
    }
}

#[tokio::test]
async fn list_data_units_sends_all_filters() {
    let backend = Backend::of(PAGE).await;
    let call = backend.client.list_data_units().params(|p| {
        let p = p.url_host("internal").search("a").page_size(200).page(3).ordering("-id").omit(["meta"]);
        let p = p.ids_ex([4]).ids([1, 2]).fields(["id"]).expand("files").data_collection(12);
        p.can_generate_task(true)
    });
    let query = "can_generate_task=true&data_collection=12&expand=files&fields=id&ids=1%2C2&ids_ex=4&omit=meta&ordering=-id&\
                 page=3&page_size=200&search=a&url_host=internal";
    backend.get(call, &format!("/data_units/?{query}")).await;
}

fn file(checksum: &str, path: &str) -> synapse_backend_client::types::builder::DataUnitFile {
    DataUnitFile::builder().checksum(checksum).path(path)
}

fn unit(name: &str) -> synapse_backend_client::types::builder::DataUnitCreate {
    DataUnitCreate::builder().data_collection(12).files([("image_1", file(MD5, name))])
}

#[tokio::test]
async fn create_data_units_sends_one_object() {
    let backend = Backend::of(r#"{"results": [{"id": 1}]}"#).await;
    let one: DataUnitCreate = unit("cat.jpg").meta(json!({})).try_into().unwrap();
    let body = format!(
        r#"{{"data_collection":12,"files":{{"image_1":{{"checksum":"{MD5}","path":"cat.jpg"}}}},"meta":{{}}}}"#
    );
    backend.send(backend.client.create_data_units(one), "POST /data_units/", &body).await;
    // A file needs no path.
    let file = DataUnitFile::builder().checksum(MD5);
    let call = DataUnitCreate::builder().data_collection(12).files([("image_1", file)]);
    let one: DataUnitCreate = call.try_into().unwrap();
    let body = format!(r#"{{"data_collection":12,"files":{{"image_1":{{"checksum":"{MD5}"}}}}}}"#);
    backend.send(backend.client.create_data_units(one), "POST /data_units/", &body).await;
}

#[tokio::test]
async fn create_data_units_sends_an_array() {
    let backend = Backend::of(r#"{"results": []}"#).await;
    let sequence = file("c2", "2.jpg").extra([("index", json!(2))]);
    let second = DataUnitCreate::builder().data_collection(12).groups(["street", "january"]);
    let second = second.files([("image_1", file("c1", "a/1.jpg")), ("image_2", sequence)]);
    let second = second.meta(json_of(r#"{"at": 1.50}"#));
    let units: Vec<DataUnitCreate> = [unit("1.jpg"), second].map(|unit| unit.try_into().unwrap()).into();
    let body = [
        r#"[{"data_collection":12,"files":{"image_1":{"checksum":"9e107d9d372bb6826bd81d3542a419d6","path":"1.jpg"}}},"#,
        r#"{"data_collection":12,"files":{"image_1":{"checksum":"c1","path":"a/1.jpg"},"#,
        r#""image_2":{"checksum":"c2","path":"2.jpg","index":2}},"groups":["street","january"],"meta":{"at": 1.50}}]"#,
    ];
    backend.send(backend.client.create_data_units(units), "POST /data_units/", &body.concat()).await;
}

#[tokio::test]
async fn incomplete_data_units_are_refused() {
    let missing = DataUnitCreate::try_from(DataUnitCreate::builder()).unwrap_err().to_string();
    assert!(missing.contains("`data_collection`") && missing.contains("`files`"), "{missing}");
    let backend = Backend::of(r#"{"results": []}"#).await;
    let units = |count: usize| -> Vec<DataUnitCreate> {
        (0..count).map(|number| unit(&number.to_string()).try_into().unwrap()).collect()
    };
    let error = backend.client.create_data_units(units(1001)).await.failure();
    assert!(error.is_invalid_input(), "{error}");
    backend.assert_nothing_sent();
    assert!(backend.output(backend.client.create_data_units(units(1000))).await.results.is_empty());
}

#[tokio::test]
async fn creating_posts_are_sent_once() {
    let backend = Backend::start().await;
    let retry = RetryPolicy::new().max_retries(3).initial_backoff(Duration::from_millis(1));
    let one: DataUnitCreate = unit("a").try_into().unwrap();
    let task: TaskCreate = TaskCreate::builder().project(1).data_unit(2).try_into().unwrap();
    for status in [500, 502, 504, 520] {
        backend.answer(status, "<html></html>");
        backend.client.create_data_units(one.clone()).retry(retry.clone()).await.failure();
        assert_eq!(backend.taken().line, "POST /data_units/");
        backend.client.create_tasks(task.clone()).retry(retry.clone()).await.failure();
        assert_eq!(backend.taken().line, "POST /tasks/");
    }
}

#[tokio::test]
async fn create_tasks_from_units_sends_filters() {
    let backend = Backend::of("{}").await;
    let client = &backend.client;
    let at = "POST /data_units/create_tasks/";
    let body = r#"{"project":123}"#;
    let call = || client.create_tasks_from_data_units(|b| b.project(123));
    backend.send(call(), at, body).await;
    for (call, query) in [
        (call().params(|p| p.can_generate_task(true)), "can_generate_task=true"),
        (call().params(|p| p.data_collection(12)), "data_collection=12"),
        (call().params(|p| p.ids([1, 2])), "ids=1%2C2"),
        (call().params(|p| p.ids_ex([3])), "ids_ex=3"),
        (call().params(|p| p.search("a b")), "search=a+b"),
        (
            call()
                .params(|p| p.search("x").ids_ex([4]).ids([1]).data_collection(12).can_generate_task(false)),
            "can_generate_task=false&data_collection=12&ids=1&ids_ex=4&search=x",
        ),
    ] {
        backend.send(call, &format!("{at}?{query}"), body).await;
    }
    let call = client.create_tasks_from_data_units(|b| b.project(1).extra([("workshop", json!(4))]));
    backend.send(call, at, r#"{"project":1,"workshop":4}"#).await;
    assert_free_form(&backend, || client.create_tasks_from_data_units(|b| b.project(1))).await;
}

// ---- data files

const FILE: Shapes<'_> = Shapes {
    full: r#"{
        "id": 4001, "checksum": "9e107d9d372bb6826bd81d3542a419d6", "file": "https://files/a.png?sig=1", "size": 52428800000,
        "file_size": 52428800000, "meta": {"filename": "a.png", "at": 1.50}, "storage": 9, "processing_status": "completed",
        "created": "2025-01-31T09:00:00Z", "created_at": "2025-01-31T09:00:00Z", "modified": "2025-01-31T09:00:00Z",
        "updated_at": "2025-01-31T09:00:00Z"
    }"#,
    least: r#"{"id": 4001, "checksum": "an opaque text"}"#,
    related: &["storage"],
    open: &["processing_status"],
    files: &[],
    urls: &["file"],
};

#[tokio::test]
async fn data_file_reads_every_shape() {
    let backend = Backend::start().await;
    let call = || backend.client.call(|raw| raw.create_data_file(|b| b.chunked_upload(7_i64)));
    let file = assert_shapes(&backend, call, FILE).await;
    assert_eq!((file.id, file.checksum.as_str(), file.size), (4001, MD5, Some(52_428_800_000)));
    assert_eq!((file.storage.id(), file.processing_status), (Some(9), Some(ProcessingStatus::Completed)));
    // Data units name a file by its checksum: without one it is of no use.
    backend.answer(201, r#"{"id": 4001}"#);
    assert!(call().await.failure().is_decode());
    backend.taken();
    backend.answer(201, FILE.least);
    backend.send(call(), "POST /data_files/", r#"{"chunked_upload":7}"#).await;
    let call = backend.client.call(|raw| {
        raw.create_data_file(|b| b.chunked_upload("0b9a9a1e").meta(json!({"filename": "a.png"})))
    });
    let body = r#"{"chunked_upload":"0b9a9a1e","meta":{"filename":"a.png"}}"#;
    backend.send(call, "POST /data_files/", body).await;
}

// ---- checksums of data files

#[tokio::test]
async fn verify_checksums_sends_all_of_them() {
    let backend = Backend::of(r#"{"existing_checksums": ["b"]}"#).await;
    let call = backend.client.verify_data_files_checksums(|b| b.checksums(["a", "b"]));
    let line = "POST /data_files/verify_checksums/";
    let verified = backend.send(call, line, r#"{"checksums":["a","b"]}"#).await;
    assert_eq!((verified.existing_checksums.len(), verified.existing_checksums[0].as_str()), (1, "b"));
    backend.answer(200, r#"{"existing_checksums": [], "missing": 2}"#);
    let call = backend.client.verify_data_files_checksums(|b| b.checksums([MD5]));
    let verified = backend.send(call, line, &format!(r#"{{"checksums":["{MD5}"]}}"#)).await;
    assert_eq!((verified.existing_checksums.len(), verified.extra["missing"].text()), (0, "2"));
}
