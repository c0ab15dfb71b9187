//! A program with the client that is generated from the document of `backend.py`. It runs against that
//! backend: `URL TOKEN FOLDER`.
//!
//! It asserts each step, and prints a line if the step succeeds.

use std::error::Error;

use synapse_backend_client::types::{Asset, AssetStateEnum, BareShape, PointRequest, ProjectStateEnum, Shape, VerdictEnum};
use synapse_backend_client::{BackendClient, ByteStream, FormFile, Json, http, json};

type Outcome = Result<(), Box<dyn Error>>;

fn main() -> Outcome {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or("URL TOKEN FOLDER");
    let (url, token, folder) = (next()?, next()?, next()?);
    let client = BackendClient::builder(url).legacy_token(token).build()?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        lists(&client).await?;
        pages(&client).await?;
        unknown_values(&client).await?;
        let asset = created(&client).await?;
        patched(&client, &asset).await?;
        refused(&client, &asset).await?;
        files(&client, &asset, &folder).await?;
        tables(&client).await?;
        choices(&client).await?;
        actions(&client, &asset).await
    })
}

async fn lists(client: &BackendClient) -> Outcome {
    let page = client
        .call(|raw| raw.assets_list().created_gte("2024-01-10T00:00:00+09:00").created_lt("2024-01-21T00:00:00+09:00"))
        .params(|p| p.state("done").page_size(2))
        .await?;
    assert_eq!((page.count, page.results.len()), (3, 2));
    assert!(page.results.iter().all(|asset| asset.state == Some(AssetStateEnum::Done)));
    println!("filters");

    let page = client.call(|raw| raw.assets_list().id_in([3, 1, 2, 999])).await?;
    let request = client.call(|raw| raw.assets_list().id_in([3, 1])).request()?;
    assert_eq!(page.results.iter().map(|asset| asset.id).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(matches!(request.url().query(), Some("id__in=3%2C1" | "id__in=3,1")), "{}", request.url());
    println!("a comma-joined filter");

    let page = client.call(|raw| raw.assets_list().priority(1).page_size(1)).await?;
    assert_eq!(page.count, 25);
    println!("a filter of an integer's choices");

    let projects = client.call(|raw| raw.projects_list()).await?;
    let names: Vec<&str> = projects.iter().map(|project| project.name.as_str()).collect();
    assert_eq!(names, ["거리", "Plant & Co"]);
    assert_eq!(projects[1].state, Some(ProjectStateEnum::Closed));
    println!("a list that isn't paged");
    Ok(())
}

async fn pages(client: &BackendClient) -> Outcome {
    let mut assets = client.call(|raw| raw.assets_list().page_size(4)).list_all().stream();
    let mut ids = Vec::new();
    while let Some(asset) = assets.next().await {
        ids.push(asset?.id);
    }
    assert_eq!(ids, (1..=25).collect::<Vec<i64>>());
    println!("pages by number");

    let mut samples = client.call(|raw| raw.samples_list()).list_all().stream();
    let mut values = Vec::new();
    while let Some(sample) = samples.next().await {
        values.push(sample?.value);
    }
    let expected: Vec<f64> = (0..40).map(|number| f64::from(number) / 8.0).collect();
    assert_eq!(values, expected);
    println!("pages by offset");

    let mut readings = client.call(|raw| raw.readings_list()).list_all().stream();
    let mut values = Vec::new();
    while let Some(reading) = readings.next().await {
        values.push(reading?.value);
    }
    assert_eq!(values, expected);
    println!("pages by cursor");

    macro_rules! values {
        ($list:expr) => {
            $list.list_all().try_collect::<Vec<_>>().await?.iter().map(|reading| reading.value).collect::<Vec<f64>>()
        };
    }
    assert_eq!(values!(client.nested_list().params(|p| p.page_size(7))), expected);
    assert_eq!(values!(client.linked_list().params(|p| p.page_size(7))), expected);
    assert_eq!(values!(client.items_list().params(|p| p.page_size(7))), expected);
    assert_eq!(values!(client.data_list()), expected);
    let mut headed = client.headed_list().params(|p| p.page_size(7)).list_all().stream();
    let mut values = Vec::new();
    while let Some(reading) = headed.next().await {
        values.push(reading?.value);
    }
    assert_eq!((values, headed.total(), headed.report().pages), (expected, Some(40), 6));
    println!("pages of every shape");

    let found = client.assets_search_create(|search| search.text("asset 2")).params(|p| p.page_size(2)).list_all();
    let ids: Vec<i64> = found.try_collect::<Vec<Asset>>().await?.iter().map(|asset| asset.id).collect();
    assert_eq!(ids, [2, 20, 21, 22, 23, 24, 25]);
    println!("pages of a search");

    let assets: Vec<Asset> = client.assets_list().list_all().try_collect().await?;
    for asset in &assets {
        let (owner, owner_name) = if asset.id % 2 == 0 { (Some("Kim"), Some("Kim")) } else { (None, None) };
        assert_eq!(asset.owner.as_ref().map(|owner| owner.name.as_str()), owner, "{}", asset.id);
        assert_eq!((asset.owner_name.as_deref(), &asset.annotations, &asset.summary), (owner_name, &None, &None));
        assert_eq!(asset.extra["annotations"].text(), format!(r#"[{{"at":{},"score":1.5}}]"#, asset.id));
        assert_eq!(asset.extra["summary"].text(), r#"{"tags":0}"#);
    }
    println!("fields that aren't as the document says");
    Ok(())
}

async fn unknown_values(client: &BackendClient) -> Outcome {
    let page = client.call(|raw| raw.assets_list().id_in([12, 13, 14])).await?;
    let odd = &page.results[1];
    assert_eq!(odd.state, Some(AssetStateEnum::Unrecognized("quarantined".to_owned())));
    let known = [AssetStateEnum::Draft, AssetStateEnum::Done];
    assert_eq!([&page.results[0], &page.results[2]].map(|asset| asset.state.clone().unwrap()), known);
    let written: Asset = serde_json::from_str(&serde_json::to_string(odd)?)?;
    assert_eq!((&written, serde_json::to_value(odd)?["state"].as_str()), (odd, Some("quarantined")));
    println!("an unknown value of an enumeration");

    // Ids 12, 13 and 14 have null, the empty text and a value.
    let verdicts: Vec<Option<&str>> = page.results.iter().map(|asset| asset.verdict.as_ref().map(VerdictEnum::as_str)).collect();
    assert_eq!(verdicts, [None, Some(""), Some("good")]);
    println!("a choice that is null, blank or a value");
    Ok(())
}

async fn created(client: &BackendClient) -> Result<Asset, Box<dyn Error>> {
    let least = client.call(|raw| raw.assets_create(|b| b.project(1).title("least"))).await?;
    assert_eq!((least.note.as_deref(), least.tags.len(), least.meta.text()), (None, 0, "{}"));
    assert_eq!(least.state, Some(AssetStateEnum::Draft));
    println!("created with the least");

    let corner = PointRequest::builder().x(1.5).y_null();
    let asset = client
        .call(|raw| {
            raw.assets_create(|b| {
                b.project(2)
                    .title("제목 \"1\"")
                    .note("first")
                    .state(AssetStateEnum::InReview)
                    .verdict("bad")
                    .priority(10)
                    .weight("1.0000000001")
                    .tags(["a".to_owned(), "나".to_owned()])
                    .meta(json!({"n": 1, "deep": [null, {"x": true}]}))
                    .corners([corner])
                    .captured_at("2024-02-29T12:34:56.123456+09:00")
                    .due_on("2024-03-01")
                    .password("secret")
            })
        })
        .await?;
    let asset = client.call(|raw| raw.assets_retrieve(asset.id)).await?;
    assert_eq!((asset.title.as_str(), asset.note.as_deref()), ("제목 \"1\"", Some("first")));
    assert_eq!((asset.state.clone(), asset.verdict.clone()), (Some(AssetStateEnum::InReview), Some(VerdictEnum::Bad)));
    assert_eq!(asset.priority, Some(10));
    assert_eq!(asset.weight.as_deref(), Some("1.0000000001"));
    assert_eq!(asset.tags, ["a", "나"]);
    assert_eq!((&asset.meta["n"], &asset.meta["deep"][1]["x"]), (&1.into(), &true.into()));
    assert_eq!(
        (&asset.meta["corners"][0]["x"], asset.meta["corners"][0].get("y")),
        (&1.5.into(), Some(&serde_json::Value::Null))
    );
    assert_eq!(asset.captured_at.as_ref().map(|at| at.as_str()), Some("2024-02-29T12:34:56.123456+09:00"));
    assert_eq!(asset.due_on.as_deref(), Some("2024-03-01"));
    assert_eq!((asset.project, asset.project_detail.as_ref().map(|project| project.name.as_str())), (2, Some("Plant & Co")));
    assert_eq!(asset.label.as_deref(), Some("Plant & Co/제목 \"1\""));
    assert_eq!(asset.code.as_ref().map(String::len), Some(36));
    assert_eq!(asset.extra.keys().collect::<Vec<_>>(), ["annotations", "summary"]);
    assert!(asset.file.is_none());
    println!("created with everything");
    Ok(asset)
}

async fn patched(client: &BackendClient, asset: &Asset) -> Outcome {
    let patch = || client.call(|raw| raw.assets_partial_update(asset.id));
    let bodiless = patch().request()?;
    assert!(bodiless.body().is_none() && !bodiless.headers().contains_key(http::header::CONTENT_TYPE));
    assert_eq!(&patch().await?, asset);
    let empty = patch().params(|p| p.body_map(|b| b)).request()?;
    assert_eq!(empty.body().and_then(|body| body.as_bytes()), Some(b"{}".as_slice()));
    assert_eq!(&patch().params(|p| p.body_map(|b| b)).await?, asset);
    println!("a patch of nothing changes nothing");

    let one = patch().params(|p| p.body_map(|b| b.title("renamed"))).await?;
    let mut expected = asset.clone();
    (expected.title, expected.label) = ("renamed".to_owned(), Some("Plant & Co/renamed".to_owned()));
    assert_eq!(one, expected);
    println!("a patch of one field leaves the others");

    let cleared = patch()
        .params(|p| {
            p.body_map(|b| b.note_null().verdict_null().weight_null().captured_at_null().due_on_null().tags(Vec::<String>::new()).meta(json!({})))
        })
        .await?;
    assert_eq!((&cleared.note, &cleared.verdict, &cleared.weight), (&None, &None, &None));
    assert_eq!((&cleared.captured_at, &cleared.due_on), (&None, &None));
    assert_eq!((cleared.tags.len(), cleared.meta.text()), (0, "{}"));
    assert_eq!(cleared.title, "renamed");
    println!("null and empty lists clear");

    let blank = patch().params(|p| p.body_map(|b| b.verdict(VerdictEnum::Blank).note(""))).await?;
    assert_eq!((blank.verdict, blank.note.as_deref()), (Some(VerdictEnum::Blank), Some("")));
    println!("blank is neither null nor left out");
    Ok(())
}

async fn refused(client: &BackendClient, asset: &Asset) -> Outcome {
    let strange = AssetStateEnum::from("quarantined");
    let error = client
        .call(|raw| raw.assets_partial_update(asset.id).body_map(|b| b.state(strange).title("x".repeat(41))))
        .await
        .unwrap_err();
    assert!(error.is_bad_request(), "{error}");
    let errors = error.response().map(|response| response.field_errors()).unwrap_or_default();
    assert_eq!(errors["state"], [r#""quarantined" is not a valid choice."#]);
    assert_eq!(errors["title"], ["Ensure this field has no more than 40 characters."]);
    println!("a 400 tells the fields");

    let error = client.call(|raw| raw.assets_create(|b| b.title("no project"))).await.unwrap_err();
    assert!(error.is_invalid_input() && error.to_string().contains("`project`"), "{error}");
    let error = client.call(|raw| raw.assets_retrieve(999)).await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    println!("a missing field, and a 404");
    Ok(())
}

async fn files(client: &BackendClient, asset: &Asset, folder: &str) -> Outcome {
    let bytes: Vec<u8> = (0..300_000_u32).map(|index| (index * 7 % 251) as u8).collect();
    let file = format!("{folder}/표본 \"1\".bin");
    std::fs::write(&file, &bytes)?;
    let uploaded = client.call(|raw| raw.assets_upload_create(asset.id, |form| form.note("with a file").file(&file))).await?;
    assert_eq!(uploaded.note.as_deref(), Some("with a file"));
    let url = uploaded.file.ok_or("the file has no URL")?;
    let to = format!("{folder}/downloaded");
    client.download(url.as_str()).to(&to).await?;
    assert!(std::fs::read(&to)? == bytes, "{url}");
    println!("a file up by multipart and down again");

    let pages = [FormFile::bytes("%PDF").file_name("쪽 \"1\";.pdf").media_type("application/pdf"), file.as_str().into()];
    let form = client.call(|raw| {
        raw.assets_upload_create(asset.id, |form| {
            form.file(&file)
                .labels(["a,b", "제목\r\n--", "&=%"])
                .scores([0.5, 1.0])
                .details(json!({"k": [1, "x"]}))
                .count_null()
                .checked(true)
                .note("--x")
                .pages(pages)
        })
    });
    let read: Json = form.await?.note.ok_or("no note")?.parse()?;
    let expected = json!({
        "labels": ["a,b", "제목\r\n--", "&=%"], "scores": [0.5, 1.0], "details": {"k": [1, "x"]}, "count": null, "checked": true, "note": "--x",
        "pages": [["쪽 %221%22;.pdf", "application/pdf", 4], ["표본 %221%22.bin", "application/octet-stream", 300_000]],
    });
    assert_eq!(read, expected);
    println!("every field of a form");

    // The body is offered as JSON too, and the file is declared as `format: uri` like every URL. The form can
    // contain the file.
    let content = FormFile::bytes("%PDF").file_name("a.pdf").media_type("application/pdf");
    let document = client.documents_create_form(|form| form.name("doc").content(content)).await?;
    let mut documents = client.call(|raw| raw.documents_list().limit(1)).list_all().stream();
    let listed = documents.next().await.ok_or("no document")??;
    assert_eq!((&listed, listed.name.as_str()), (&document, "doc"));
    println!("a file where JSON is offered too");
    Ok(())
}

async fn text(mut stream: ByteStream) -> Result<String, Box<dyn Error>> {
    let mut text = Vec::new();
    while let Some(bytes) = stream.next().await {
        text.extend_from_slice(&bytes?);
    }
    Ok(String::from_utf8(text)?)
}

async fn tables(client: &BackendClient) -> Outcome {
    let table = text(client.call(|raw| raw.assets_table_retrieve()).await?).await?;
    assert!(table.starts_with("1,asset 1\r\n2,asset 2\r\n"), "{table}");
    println!("csv of a renderer");

    let table = text(client.call(|raw| raw.assets_export_retrieve()).await?).await?;
    assert!(table.starts_with("1,asset 1\n2,asset 2\n"), "{table}");
    println!("csv that no renderer gives");
    Ok(())
}

async fn choices(client: &BackendClient) -> Outcome {
    let mut shapes = client.call(|raw| raw.shapes_list().page_size(5)).list_all().stream();
    let mut described = Vec::new();
    while let Some(shape) = shapes.next().await {
        described.push(match shape? {
            Shape::Box(shape) => format!("{} {:?}", shape.kind, shape.width),
            Shape::Circle(shape) => format!("{} {:?}", shape.kind, shape.radius),
            Shape::Unrecognized(shape) => format!("? {}", shape["kind"]),
            _ => "another".to_owned(),
        });
    }
    assert_eq!(described.len(), 12);
    assert_eq!(described[..4], ["box Some(1)", "circle Some(1.0)", "circle Some(1.5)", "? \"torus\""]);
    println!("shapes by their tag");

    let shape = client.call(|raw| raw.bare_shapes_retrieve(5)).await?;
    let again: Json = serde_json::to_string(&shape)?.parse()?;
    assert!(matches!(&shape, BareShape::Box(shape) if shape.width == Some(5)), "{shape:?}");
    assert_eq!((&again["kind"], &again["height"]), (&"box".into(), &2.into()));
    println!("shapes whose tag isn't among their fields");
    Ok(())
}

async fn actions(client: &BackendClient, asset: &Asset) -> Outcome {
    let published = client.call(|raw| raw.assets_publish_create(asset.id)).await?;
    assert_eq!((published.state.as_str(), published.job.len()), ("queued", 36));
    client.call(|raw| raw.assets_publish_create(asset.id).body_map(|b| b.comment(""))).await?;
    println!("202 with and without the body that may be left out");

    client.call(|raw| raw.assets_archive_create(asset.id)).await?;
    client.call(|raw| raw.assets_destroy(asset.id)).await?;
    let error = client.call(|raw| raw.assets_retrieve(asset.id)).await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    println!("204");
    Ok(())
}
