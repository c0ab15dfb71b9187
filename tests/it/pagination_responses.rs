//! The text of a page and its `next`: duplicate keys, links without a filter, overlong links, items with
//! secrets.

use std::sync::Arc;

use crate::support::ids::{Id, ids_of};
use crate::support::marker::{Failure, TOKEN, assert_hidden, secret};
use crate::support::server;
use serde::Deserialize;
use synapse_backend_client::{BackendClient, Error, ErrorKind};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request};

/// Starts a server with a page for each query.
async fn serving(page: impl Fn(&str) -> String + Send + Sync + 'static) -> (MockServer, BackendClient) {
    let server = server::start().await;
    let response = move |request: &Request| server::json(200, page(request.url.query().unwrap_or_default()));
    Mock::given(any()).respond_with(response).mount(&server).await;
    let client = server::client_of(&server);
    (server, client)
}

/// Returns the errors of a list, read in each possible way.
async fn errors_of(client: &BackendClient) -> Vec<Error> {
    vec![
        client.list_models().await.failure(),
        client.list_ground_truth_events().await.failure(),
        client.list_models().list_all().stream().next().await.unwrap().failure(),
        client.list_models().list_all_raw().stream().next().await.unwrap().failure(),
        client.list_models().list_all_as::<Id>().pages().next().await.unwrap().failure(),
        client.list_models().list_all().partitions(2).await.failure(),
    ]
}

