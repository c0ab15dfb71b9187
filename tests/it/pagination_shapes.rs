//! Lists whose pages aren't those of Django REST Framework: other fields, page numbers and cursors in place of URLs,
//! headers, and requests with a body.

use serde_json::{Value, json};
use synapse_backend_client::reqwest::Method;
use synapse_backend_client::{
    BackendClient, Call, Checkpoint, CustomRequest, ErrorKind, ListAnomaly, ListPolicy, Pagination,
};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::support::ids::{Id, ids_of};
use crate::support::marker::Failure as _;
use crate::support::server;

const ITEMS: [u64; 7] = [1, 2, 3, 4, 5, 6, 7];

/// A page of three items, and the number of the next page.
struct Page {
    items: Value,
    next: Option<usize>,
    base: String,
}

/// Returns a list's page in one of the shapes.
type Shape = fn(Page) -> ResponseTemplate;

fn text(value: Value) -> ResponseTemplate {
    server::json(200, value.to_string())
}

fn shapes() -> Vec<(Pagination, Shape, &'static str)> {
    vec![
        (
            Pagination::new().count("pagination.count").next_value("pagination.next", "page"),
            |page| text(json!({"pagination": {"next": page.next, "count": 7}, "results": page.items})),
            "page",
        ),
        (
            Pagination::new().no_count().next_link("links.next"),
            |page| {
                let next = page.next.map(|next| format!("{}/things/?kind=a+b&page={next}", page.base));
                text(json!({"links": {"next": next, "self": {"next": 1}}, "results": page.items}))
            },
            "page",
        ),
        (
            Pagination::new().items("data").count("meta.total").next_value("meta.next_cursor", "cursor"),
            |page| {
                let next = page.next.map(|next| next.to_string()).unwrap_or_default();
                text(json!({"meta": {"next_cursor": next, "total": 7}, "data": page.items}))
            },
            "cursor",
        ),
        (
            Pagination::new().items("data.rows").no_count().next_value("next", "start"),
            |page| {
                let next = page.next.map_or(json!(false), |next| json!(next));
                text(json!({"next": next, "data": {"rows": page.items, "next": "/elsewhere/"}}))
            },
            "start",
        ),
        (
            Pagination::new().items("items").no_count().next_link("_links.next.href"),
            |page| {
                let next = page.next.map(|next| json!({"href": format!("/things/?p={next}&kind=a+b")}));
                text(json!({"_links": {"next": next}, "items": page.items}))
            },
            "p",
        ),
        (
            Pagination::new().items("").no_count().link_header(),
            |page| {
                let response = text(page.items);
                let first = format!("<{}/things/>; rel=\"first\"", page.base);
                match page.next {
                    None => response.insert_header("link", first),
                    Some(next) => {
                        let next = format!(
                            "<{}/things/?page={next}&kind=a+b>; title=\"a, b\"; rel=\"next\"",
                            page.base
                        );
                        response.append_header("link", first).append_header("link", next)
                    }
                }
            },
            "page",
        ),
        (
            Pagination::new().items("").count_header("X-Total").next_header("X-Next-Page", "page"),
            |page| {
                let next = page.next.map(|next| next.to_string()).unwrap_or_default();
                text(page.items).insert_header("x-next-page", next).insert_header("x-total", "7")
            },
            "page",
        ),
    ]
}

/// Starts a server with the pages of a list. The parameter selects one.
async fn serving(shape: Shape, parameter: &'static str) -> (MockServer, BackendClient) {
    let server = server::start().await;
    let base = server.uri();
    let respond = move |request: &Request| {
        let selected = request.url.query_pairs().find(|(name, _)| name == parameter);
        let number = selected.map_or(1, |(_, value)| value.parse::<usize>().unwrap());
        let items: Vec<_> = ITEMS.chunks(3).nth(number - 1).unwrap_or_default().iter().collect();
        let items = items.iter().map(|id| json!({"id": id, "file": format!("/media/{id}")})).collect();
        shape(Page { items, next: (number < 3).then_some(number + 1), base: base.clone() })
    };
    Mock::given(any()).respond_with(respond).mount(&server).await;
    let client = server::client_of(&server);
    (server, client)
}

