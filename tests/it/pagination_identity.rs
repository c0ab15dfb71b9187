//! Lists with item identities: pages that shift, repeated ids, resumed lists.

use crate::support::ids::{Id, ids_of};
use crate::support::marker::{self, Failure};
use crate::support::server;
use serde::Deserialize;
use synapse_backend_client::types::GroundTruthEvent;
use synapse_backend_client::{BackendClient, Checkpoint, ListAnomaly, ListPolicy, ListStream, RawItem};
use synapse_test_backend::Backend;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request};

/// Starts a server with a list of these pages.
async fn list_of(
    pages: Vec<Vec<i64>>,
    count: impl Fn(u64) -> u64 + Send + Sync + 'static,
) -> (MockServer, BackendClient) {
    let server = server::start().await;
    let response = move |request: &Request| {
        let number: u64 = request
            .url
            .query_pairs()
            .find(|(name, _)| name == "page")
            .map_or(1, |(_, page)| page.parse().unwrap());
        let next = match number < pages.len() as u64 {
            true => format!("\"{}?page={}\"", request.url.path(), number + 1),
            false => "null".to_owned(),
        };
        let items: Vec<_> =
            pages[number as usize - 1].iter().map(|id| format!(r#"{{"name": "x", "id": {id}}}"#)).collect();
        let (count, items) = (count(number), items.join(", "));
        server::json(200, format!(r#"{{"count": {count}, "next": {next}, "results": [{items}]}}"#))
    };
    Mock::given(any()).respond_with(response).mount(&server).await;
    let client = server::client_of(&server);
    (server, client)
}

/// Returns five pages of a hundred items. From the third page on, each begins with the last seven items of
/// the page before: seven items were inserted before them, and seven after them were removed.
fn shifted() -> Vec<Vec<i64>> {
    let page = |number: i64| {
        let first = 100 * number - if number >= 2 { 7 } else { 0 };
        (first..first + 100).collect()
    };
    (0..5).map(page).collect()
}

const REPEATED: ListAnomaly = ListAnomaly::Repeated { page: 3, items: 7 };
const FEWER: ListAnomaly = ListAnomaly::Fewer { promised: 500, items: 493 };

#[tokio::test]
async fn shifted_page_follows_policy() {
    let (_server, client) = list_of(shifted(), |_| 500).await;
    let list = |policy| client.list_models().list_all_as::<Id>().policy(policy);
    let mut strict = list(ListPolicy::Strict).stream();
    let (ids, error) = ids_of(&mut strict).await;
    assert_eq!((ids.len(), error.unwrap().list_anomaly()), (200, Some(&REPEATED)));
    let mut complete = list(ListPolicy::Complete).stream();
    let (ids, error) = ids_of(&mut complete).await;
    let error = error.unwrap();
    assert_eq!(
        (ids.len(), error.list_anomaly(), &complete.report().anomalies),
        (500, Some(&FEWER), &vec![REPEATED])
    );
    assert!(error.to_string().contains("the list ended after 493 of 500 expected items"), "{error}");
    let mut lenient = list(ListPolicy::Lenient).stream();
    let (ids, error) = ids_of(&mut lenient).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!((ids.len(), &lenient.report().anomalies), (500, &vec![REPEATED, FEWER]));
    assert_eq!((lenient.report().identity.as_deref(), lenient.report().is_complete()), (Some("id"), false));
}

#[tokio::test]
async fn deduplicated_shifted_page_incomplete() {
    let (_server, client) = list_of(shifted(), |_| 500).await;
    for policy in [ListPolicy::Strict, ListPolicy::Complete, ListPolicy::Lenient] {
        let mut list = client.list_models().list_all_as::<Id>().policy(policy).deduplicate(true).stream();
        let (ids, error) = ids_of(&mut list).await;
        assert_eq!((ids.len(), list.report().duplicates), (493, 7));
        match error {
            Some(error) => assert_eq!(error.list_anomaly(), Some(&FEWER)),
            None => assert_eq!((&list.report().anomalies, policy), (&vec![FEWER], ListPolicy::Lenient)),
        }
        assert!(policy != ListPolicy::Lenient || !list.report().is_complete());
    }
}

#[tokio::test]
async fn shifted_page_detected_in_every_shape() {
    let (_server, client) = list_of(shifted(), |_| 500).await;
    let list = || client.list_ground_truth_events();
    let typed = list().list_all().try_collect::<Vec<GroundTruthEvent>>().await.failure();
    let raw = list().list_all_raw().try_collect::<Vec<RawItem>>().await.failure();
    let own = list().list_all_as::<Id>().try_collect::<Vec<Id>>().await.failure();
    for error in [typed, raw, own] {
        assert_eq!(error.list_anomaly(), Some(&FEWER));
    }
    let mut pages = list().list_all_raw().policy(ListPolicy::Lenient).pages();
    while let Some(page) = pages.next().await {
        page.unwrap();
    }
    assert_eq!(pages.list().report().anomalies, [REPEATED, FEWER]);
}

#[tokio::test]
async fn anomalies_span_resumed_lists() {
    let pages: Vec<Vec<i64>> = vec![vec![1, 2, 3], vec![4, 5, 6], vec![5, 6, 7], vec![8, 9, 9]];
    let (_server, client) = list_of(pages, |_| 12).await;
    for deduplicate in [false, true] {
        let yielded = if deduplicate { 9 } else { 12 };
        for stop in 0..yielded {
            for again in stop..yielded {
                let list = || {
                    client
                        .list_models()
                        .list_all_as::<Id>()
                        .deduplicate(deduplicate)
                        .policy(ListPolicy::Lenient)
                };
                let mut first = list().stream();
                for _ in 0..stop {
                    first.next().await.unwrap().unwrap();
                }
                let mut second = list().resume(sent_over(&first)).stream();
                for _ in stop..again {
                    second.next().await.unwrap().unwrap();
                }
                let mut third = list().resume(sent_over(&second)).stream();
                let (ids, error) = ids_of(&mut third).await;
                assert!(error.is_none() && ids.len() == yielded - again, "{error:?}");
                let fewer = ListAnomaly::Fewer { promised: 12, items: 9 };
                assert_eq!(third.report().anomalies.last(), Some(&fewer), "{deduplicate} {stop} {again}");
                assert!(!third.report().is_complete());
            }
        }
    }
}

/// Returns the checkpoint as another process would read it.
fn sent_over(list: &ListStream<Id>) -> Checkpoint {
    serde_json::from_str(&serde_json::to_string(&list.checkpoint()).unwrap()).unwrap()
}

#[tokio::test]
async fn old_release_checkpoint_is_resumed() {
    let (server, client) = list_of(vec![vec![1, 2, 3], vec![3, 4, 5], vec![6, 7, 8]], |_| 9).await;
    // The ids that the old release kept with deduplication, and none without it.
    let query = format!("list_models {}/models/", server.uri());
    let known =
        [1, 2, 3].map(|id: u8| (0xcbf2_9ce4_8422_2325 ^ u64::from(b'0' + id)).wrapping_mul(0x0100_0000_01b3));
    for recent in [&known[..], &[]] {
        let old = serde_json::json!({
            "version": 1, "query": query, "at": {"page": {"number": 2, "item": 0}}, "page_size": 3, "offset": 3, "total": 9,
            "recent": recent,
        });
        let list = client.list_models().list_all_as::<Id>().policy(ListPolicy::Lenient).deduplicate(true);
        let mut rest = list.resume(serde_json::from_value(old).unwrap()).stream();
        let (ids, error) = ids_of(&mut rest).await;
        assert!(error.is_none(), "{error:?}");
        let (expected, events) = match recent.is_empty() {
            true => (&[3, 4, 5, 6, 7, 8][..], vec![]),
            false => (&[4, 5, 6, 7, 8][..], vec![ListAnomaly::Fewer { promised: 9, items: 8 }]),
        };
        assert_eq!((&ids[..], &rest.report().anomalies), (expected, &events));
    }
}

#[tokio::test]
async fn page_shifted_before_resume_is_reported() {
    // Two items of the first page were removed, and two were appended. The checkpoint's offset skips two
    // unread items.
    let before = list_of(vec![vec![1, 2, 3, 4, 5, 6], vec![7, 8, 9]], |_| 9).await;
    let mut first = before.1.list_models().list_all_as::<Id>().stream();
    for _ in 0..4 {
        first.next().await.unwrap().unwrap();
    }
    let text = serde_json::to_string(&first.checkpoint()).unwrap();
    let after = list_of(vec![vec![3, 4, 5, 6, 7, 8], vec![9, 10, 11]], |_| 9).await;
    let checkpoint = serde_json::from_str(&text).unwrap();
    let mut rest = after.1.list_models().list_all_as::<Id>().resume(checkpoint).stream();
    let (ids, error) = ids_of(&mut rest).await;
    assert_eq!(ids, [7, 8, 9, 10, 11]);
    assert_eq!(error.unwrap().list_anomaly(), Some(&ListAnomaly::Fewer { promised: 9, items: 7 }));
}

#[tokio::test]
async fn growing_list_keeps_earlier_items() {
    // Two items were inserted at the start while the list was read.
    let (_server, client) =
        list_of(vec![vec![1, 2, 3], vec![2, 3, 4], vec![5, 6]], |page| if page == 1 { 6 } else { 8 }).await;
    let list = || client.list_models().list_all_as::<Id>();
    let mut models = list().stream();
    let (ids, error) = ids_of(&mut models).await;
    assert!(error.is_none() && ids.len() == 8, "{error:?}");
    assert_eq!(models.report().anomalies.len(), 2);
    let mut models = list().deduplicate(true).policy(ListPolicy::Strict).stream();
    let (ids, error) = ids_of(&mut models).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(ids, [1, 2, 3, 4, 5, 6]);
    // A resumed list gives the same items.
    for stop in 1..6 {
        let mut first = list().deduplicate(true).stream();
        for _ in 0..stop {
            first.next().await.unwrap().unwrap();
        }
        let (ids, error) = ids_of(&mut list().deduplicate(true).resume(sent_over(&first)).stream()).await;
        assert!(error.is_none() && ids.len() == 6 - stop, "{error:?}");
    }
}

#[tokio::test]
async fn partition_anomalies_by_own_items() {
    let (_server, client) =
        list_of(vec![vec![1, 2], vec![3, 4], vec![5, 6], vec![6, 7], vec![8, 9]], |_| 10).await;
    let partitions = client.list_models().list_all_as::<Id>().partitions(2).await.unwrap();
    let mut events = Vec::new();
    for partition in partitions {
        let mut part = client
            .list_models()
            .list_all_as::<Id>()
            .policy(ListPolicy::Lenient)
            .resume(partition.checkpoint().clone())
            .stream();
        assert!(ids_of(&mut part).await.1.is_none());
        events.push(part.report().anomalies.clone());
    }
    // Duplicates across partitions can't be detected.
    assert_eq!(events, [vec![], vec![]]);
    let (_server, client) = list_of(vec![vec![1, 2], vec![2, 3], vec![4, 5], vec![6, 7]], |_| 8).await;
    let partition = client.list_models().list_all_as::<Id>().partitions(2).await.unwrap().remove(0);
    let mut part = client.list_models().list_all_as::<Id>().resume(partition.checkpoint().clone()).stream();
    assert_eq!(
        ids_of(&mut part).await.1.unwrap().list_anomaly(),
        Some(&ListAnomaly::Fewer { promised: 4, items: 3 })
    );
}

// ---- identity fields

#[derive(Debug, Deserialize)]
struct Event {
    id: i64,
    pgh_id: Option<i64>,
}

#[tokio::test]
async fn events_identified_by_own_key() {
    marker::watch();
    let backend = Backend::builder().ground_truth_events(1_000).events_per_id(3).start().await.unwrap();
    let client = BackendClient::builder(backend.url()).access_token(backend.token()).build().unwrap();
    let mut events = client
        .list_ground_truth_events()
        .list_all_as::<Event>()
        .deduplicate(true)
        .policy(ListPolicy::Strict)
        .stream();
    let mut all = Vec::new();
    while let Some(event) = events.next().await {
        all.push(event.unwrap());
    }
    assert_eq!((all.len(), events.report().duplicates), (1_000, 0));
    assert!(events.report().is_complete() && events.report().identity.as_deref() == Some("pgh_id"));
    let ids: std::collections::HashSet<_> = all.iter().map(|event| event.id).collect();
    let keys: std::collections::HashSet<_> = all.iter().map(|event| event.pgh_id.unwrap()).collect();
    assert_eq!((ids.len(), keys.len()), (334, 1_000));
    let typed: Vec<GroundTruthEvent> =
        client.list_ground_truth_events().list_all().try_collect().await.unwrap();
    assert!(typed.iter().zip(&all).all(|(typed, own)| typed.pgh_id == own.pgh_id));
    // Their data and files have no identity, so no item is dropped.
    let mut data = client.list_ground_truth_events_data().list_all_as::<Id>().deduplicate(true).stream();
    assert_eq!(ids_of(&mut data).await.0.len(), 1_000);
    assert!(data.report().identity.is_none() && data.report().is_complete());
    let mut files = client.list_ground_truth_events_files().list_all_as::<Id>().deduplicate(true).stream();
    assert_eq!(ids_of(&mut files).await.0.len(), 1_000);
    assert!(files.report().identity.is_none());
    // The caller can set an identity.
    let mut data = client
        .list_ground_truth_events_data()
        .list_all_as::<Id>()
        .deduplicate(true)
        .identity(["id"])
        .stream();
    assert_eq!(ids_of(&mut data).await.0.len(), 334);
}

#[tokio::test]
async fn older_releases_identify_events_by_id() {
    let pages = || vec![vec![1, 2, 3], vec![3, 4, 5]];
    let (_server, client) = list_of(pages(), |_| 6).await;
    for (parameter, identity) in [("search", Some("id")), ("fields", None), ("omit", None)] {
        let list = client
            .list_ground_truth_events()
            .param(parameter, "id")
            .list_all_as::<Id>()
            .policy(ListPolicy::Lenient);
        let mut events = list.deduplicate(true).stream();
        let (ids, error) = ids_of(&mut events).await;
        assert!(error.is_none(), "{error:?}");
        assert_eq!(events.report().identity.as_deref(), identity);
        assert_eq!(
            (ids.len(), events.report().is_complete()),
            if identity.is_some() { (5, false) } else { (6, true) }
        );
    }
}

#[tokio::test]
async fn identity_fields_set_by_caller() {
    let (_server, client) = list_of(vec![vec![1, 2, 3], vec![3, 4, 5]], |_| 6).await;
    let list = || client.list_models().list_all_as::<Id>().policy(ListPolicy::Strict);
    for (fields, identity) in
        [(&["key", "id"][..], Some("id")), (&["name"], Some("name")), (&["key"], None), (&[], None)]
    {
        let mut models = list().identity(fields.iter().copied()).stream();
        let (ids, error) = ids_of(&mut models).await;
        assert_eq!(models.report().identity.as_deref(), identity);
        assert_eq!(
            (error.is_some(), ids.len()),
            if identity.is_some() { (true, if identity == Some("id") { 3 } else { 0 }) } else { (false, 6) }
        );
    }
    let mut none = list().identity([]).stream();
    assert!(ids_of(&mut none).await.1.is_none() && none.report().is_complete());
}

#[tokio::test]
async fn identity_from_first_nonempty_page() {
    let server = server::start().await;
    let response = |request: &Request| {
        let page = request.url.query().unwrap_or_default();
        server::json(
            200,
            match page {
                "" => r#"{"count": 6, "next": "/models/?page=2", "results": []}"#,
                "page=2" => r#"{"count": 6, "next": "/models/?page=3", "results": [{"id": 1}, {"id": 2}]}"#,
                // Items with another identity field, and then with none.
                "page=3" => {
                    r#"{"count": 6, "next": "/models/?page=4", "results": [{"id": 3, "key": 1}, {"id": 4, "key": 1}]}"#
                }
                _ => r#"{"count": 6, "next": null, "results": [{"id": null}, {"id": null}]}"#,
            },
        )
    };
    Mock::given(any()).respond_with(response).mount(&server).await;
    let list =
        server::client_of(&server).list_models().list_all_raw().identity(["key", "id"]).deduplicate(true);
    let mut models = list.policy(ListPolicy::Lenient).stream();
    let mut yielded = 0;
    while let Some(model) = models.next().await {
        model.unwrap();
        yielded += 1;
    }
    assert_eq!((yielded, models.report().identity.as_deref()), (6, Some("id")));
    assert!(models.report().is_complete(), "{:?}", models.report());
}
