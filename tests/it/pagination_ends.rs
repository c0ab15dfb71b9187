//! Where lists end and where they are resumed: after a limit, after a skipped page, at a link that isn't
//! followed.

use std::time::Duration;

use crate::support::ids::{Id, ids_of};
use crate::support::marker::{Failure, secret};
use crate::support::server;
use synapse_backend_client::{BackendClient, ErrorKind, ListAnomaly, ListPolicy, RetryPolicy};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

/// Starts a server with a page for each value of the parameter `name`.
async fn serving_by(
    name: &'static str,
    response: impl Fn(u64) -> ResponseTemplate + Send + Sync + 'static,
) -> (MockServer, BackendClient) {
    let server = server::start().await;
    let response = move |request: &Request| {
        response(
            request
                .url
                .query_pairs()
                .find(|(other, _)| other == name)
                .map_or(1, |(_, value)| value.parse().unwrap()),
        )
    };
    Mock::given(any()).respond_with(response).mount(&server).await;
    let client = server::client_of(&server);
    (server, client)
}

#[tokio::test]
async fn deduplicate_before_or_after_resume() {
    let (_server, client) = serving_by("page", |page| {
        let (next, ids) = if page == 1 { ("\"/models/?page=2\"", [1, 2]) } else { ("null", [2, 3]) };
        server::json(
            200,
            format!(
                r#"{{"count": 4, "next": {next}, "results": [{{"id": {}}}, {{"id": {}}}]}}"#,
                ids[0], ids[1]
            ),
        )
    })
    .await;
    let list = || client.list_models().list_all_as::<Id>();
    let mut first = list().deduplicate(true).stream();
    assert_eq!((first.next().await.unwrap().unwrap().id, first.next().await.unwrap().unwrap().id), (1, 2));
    let checkpoint = first.checkpoint();
    assert_eq!(ids_of(&mut list().deduplicate(true).resume(checkpoint.clone()).stream()).await.0, [3]);
    assert_eq!(ids_of(&mut list().resume(checkpoint).deduplicate(true).stream()).await.0, [3]);
}