fn things(client: &BackendClient, pages: Pagination) -> Call<CustomRequest> {
    client.request(Method::GET, "/things/").params(|p| p.pagination(pages)).param("kind", "a b")
}

fn ids(items: Vec<Id>) -> Vec<u64> {
    items.into_iter().map(|item| u64::try_from(item.id).unwrap()).collect()
}

#[tokio::test]
async fn every_shape_is_read_to_its_end() {
    for (pages, shape, parameter) in shapes() {
        let (server, client) = serving(shape, parameter).await;
        let mut read = things(&client, pages).list_all_as::<Id>().concurrency(1).stream();
        let mut found = Vec::new();
        while let Some(item) = read.next().await {
            found.push(item.unwrap_or_else(|error| panic!("{pages:?}: {error}")));
        }
        assert_eq!(ids(found), ITEMS, "{pages:?}");
        assert!(read.report().is_complete(), "{pages:?}: {:?}", read.report());
        let mut lines = server::lines(&server).await;
        for line in &mut lines {
            // The order of the parameters doesn't matter.
            let query = line.split_once('?').unwrap().1;
            let mut pairs: Vec<_> = query.split('&').collect();
            pairs.sort_unstable();
            *line = format!("GET /things/?{}", pairs.join("&"));
        }
        let mut second = ["kind=a+b".to_owned(), format!("{parameter}=2")];
        let mut third = ["kind=a+b".to_owned(), format!("{parameter}=3")];
        second.sort_unstable();
        third.sort_unstable();
        let at = |query: String| format!("GET /things/?{query}");
        assert_eq!(
            lines,
            [at("kind=a+b".to_owned()), at(second.join("&")), at(third.join("&"))],
            "{pages:?}"
        );
    }
}

#[tokio::test]
async fn every_shape_resumes_from_a_checkpoint() {
    for (pages, shape, parameter) in shapes() {
        let (_server, client) = serving(shape, parameter).await;
        for read_before in 0..=7 {
            let mut read = things(&client, pages).list_all_as::<Id>().stream();
            let mut found = Vec::new();
            for _ in 0..read_before {
                found.push(read.next().await.unwrap().unwrap());
            }
            let checkpoint = serde_json::to_string(&read.checkpoint()).unwrap();
            let checkpoint: Checkpoint = serde_json::from_str(&checkpoint).unwrap();
            let rest = things(&client, pages).list_all_as::<Id>().resume(checkpoint);
            found.extend(rest.try_collect::<Vec<_>>().await.unwrap());
            assert_eq!(ids(found), ITEMS, "{pages:?} after {read_before}");
        }
    }
}

#[tokio::test]
async fn every_shape_is_partitioned() {
    for (pages, shape, parameter) in shapes() {
        let (_server, client) = serving(shape, parameter).await;
        let parts = things(&client, pages).list_all_as::<Id>().partitions(3).await.unwrap();
        let is_numbered = parts.len() == 3;
        assert!(is_numbered || parts.len() == 1, "{pages:?}");
        // Only a list with a count and page numbers has parts.
        let has_count = !format!("{pages:?}").contains("count: Absent");
        assert_eq!(is_numbered, has_count && parameter == "page", "{pages:?}");
        let mut found = Vec::new();
        for part in parts {
            found.extend(part.list().try_collect::<Vec<_>>().await.unwrap());
        }
        assert_eq!(ids(found), ITEMS, "{pages:?}");
    }
}