#[tokio::test]
async fn duplicate_page_key_is_an_error() {
    for (key, body) in [
        ("results", r#"{"count": 1, "results": [{"id": 1, "name": "n", "model_type": "x"}], "results": []}"#),
        ("results", r#"{"count": 2, "results": null, "r\u0065sults": []}"#),
        ("count", r#"{"count": 2, "results": [], "count": 0}"#),
        ("count", r#"{"count": null, "count": 2, "results": []}"#),
        ("next", r#"{"next": "/models/?page=2", "results": [], "next": null}"#),
        ("next", r#"{"next": null, "next": null, "results": []}"#),
    ] {
        let (_server, client) = serving(move |_| body.to_owned()).await;
        for error in errors_of(&client).await {
            assert_eq!(error.kind(), ErrorKind::Decode, "{body}: {error}");
            assert!(error.to_string().contains(&format!("duplicate field `{key}`")), "{body}: {error}");
            assert_eq!(error.response().unwrap().body(), body);
        }
    }
}

#[tokio::test]
async fn parameters_missing_in_next_are_added() {
    // Existing parameters are sent byte for byte.
    let links = [
        ("/models/?cursor=a%2fb%2F+c", "cursor=a%2fb%2F+c&model_type=detection&tag=x%2Cy&tag=z&page_size=2"),
        ("/models/?", "model_type=detection&tag=x%2Cy&tag=z"),
        ("/models/?page=2&page_size=7", "page=2&page_size=7&model_type=detection&tag=x%2Cy&tag=z"),
        ("/models/?offset=2&tag=q", "offset=2&tag=q&model_type=detection"),
        ("/models/?m%6fdel_type=Det%65ction&&tag=&cursor=2", "m%6fdel_type=Det%65ction&&tag=&cursor=2"),
    ];
    for (link, sent) in links {
        // `page_size` isn't added, because `next` determines the page's length.
        let sent = sent.replace("&page_size=2", "");
        let (server, client) = serving(move |query| match query.contains("limit=9") {
            true => format!(r#"{{"next": "{link}", "results": [{{"id": 1}}]}}"#),
            false => r#"{"next": null, "results": [{"id": 2}]}"#.to_owned(),
        })
        .await;
        let call = || {
            let call = client.list_models().params(|p| p.model_type("detection").page(1).page_size(2));
            call.param_list("tag", ["x,y", "z"]).param("limit", 9).param("offset", 0)
        };
        let (ids, error) = ids_of(&mut call().list_all_as::<Id>().stream()).await;
        assert!(error.is_none(), "{error:?}");
        assert_eq!(ids, [1, 2]);
        assert_eq!(server::lines(&server).await[1], format!("GET /models/?{sent}"));
        // A checkpoint adds the parameters too, also one of a release that kept the link unchanged.
        let mut first = call().list_all_as::<Id>().stream();
        first.next().await.unwrap().unwrap();
        let mut written = serde_json::to_value(first.checkpoint()).unwrap();
        for (version, url) in [
            (2, written["at"]["link"]["url"].clone()),
            (2, link.into()),
            (1, format!("{}{link}", server.uri()).into()),
        ] {
            written["version"] = version.into();
            written["at"]["link"]["url"] = url;
            let checkpoint = serde_json::from_value(written.clone()).unwrap();
            let (ids, error) = ids_of(&mut call().list_all_as::<Id>().resume(checkpoint).stream()).await;
            assert!(error.is_none() && ids == [2], "{error:?}");
            assert_eq!(server::lines(&server).await.pop().unwrap(), format!("GET /models/?{sent}"));
        }
    }
}

#[tokio::test]
async fn circular_next_without_filter_detected() {
    let (server, client) =
        serving(|_| r#"{"next": "/models/?cursor=a", "results": [{"id": 1}]}"#.to_owned()).await;
    let (_, error) =
        ids_of(&mut client.list_models().params(|p| p.project(1)).list_all_as::<Id>().stream()).await;
    assert_eq!(error.unwrap().kind(), ErrorKind::Pagination);
    assert_eq!(server::lines(&server).await, ["GET /models/?project=1", "GET /models/?cursor=a&project=1"]);
}

#[tokio::test]
async fn overlong_next_is_decode_error() {
    for (length, kind) in [(60_000, None), (1 << 20, Some(ErrorKind::Decode))] {
        let link = format!("/models/?cursor={}{}", secret("link"), "x".repeat(length));
        let (server, client) = serving(move |query| match query {
            "" => format!(r#"{{"next": "{link}", "results": [{{"id": 1}}]}}"#),
            _ => r#"{"next": null, "results": [{"id": 2}]}"#.to_owned(),
        })
        .await;
        let mut models = client.list_models().list_all_as::<Id>().stream();
        assert_eq!(models.next().await.unwrap().unwrap().id, 1);
        let Some(kind) = kind else {
            assert_eq!(models.next().await.unwrap().unwrap().id, 2);
            continue;
        };
        let error = models.next().await.unwrap().failure();
        assert_eq!(error.kind(), kind, "{error}");
        let context = (error.operation(), error.url(), error.attempts());
        assert_eq!(context, (Some("list_models"), Some(&*format!("{}/models/", server.uri())), 1));
        let text = error.to_string();
        assert!(text.len() < 500 && text.contains("page 1's `next`") && text.contains("bytes"), "{text}");
        assert!(!models.checkpoint().is_end() && server::requests(&server).await.len() == 1);
    }
    // An overlong link with a page number is still followed.
    let (_server, client) = serving(|query| match query {
        "" => format!(
            r#"{{"count": 2, "next": "/models/?page=2&x={}", "results": [{{"id": 1}}]}}"#,
            "x".repeat(1 << 20)
        ),
        _ => r#"{"count": 2, "next": null, "results": [{"id": 2}]}"#.to_owned(),
    })
    .await;
    let (ids, error) = ids_of(&mut client.list_models().list_all_as::<Id>().stream()).await;
    assert!(error.is_none() && ids == [1, 2], "{error:?}");
}

#[tokio::test]
async fn undecodable_item_shows_no_secret() {
    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    struct Numbers {
        id: std::collections::BTreeMap<String, i64>,
    }
    let long = "x".repeat(1 << 20);
    let texts = [
        format!(r#""{TOKEN}""#),
        format!(r#""https://files/x.png?X-Amz-Signature={}""#, secret("signature")),
        format!(r#"{{"{TOKEN}": "{TOKEN}"}}"#),
        format!(r#"{{"https://files/x.png?sig={}": "a"}}"#, secret("signature")),
        format!(r#"{{"k": "{TOKEN} {long} {TOKEN}"}}"#),
        format!(r#"{{"{long}": "{long}"}}"#),
    ];
    let items: Vec<String> = texts.iter().map(|text| format!(r#"{{"id": {text}}}"#)).collect();
    let page = format!(r#"{{"next": null, "results": [{}]}}"#, items.join(", "));
    let (_server, client) = serving(move |_| page.clone()).await;
    let items: Vec<_> = client.list_models().list_all_raw().try_collect().await.unwrap();
    assert_eq!(items.len(), texts.len());
    for item in &items {
        let error = item.clone().decode::<Numbers>().failure();
        assert_eq!(error.kind(), ErrorKind::Decode);
        let path = error.json_path().unwrap();
        assert_hidden("a path", path);
        assert!(
            path.starts_with("id") && path.len() < 1_100 && error.to_string().len() <= 4 << 10,
            "{error}"
        );
        assert!(error.to_string().contains("the item can't be used at `id"), "{error}");
    }
    assert_eq!(items[0], items[0].clone());
    assert_ne!(items[0], items[1]);
}

/// Notifies `DECODED` when the last item is decoded.
#[derive(Debug)]
struct Last;

static DECODED: tokio::sync::Notify = tokio::sync::Notify::const_new();

impl<'de> Deserialize<'de> for Last {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if Id::deserialize(deserializer)?.id == MANY - 1 {
            DECODED.notify_one();
        }
        Ok(Last)
    }
}

/// The page is short enough to be decoded at once.
const MANY: i64 = 15_000;

/// The only blocking thread is busy. The comparison waits for it, and the thread that drives requests
/// continues.
#[test]
fn many_ids_compared_on_blocking_thread() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let items: Vec<_> = (0..MANY).map(|id| format!(r#"{{"id":{id}}}"#)).collect();
        let page = Arc::new(format!(r#"{{"count":{MANY},"next":null,"results":[{}]}}"#, items.join(",")));
        assert!(page.len() < 256 << 10);
        let (_server, client) = serving(move |_| page.to_string()).await;
        let mut models = client.list_models().list_all_as::<Last>().deduplicate(true).stream();
        // The client now has a pooled connection.
        client.list_models().send_as::<serde::de::IgnoredAny>().await.unwrap();
        let (open, gate) = std::sync::mpsc::channel::<()>();
        let taken = tokio::task::spawn_blocking(move || gate.recv());
        let decoded = async {
            DECODED.notified().await;
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            item = models.next() => panic!("it was compared on the thread of the requests: {item:?}"),
            () = decoded => {}
        }
        // The checkpoint is available meanwhile.
        let checkpoint = models.checkpoint();
        assert_eq!((checkpoint.total(), checkpoint.is_end()), (None, false));
        open.send(()).unwrap();
        taken.await.unwrap().unwrap();
        let mut yielded = 0;
        while let Some(item) = models.next().await {
            item.unwrap();
            yielded += 1;
        }
        assert_eq!(
            (yielded, models.report().identity.as_deref(), models.report().is_complete()),
            (MANY, Some("id"), true)
        );
    });
}