#[tokio::test]
async fn unfollowed_next_is_not_list_end() {
    let (_server, client) = serving_by("page", |_| {
        server::json(200, r#"{"count": 4, "next": "http://elsewhere.example/other/?page=2", "results": [{"id": 1}, {"id": 2}]}"#)
    })
    .await;
    let mut models = client.list_models().list_all_as::<Id>().stream();
    let (ids, error) = ids_of(&mut models).await;
    assert_eq!((ids, error.unwrap().kind()), (vec![1, 2], ErrorKind::CrossOrigin));
    // The unread items are reported as an error again.
    assert!(!models.checkpoint().is_end());
    let mut rest = client.list_models().list_all_as::<Id>().resume(models.checkpoint()).stream();
    assert_eq!(rest.next().await.unwrap().failure().kind(), ErrorKind::CrossOrigin);
}

#[tokio::test]
async fn empty_next_ends_list() {
    let (_server, client) = serving_by("page", |page| {
        let next = if page == 1 { "/models/?page=2" } else { "" };
        server::json(200, format!(r#"{{"next": "{next}", "results": [{{"id": {page}}}]}}"#))
    })
    .await;
    for deduplicate in [false, true] {
        let mut models = client.list_models().list_all_as::<Id>().deduplicate(deduplicate).stream();
        let (ids, error) = ids_of(&mut models).await;
        assert!(error.is_none() && models.report().is_complete(), "{error:?}");
        assert_eq!(ids, [1, 2]);
    }
}

#[tokio::test]
async fn skipped_page_does_not_use_up_limit() {
    let (_server, client) = serving_by("page", |page| match page {
        2 => server::json(400, r#"{"detail": "no"}"#),
        page => {
            let next = if page == 4 { "null".to_owned() } else { format!("\"/models/?page={}\"", page + 1) };
            server::json(
                200,
                format!(
                    r#"{{"count": 8, "next": {next}, "results": [{{"id": {page}0}}, {{"id": {page}1}}]}}"#
                ),
            )
        }
    })
    .await;
    let mut models = client.list_models().list_all_as::<Id>().skip_failed_pages(true).limit(4).stream();
    let (ids, error) = ids_of(&mut models).await;
    assert!(error.is_none(), "{error:?}");
    // The checkpoint doesn't skip unread items.
    assert!(!models.checkpoint().is_end(), "{ids:?}");
    assert_eq!(ids, [10, 11, 30, 31]);
}

#[tokio::test]
async fn no_anomaly_reported_beyond_limit() {
    for page in [
        r#"{"count": 4, "next": "http://elsewhere.example/other/?page=2", "results": [{"id": 1}, {"id": 2}]}"#,
        r#"{"count": 4, "next": null, "results": [{"id": 1}, {"id": 2}]}"#,
    ] {
        let (_server, client) = serving_by("page", move |_| server::json(200, page)).await;
        let (ids, error) = ids_of(&mut client.list_models().list_all_as::<Id>().limit(1).stream()).await;
        assert_eq!(ids, [1]);
        assert!(error.is_none(), "{error:?}");
        let mut models = client.list_models().list_all_as::<Id>().limit(2).stream();
        let (ids, error) = ids_of(&mut models).await;
        assert_eq!(ids, [1, 2]);
        assert!(error.is_none(), "{error:?}");
    }
}

#[tokio::test]
async fn offset_list_resumes_mid_page() {
    let (_server, client) = serving_by("offset", |offset| {
        let offset = if offset == 1 { 0 } else { offset };
        let next =
            if offset == 4 { "null".to_owned() } else { format!("\"/models/?offset={}\"", offset + 2) };
        let results = format!(r#"[{{"id": {offset}}}, {{"id": {}}}]"#, offset + 1);
        server::json(200, format!(r#"{{"count": 6, "next": {next}, "results": {results}}}"#))
    })
    .await;
    let list = || client.list_models().list_all_as::<Id>().policy(ListPolicy::Lenient);
    let mut first = list().stream();
    for id in 0..3 {
        assert_eq!(first.next().await.unwrap().unwrap().id, id);
    }
    let (ids, _) = ids_of(&mut list().resume(first.checkpoint()).stream()).await;
    assert_eq!(ids, [3, 4, 5]);
}

/// Returns a page of a list of `count` models by limit and offset, two items a page.
fn page_at(offset: u64, count: u64) -> ResponseTemplate {
    let end = count.min(offset + 2);
    let items: Vec<_> = (offset..end).map(|id| format!(r#"{{"id": {id}}}"#)).collect();
    let next = if end < count { format!("\"/models/?limit=2&offset={end}\"") } else { "null".to_owned() };
    server::json(200, format!(r#"{{"count": {count}, "next": {next}, "results": [{}]}}"#, items.join(", ")))
}

#[tokio::test]
async fn list_starting_at_offset_yields_rest() {
    let (_server, client) = serving_by("offset", |offset| page_at(offset, 7)).await;
    for offset in [2, 3, 6, 7, 9] {
        let list = || {
            client
                .list_models()
                .param("limit", 2)
                .param("offset", offset)
                .list_all_as::<Id>()
                .policy(ListPolicy::Strict)
        };
        let expected: Vec<i64> = (offset..7).collect();
        let mut models = list().stream();
        let start = models.checkpoint();
        let (ids, error) = ids_of(&mut models).await;
        assert!(error.is_none(), "{offset}: {error:?}");
        assert_eq!(ids, expected, "{offset}");
        // A resumed list and a partition give the same items.
        let mut partitions = list().partitions(2).await.unwrap();
        assert_eq!(partitions.len(), 1);
        for checkpoint in [start, partitions.remove(0).checkpoint().clone()] {
            let (ids, error) = ids_of(&mut list().resume(checkpoint).stream()).await;
            assert!(error.is_none(), "{offset}: {error:?}");
            assert_eq!(ids, expected, "{offset}");
        }
        for read in 0..expected.len() {
            let mut first = list().stream();
            for id in &expected[..read] {
                assert_eq!(first.next().await.unwrap().unwrap().id, *id);
            }
            let (ids, error) = ids_of(&mut list().resume(first.checkpoint()).stream()).await;
            assert!(error.is_none(), "{offset}, {read}: {error:?}");
            assert_eq!(ids, expected[read..], "{offset}, {read}");
        }
    }
}

#[tokio::test]
async fn missing_items_after_offset_reported() {
    let (_server, client) = serving_by("offset", |offset| match offset {
        5 => server::json(200, r#"{"count": 9, "next": null, "results": [{"id": 5}]}"#),
        offset => page_at(offset, 9),
    })
    .await;
    let mut models = client.list_models().param("offset", 3).list_all_as::<Id>().stream();
    let (ids, error) = ids_of(&mut models).await;
    assert_eq!(
        (ids, error.unwrap().list_anomaly()),
        (vec![3, 4, 5], Some(&ListAnomaly::Fewer { promised: 9, items: 6 }))
    );
}

#[tokio::test]
async fn unsupported_offset_is_plain_parameter() {
    // A list with page numbers, shorter than some of the offsets.
    let numbered = |page| {
        let next = if page == 1 { "\"/models/?offset=3&page=2\"" } else { "null" };
        server::json(
            200,
            format!(r#"{{"count": 4, "next": {next}, "results": [{{"id": {page}0}}, {{"id": {page}1}}]}}"#),
        )
    };
    for offset in [1, 3, 50] {
        let (_server, client) = serving_by("page", numbered).await;
        let mut models = client
            .list_models()
            .param("offset", offset)
            .list_all_as::<Id>()
            .policy(ListPolicy::Strict)
            .stream();
        let (ids, error) = ids_of(&mut models).await;
        assert!(error.is_none(), "{offset}: {error:?}");
        assert_eq!(ids, [10, 11, 20, 21]);
        let mut last =
            client.list_models().params(|p| p.page(2)).param("offset", offset).list_all_as::<Id>().stream();
        assert!(ids_of(&mut last).await.1.is_none());
        let one = |_| server::json(200, r#"{"count": 2, "next": null, "results": [{"id": 1}, {"id": 2}]}"#);
        let (_server, client) = serving_by("page", one).await;
        let mut models = client
            .list_models()
            .param("offset", offset)
            .list_all_as::<Id>()
            .policy(ListPolicy::Strict)
            .stream();
        let (ids, error) = ids_of(&mut models).await;
        assert!(error.is_none(), "{offset}: {error:?}");
        assert_eq!(ids, [1, 2]);
    }
}

// ---- timeouts

/// Starts a server with a list of 10 pages, each with a delay.
async fn slow_list() -> (MockServer, BackendClient) {
    serving_by("page", |page| {
        let next = if page == 10 { "null".to_owned() } else { format!("\"/models/?page={}\"", page + 1) };
        let page =
            server::json(200, format!(r#"{{"count": 10, "next": {next}, "results": [{{"id": {page}}}]}}"#));
        page.set_delay(Duration::from_millis(100))
    })
    .await
}

#[tokio::test]
async fn timed_out_list_resumes_at_checkpoint() {
    let (_server, client) = slow_list().await;
    for skip in [false, true] {
        let timeout = Duration::from_millis(500);
        let list = client.list_models().timeout(timeout).list_all_as::<Id>().concurrency(1);
        let mut models = list.skip_failed_pages(skip).policy(ListPolicy::Lenient).stream();
        let (mut ids, error) = ids_of(&mut models).await;
        let error = error.expect("ten pages take longer than the timeout");
        assert!(error.is_timeout() && error.to_string().contains("500ms"), "{error}");
        // The timeout isn't reported as a failure of that page.
        assert!(models.report().page_failures.is_empty(), "{:?}", models.report());
        let (rest, error) =
            ids_of(&mut client.list_models().list_all_as::<Id>().resume(models.checkpoint()).stream()).await;
        assert!(error.is_none(), "{error:?}");
        ids.extend(rest);
        assert_eq!(ids, (1..=10).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn client_timeout_applies_per_page() {
    let (server, _) = serving_by("page", |page| match page {
        1 => server::json(200, r#"{"count": 2, "next": "/models/?page=2", "results": [{"id": 1}]}"#),
        _ => server::json(200, r#"{"count": 2, "next": null, "results": [{"id": 2}]}"#)
            .set_delay(Duration::from_secs(10)),
    })
    .await;
    let builder = BackendClient::builder(server.uri()).retry(RetryPolicy::never());
    let client = builder.timeout(Duration::from_secs(2)).build().unwrap();
    let list = client.list_models().timeout(Duration::from_secs(3_600)).list_all_as::<Id>();
    let mut models = list.skip_failed_pages(true).policy(ListPolicy::Lenient).stream();
    let (ids, error) = ids_of(&mut models).await;
    assert!(error.is_none(), "{error:?}");
    let failures = &models.report().page_failures;
    assert!(ids == [1] && failures.len() == 1 && failures[0].error.is_timeout(), "{ids:?} {failures:?}");
}

// ---- responses that aren't pages, and checkpoints of other lists

#[tokio::test]
async fn bare_list_answer_is_no_page() {
    for text in [r#"[{"id": 1}, {"id": 2}]"#, "[]", " \n[[{\"id\": 1}], null, 1]", "\u{feff}[1"] {
        let (_server, client) = serving_by("page", move |_| server::json(200, text)).await;
        let list = || client.list_models();
        let errors = [
            list().list_all_as::<Id>().stream().next().await.unwrap().failure(),
            list().list_all_as::<Id>().deduplicate(true).stream().next().await.unwrap().failure(),
            list().list_all_raw().stream().next().await.unwrap().failure(),
            list().list_all().partitions(2).await.failure(),
        ];
        for error in errors {
            assert!(error.is_decode() && error.json_path().is_none(), "{text}: {error}");
            let message = error.to_string();
            assert!(
                message.contains("it is a JSON list, not a page")
                    && message.contains("`send_as::<Vec<…>>()`"),
                "{text}: {error}"
            );
        }
    }
    let (_server, client) = serving_by("page", |_| server::json(200, r#"[{"id": 1}, {"id": 2}]"#)).await;
    assert_eq!(client.list_models().send_as::<Vec<Id>>().await.unwrap().len(), 2);
}

#[tokio::test]
async fn forged_checkpoint_is_refused() {
    let (server, client) = serving_by("cursor", |_| {
        server::json(200, r#"{"next": "/models/?cursor=2", "results": [{"id": 1}, {"id": 2}]}"#)
    })
    .await;
    let list = || client.list_models().list_all_as::<Id>();
    let mut first = list().stream();
    first.next().await.unwrap().unwrap();
    first.next().await.unwrap().unwrap();
    let good = serde_json::to_value(first.checkpoint()).unwrap();
    let uri = server.uri();
    let link = |url: String| serde_json::json!({"link": {"url": url, "number": 2, "item": 0}});
    let page = |number: u64, item: u64| serde_json::json!({"page": {"number": number, "item": item}});
    let own = || link("/models/?cursor=2".to_owned());
    let mut forged: Vec<(&str, serde_json::Value)> = [
        format!("{uri}/models/?cursor=2"),
        "//elsewhere.example/models/?cursor=2".to_owned(),
        "/other/?cursor=2".to_owned(),
        "/models/../users/".to_owned(),
        "/models/%2e%2e/users/".to_owned(),
        format!("{uri}/other/?cursor=2"),
        format!("{uri}/models/../users/"),
        format!("{uri}/models/%2e%2e/users/"),
        format!("{uri}//models/"),
        "http://elsewhere.example/models/?cursor=2".to_owned(),
        format!("{}/models/", uri.replace("http://", "https://")),
        format!("{}/models/", uri.replace("http://", "http://user:password@")),
        format!("{}/models/", uri.replace("127.0.0.1", "127.0.0.1.evil.example")),
        format!("http://{}@elsewhere.example/models/", uri.replace("http://", "")),
        "file:///etc/passwd".to_owned(),
        "?cursor=2".to_owned(),
        String::new(),
        format!("http://{}", "x".repeat(1 << 20)),
        format!("{uri}/{}", "x".repeat(1 << 20)),
    ]
    .map(|url| ("at", link(url)))
    .into();
    forged.extend(
        [(u64::MAX, 0), (1 << 63, 0), (0, 0), (2, u64::MAX)].map(|(number, item)| ("at", page(number, item))),
    );
    forged.push(("recent", vec![7_u64; 1_000_000].into()));
    forged.push(("query", format!("list_models /models/?{}", "a=b&".repeat(5 << 19)).into()));
    forged.push(("query", "x".repeat(10 << 20).into()));
    forged.push(("version", 0.into()));
    forged.push(("version", 3.into()));
    forged.push(("repeated", u64::MAX.into()));
    forged.push(("total", u64::MAX.into()));
    forged.push(("until", 1.into()));
    server.reset().await;
    Mock::given(any()).respond_with(server::json(500, "{}")).mount(&server).await;
    for (field, value) in forged {
        let mut checkpoint = good.clone();
        checkpoint["at"] = own();
        checkpoint[field] = value;
        if field == "repeated" {
            checkpoint["offset"] = 7.into();
        }
        let checkpoint = serde_json::from_value(checkpoint).unwrap();
        assert!(format!("{checkpoint:?}").len() < 2_000);
        let error = list().resume(checkpoint).stream().next().await.unwrap().failure();
        let message = error.to_string();
        assert!(
            error.is_invalid_input() && message.contains("read the list from its beginning"),
            "{field}: {message}"
        );
        assert!(message.len() < 1_500, "{field}: {} bytes", message.len());
    }
    server::assert_nothing_sent(&server).await;
    // Deeply nested JSON isn't a checkpoint.
    let deep = format!(r#"{{"version": 1, "query": "q", "at": {}"#, r#"{"link":"#.repeat(100_000));
    assert!(serde_json::from_str::<synapse_backend_client::Checkpoint>(&deep).is_err());
}

#[tokio::test]
async fn checkpoint_mismatch_names_parameters() {
    let (server, client) = serving_by("page", |_| server::json(200, "{}")).await;
    let list = || client.list_models().params(|p| p.project(1)).param("token", secret("one"));
    let checkpoint = list().list_all().stream().checkpoint();
    for (other, message) in [
        (list().param("order", "x").params(|p| p.project(2)), "without `order`, with another `project`"),
        (list().param("token", secret("two")), "with another `token`"),
        (list().param_list("token", [""; 0]).param("project", 1), "with a `token`"),
    ] {
        let error =
            other.list_all_as::<Id>().resume(checkpoint.clone()).stream().next().await.unwrap().failure();
        assert!(
            error.is_invalid_input()
                && error.to_string().ends_with(&format!(
                    "it belongs to another query: {message}: read the list from its beginning instead"
                )),
            "{error}"
        );
    }
    let mut events = client.list_ground_truth_events().list_all().resume(checkpoint.clone()).stream();
    let error = events.next().await.unwrap().failure();
    assert!(
        error.to_string().ends_with("of `list_models`, but this is `list_ground_truth_events`: read the list from its beginning instead"),
        "{error}"
    );
    let mut moved = serde_json::to_value(&checkpoint).unwrap();
    moved["query"] = moved["query"].as_str().unwrap().replace("/models/", "/tags/").into();
    let moved = serde_json::from_value(moved).unwrap();
    let error = client.list_models().list_all().resume(moved).stream().next().await.unwrap().failure();
    assert!(error.to_string().contains("at /tags/, but this is at /models/"), "{error}");
    server::assert_nothing_sent(&server).await;
}