#[tokio::test]
async fn urls_of_every_shape_are_converted() {
    for (pages, shape, parameter) in shapes() {
        let (_server, client) = serving(shape, parameter).await;
        let call = things(&client, pages).url_conversion("file", |url| format!("https://cdn{url}"));
        let files: Vec<Value> = call.list_all_as().try_collect().await.unwrap();
        let expected = ITEMS.map(|id| json!({"id": id, "file": format!("https://cdn/media/{id}")}));
        assert_eq!(files, expected, "{pages:?}");
    }
}

#[tokio::test]
async fn page_of_another_shape_is_an_error() {
    let meta = Pagination::new().items("data").count("meta.total").next_value("meta.next", "page");
    for (body, path, message) in [
        (r#"{"results": [], "meta": {}}"#, None, "missing field `data`"),
        (r#"{"data": {"id": 1}, "meta": {}}"#, Some("data"), "it isn't a list of items"),
        (r#"{"data": [], "meta": {"next": true}}"#, Some("meta.next"), "invalid type: boolean `true`"),
        (r#"{"data": [], "meta": {"next": 1.5}}"#, Some("meta.next"), "expected a page number, a cursor"),
        (r#"{"data": [], "meta": {"next": {}}}"#, Some("meta.next"), "invalid type: map"),
        (r#"{"data": [], "meta": {"total": "7"}}"#, Some("meta.total"), "invalid type: string"),
        (r#"{"data": [], "meta": {"next": 2, "next": 3}}"#, Some("meta.next"), "duplicate field `meta.next`"),
        (r#"{"data": [], "meta": {"next": 2}, "meta": {"next": null}}"#, Some("meta.next"), "duplicate"),
        (r#"[{"id": 1}]"#, None, "it is a JSON list, not a page"),
        (r#"{"data": [{"id": 1}], "meta": "#, None, "truncated"),
        ("7", None, "invalid type: a number, expected a page, an object with `data`"),
    ] {
        let (_server, client) = server::serving("GET", "/things/", server::json(200, body)).await;
        let error = things(&client, meta).list_all().stream().next().await.unwrap().failure();
        assert_eq!((error.kind(), error.json_path()), (ErrorKind::Decode, path), "{body}: {error}");
        assert!(error.to_string().contains(message), "{body}: {error}");
    }
    let bare = Pagination::new().items("").no_count().link_header();
    let (_server, client) =
        server::serving("GET", "/things/", server::json(200, r#"{"results": [{"id": 1}]}"#)).await;
    let error = things(&client, bare).list_all().stream().next().await.unwrap().failure();
    assert!(error.to_string().contains("it isn't a list of items"), "{error}");
}

#[tokio::test]
async fn malformed_header_is_no_silent_end() {
    let bare = Pagination::new().items("").count_header("x-total").link_header();
    for (name, value) in [("link", "/things/?page=2"), ("link", "<x>; rel=\"next"), ("x-total", "many")] {
        let response = server::json(200, r#"[{"id": 1}]"#).insert_header(name, value);
        let (_server, client) = server::serving("GET", "/things/", response).await;
        let error = things(&client, bare).list_all().stream().next().await.unwrap().failure();
        assert_eq!(error.json_path(), Some(&*format!("header {name}")), "{error}");
        let error = things(&client, bare).list_all().partitions(2).await.failure();
        assert_eq!(error.json_path(), Some(&*format!("header {name}")), "{error}");
    }
}

#[tokio::test]
async fn link_header_keeps_the_token_at_home() {
    let bare = Pagination::new().items("").no_count().link_header();
    let other = server::start().await;
    let link = format!("<{}/things/?page=2>; rel=next", other.uri());
    let response = server::json(200, r#"[{"id": 1}]"#).insert_header("link", &*link);
    let (server, client) = server::serving("GET", "/things/", response).await;
    // The same server returns the same page again: a loop.
    let (found, error) = ids_of(&mut things(&client, bare).list_all_as::<Id>().stream()).await;
    assert_eq!((found, error.unwrap().kind()), (vec![1, 1], ErrorKind::Pagination));
    assert_eq!(server::lines(&server).await.len(), 2);
    server::assert_nothing_sent(&other).await;
}

/// Starts a search endpoint: its pages have the ids of one word each.
async fn search() -> (MockServer, BackendClient) {
    let server = server::start().await;
    let base = server.uri();
    let respond = move |request: &Request| {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let number: u64 = match request.url.query_pairs().find(|(name, _)| name == "page") {
            Some((_, value)) => value.parse().unwrap(),
            None => 1,
        };
        let found = if body["text"] == "cat" { 10 } else { 20 };
        let next = (number < 3).then(|| format!("{base}/search/?page={}", number + 1));
        text(json!({"count": 3, "next": next, "results": [{"id": found + number}]}))
    };
    Mock::given(any()).respond_with(respond).mount(&server).await;
    let client = server::client_of(&server);
    (server, client)
}

#[tokio::test]
async fn search_sends_its_body_with_every_page() {
    let (server, client) = search().await;
    let cats = || client.request(Method::POST, "/search/").params(|p| p.json(&json!({"text": "cat"})));
    let found: Vec<Id> = cats().list_all_as().try_collect().await.unwrap();
    assert_eq!(ids(found), [11, 12, 13]);
    for (request, page) in server::requests(&server).await.iter().zip(["", "?page=2", "?page=3"]) {
        assert_eq!(server::line(request), format!("POST /search/{page}"));
        assert_eq!(request.body, br#"{"text":"cat"}"#);
        assert_eq!(server::header(request, "content-type"), Some("application/json"));
    }
    // A checkpoint belongs to the body.
    let mut read = cats().list_all_as::<Id>().stream();
    read.next().await.unwrap().unwrap();
    let checkpoint = read.checkpoint();
    assert!(!serde_json::to_string(&checkpoint).unwrap().contains("cat"));
    let rest: Vec<Id> = cats().list_all_as().resume(checkpoint.clone()).try_collect().await.unwrap();
    assert_eq!(ids(rest), [12, 13]);
    for body in [Some(json!({"text": "dog"})), None] {
        let mut call = client.request(Method::POST, "/search/");
        if let Some(body) = &body {
            call = call.params(|p| p.json(body));
        }
        let before = server::requests(&server).await.len();
        let error = call.list_all().resume(checkpoint.clone()).stream().next().await.unwrap().failure();
        assert!(error.to_string().contains("another query: with another body or `Pagination`"), "{error}");
        assert_eq!(server::requests(&server).await.len(), before);
    }
    let parts = cats().list_all_as::<Id>().partitions(3).await.unwrap();
    assert_eq!(parts.len(), 3);
    for (part, id) in parts.into_iter().zip([11, 12, 13]) {
        assert_eq!(ids(part.list().try_collect().await.unwrap()), [id]);
    }
}

#[tokio::test]
async fn list_is_not_read_by_changing_methods() {
    let server = server::start().await;
    let client = server::client_of(&server);
    for method in [Method::PUT, Method::PATCH, Method::DELETE, Method::HEAD] {
        let error = client.request(method.clone(), "/x/").list_all().stream().next().await.unwrap().failure();
        assert!(error.is_invalid_input(), "{error}");
        let expected = format!("not by {method}: send the pages one by one");
        assert!(error.to_string().contains(&expected), "{error}");
    }
    let stream = synapse_backend_client::reqwest::Body::wrap_stream(futures_util::stream::iter([Ok::<
        _,
        std::io::Error,
    >("x")]));
    let call = client.request(Method::POST, "/x/").params(|p| p.body(stream));
    let error = call.list_all().stream().next().await.unwrap().failure();
    assert!(error.to_string().contains("can't be sent with every page"), "{error}");
    for (pages, problem) in [
        (Pagination::new().items("a..b"), "the items' path \"a..b\" has an empty name"),
        (Pagination::new().next_link(""), "the next page's path \"\" has an empty name"),
        (Pagination::new().items(""), "a page that is a list has no field for the count"),
        (Pagination::new().next_header("a b", "page"), "\"a b\" can't be a header's name"),
        (Pagination::new().next_value("next", ""), "the parameter's name is empty"),
        (Pagination::new().next_header("Link", "page"), "call `link_header`"),
    ] {
        let error = things(&client, pages).list_all().stream().next().await.unwrap().failure();
        assert!(error.is_invalid_input() && error.to_string().contains(problem), "{error}");
    }
    server::assert_nothing_sent(&server).await;
}

#[tokio::test]
async fn numbers_from_zero_and_later_starts() {
    let server = server::start().await;
    let respond = |request: &Request| {
        let selected = request.url.query_pairs().find(|(name, _)| name == "page" || name == "p");
        let number = selected.map_or(0, |(_, value)| value.parse::<u64>().unwrap());
        let next = (number < 2).then_some(number + 1);
        text(json!({"data": [{"id": number * 2}, {"id": number * 2 + 1}], "next": next, "total": 6}))
    };
    Mock::given(any()).respond_with(respond).mount(&server).await;
    let client = server::client_of(&server);
    for parameter in ["page", "p"] {
        let pages = Pagination::new().items("data").count("total").next_value("next", parameter);
        let call = || client.request(Method::GET, "/zero/").params(|p| p.pagination(pages));
        let (found, error) = ids_of(&mut call().list_all_as().stream()).await;
        assert!(error.is_none() && found == [0, 1, 2, 3, 4, 5], "{parameter}: {found:?} {error:?}");
        if parameter == "p" {
            let (found, error) = ids_of(&mut call().param("p", 1).list_all_as().stream()).await;
            assert!(error.is_none() && found == [2, 3, 4, 5], "{found:?} {error:?}");
        }
    }
}

#[tokio::test]
async fn checkpoint_belongs_to_the_pages_shape() {
    let server = server::start().await;
    let page = json!({"users": [{"id": 1}, {"id": 2}], "teams": [{"id": 7}, {"id": 8}], "next": null});
    Mock::given(any()).respond_with(move |_: &Request| text(page.clone())).mount(&server).await;
    let client = server::client_of(&server);
    let list = |items: &'static str, method: Method| {
        let pages = Pagination::new().items(items).no_count();
        client.request(method, "/search/").params(|p| p.pagination(pages)).list_all_as::<Id>()
    };
    let mut users = list("users", Method::GET).stream();
    users.next().await.unwrap().unwrap();
    let checkpoint = users.checkpoint();
    for (items, method) in [("teams", Method::GET), ("users", Method::POST)] {
        let other = list(items, method).resume(checkpoint.clone()).stream().next().await.unwrap().failure();
        assert!(other.to_string().contains("another query"), "{other}");
    }
    assert_eq!(ids(list("users", Method::GET).resume(checkpoint).try_collect().await.unwrap()), [2]);
}

#[tokio::test]
async fn page_without_its_next_field_is_noted() {
    // The name of the field is wrong: the list would end after its first page without a word.
    for (last, is_noted) in
        [(json!({"data": [{"id": 1}], "meta": {"more": 2}}), true), (json!({"data": []}), false)]
    {
        let (_server, client) = server::serving("GET", "/things/", text(last)).await;
        let pages = Pagination::new().items("data").no_count().next_value("meta.next", "page");
        let mut read = things(&client, pages).list_all_as::<Id>().stream();
        let (_, error) = ids_of(&mut read).await;
        assert!(error.is_none(), "{error:?}");
        assert_eq!(read.report().is_complete(), !is_noted);
        let strict = things(&client, pages).list_all_as::<Id>().policy(ListPolicy::Strict);
        let (_, error) = ids_of(&mut strict.stream()).await;
        let anomaly = error.as_ref().and_then(|error| error.list_anomaly());
        assert_eq!(anomaly, is_noted.then_some(&ListAnomaly::NoNext { page: 1 }));
    }
}
