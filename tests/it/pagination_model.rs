//! Lists of any length, page size, concurrency and failures, compared with the expected results.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::support::list_server::{Change, Failing, ListServer, Paging, Script, Served};
use crate::support::marker::{self, Failure};
use crate::support::soon::soon;
use proptest::prelude::*;
use serde::Deserialize;
use synapse_backend_client::{
    BackendClient, Checkpoint, ListAll, ListAnomaly, ListPolicy, ListStream, RetryPolicy, reqwest,
};

#[derive(Debug, Deserialize)]
struct Item {
    id: u64,
    #[allow(dead_code, reason = "it is decoded, or can't be")]
    name: String,
}

fn client(url: &str, retries: u32) -> BackendClient {
    marker::watch();
    let retry = RetryPolicy::new()
        .max_retries(retries)
        .initial_backoff(Duration::from_millis(1))
        .max_backoff(Duration::from_millis(1));
    BackendClient::builder(url)
        .retry(retry)
        .http(|| reqwest::ClientBuilder::new().tls_certs_only([]))
        .build()
        .unwrap()
}

fn list(client: &BackendClient, page_size: Option<i64>) -> ListAll<Item> {
    client.list_models().params(|p| page_size.into_iter().fold(p, |p, size| p.page_size(size))).list_all_as()
}

fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(soon(work))
}

fn script(count: u64, most: usize) -> Script {
    Script {
        ids: (1..=count).collect(),
        paging: Paging::Numbers,
        most,
        changes: Vec::new(),
        failures: HashMap::new(),
        broken: Vec::new(),
    }
}

/// Returns the pages in order, up to the last page or the first gap.
fn up_to_the_end(mut served: Vec<Served>) -> Vec<Served> {
    served.sort_by_key(|served| served.page);
    let gap = served.iter().zip(1..).position(|(served, page)| served.page != page).unwrap_or(served.len());
    let last = served.iter().position(|served| served.last).map_or(served.len(), |at| at + 1);
    served.truncate(gap.min(last));
    served
}

/// Returns the ids of a list up to its error, and the error.
async fn read(list: &mut ListStream<Item>) -> (Vec<u64>, Option<synapse_backend_client::Error>) {
    let mut ids = Vec::new();
    loop {
        match list.next().await {
            Some(Ok(item)) => ids.push(item.id),
            Some(Err(error)) => {
                assert!(list.next().await.is_none(), "an error is the end");
                return (ids, Some(error));
            }
            None => return (ids, None),
        }
    }
}

fn failing() -> impl Strategy<Value = Failing> {
    prop_oneof![
        Just(Failing::Status(503)),
        Just(Failing::Status(429)),
        Just(Failing::Status(500)),
        Just(Failing::Cut)
    ]
}

prop_compose! {
    fn any_script()(
        count in 0_u64..60, most in 1_usize..12, cursors in any::<bool>(),
        failures in prop::collection::hash_map(1_u64..8, prop::collection::vec(failing(), 1..3), 0..3),
    ) -> Script {
        let paging = if cursors { Paging::Cursors } else { Paging::Numbers };
        Script { paging, failures, ..script(count, most) }
    }
}

prop_compose! {
    /// Changes that all lengthen the list, or all shorten it. Other changes may cancel out undetected.
    fn any_changes()(
        grow in any::<bool>(),
        changes in prop::collection::vec((0_usize..8, 0_usize..60, 1_usize..8), 0..3),
    ) -> Vec<(usize, Change)> {
        let change = |(number, (at, place, length)): (usize, (usize, usize, usize))| {
            let ids = (0..length as u64).map(|id| 500 + 20 * number as u64 + id).collect();
            (at, if grow { Change::Insert(place, ids) } else { Change::Remove(place, length) })
        };
        changes.into_iter().enumerate().map(change).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn stable_list_complete_and_in_order(
        script in any_script(), page_size in prop::option::of(1_i64..15), concurrency in 1_usize..9, limit in prop::option::of(0_u64..70),
        deduplicate in any::<bool>(),
    ) {
        run(async {
            let server = ListServer::start(script.clone()).await;
            let client = client(&server.url, 2);
            let mut list = list(&client, page_size).concurrency(concurrency).deduplicate(deduplicate);
            if let Some(limit) = limit {
                list = list.limit(limit);
            }
            let mut list = list.stream();
            let (ids, error) = read(&mut list).await;
            prop_assert!(error.is_none(), "{error:?}");
            let wanted = limit.unwrap_or(u64::MAX).min(script.ids.len() as u64);
            prop_assert_eq!(&ids, &script.ids[..wanted as usize]);
            prop_assert!(list.report().is_complete());
            prop_assert_eq!(list.report().items, wanted);
            // Each needed page was served once, and no other page.
            let size = page_size.map_or(script.most, |size| (size as usize).min(script.most)) as u64;
            let pages = if limit == Some(0) { 0 } else { wanted.div_ceil(size).max(1) };
            let mut served: Vec<_> = server.served().iter().map(|served| served.page).collect();
            served.sort_unstable();
            prop_assert_eq!(served, (1..=pages).collect::<Vec<_>>());
            for (page, asked) in server.asked() {
                prop_assert_eq!(asked, script.failures.get(&page).map_or(0, Vec::len) + 1, "page {}", page);
            }
            prop_assert!(server.peak() <= concurrency);
            Ok(())
        })?;
    }

    #[test]
    fn changing_list_reported_by_policy(
        count in 0_u64..60, most in 1_usize..12, changes in any_changes(), concurrency in 1_usize..9,
    ) {
        run(async {
            let script = Script { changes, ..script(count, most) };
            // Strict: without an error, the ids are those of the list at one point in time.
            let server = ListServer::start(script.clone()).await;
            let mut strict = list(&client(&server.url, 0), None).concurrency(concurrency).policy(ListPolicy::Strict).stream();
            let (ids, error) = read(&mut strict).await;
            let counts: HashSet<_> = server.served().iter().map(|served| served.count).collect();
            match error {
                None => prop_assert!(ids == script.ids || ids == server.ids(), "{:?}", ids),
                Some(error) => {
                    prop_assert!(error.list_anomaly().is_some(), "{error:?}");
                    prop_assert!(counts.len() > 1 || error.is_not_found(), "{error}");
                }
            }

            // Lenient: each page's items once, in the order of the pages. A report if the counts differ.
            let server = ListServer::start(script.clone()).await;
            let mut lenient = list(&client(&server.url, 0), None).concurrency(concurrency).policy(ListPolicy::Lenient).stream();
            let (ids, error) = read(&mut lenient).await;
            prop_assert!(error.is_none(), "{error:?}");
            let served = up_to_the_end(server.served());
            let expected: Vec<_> = served.iter().flat_map(|served| served.ids.clone()).collect();
            prop_assert_eq!(&ids, &expected);
            let differ = served.iter().any(|page| page.count != served[0].count)
                || ids.len() as u64 != served[served.len() - 1].count;
            prop_assert!(!differ || !lenient.report().is_complete(), "{:?}", lenient.report());

            // Deduplicated: the same without repeated items.
            let server = ListServer::start(script.clone()).await;
            let mut unique = list(&client(&server.url, 0), None).concurrency(concurrency).policy(ListPolicy::Lenient).deduplicate(true).stream();
            let (ids, error) = read(&mut unique).await;
            prop_assert!(error.is_none(), "{error:?}");
            let served = up_to_the_end(server.served());
            let all: Vec<_> = served.iter().flat_map(|served| served.ids.clone()).collect();
            let mut seen = HashSet::new();
            let expected: Vec<_> = all.iter().copied().filter(|id| seen.insert(*id)).collect();
            prop_assert_eq!(unique.report().duplicates as usize, all.len() - expected.len());
            prop_assert_eq!(ids, expected);
            Ok(())
        })?;
    }

    #[test]
    fn list_resumed_any_number_of_times(
        script in any_script(), concurrency in 1_usize..5, stops in prop::collection::vec(0_usize..20, 0..6), deduplicate in any::<bool>(),
        broken in prop::collection::vec(1_u64..60, 0..3),
    ) {
        run(async {
            // Each broken item fails every time. The reader skips it when it resumes.
            let script = Script { broken, ..script };
            let server = ListServer::start(script.clone()).await;
            let client = client(&server.url, 0);
            let mut ids = Vec::new();
            let mut checkpoint: Option<Checkpoint> = None;
            let mut stops = stops.into_iter();
            let mut readings = 0;
            let mut skip = false;
            loop {
                readings += 1;
                prop_assert!(readings < 60);
                let mut list = list(&client, None).concurrency(concurrency).deduplicate(deduplicate).skip_failed_items(std::mem::take(&mut skip));
                if let Some(checkpoint) = checkpoint.take() {
                    // As another process would read it.
                    let text = serde_json::to_string(&checkpoint).unwrap();
                    list = list.resume(serde_json::from_str(&text).unwrap());
                }
                let mut list = list.stream();
                let stop = stops.next().unwrap_or(usize::MAX);
                let mut yielded = 0;
                let ended = loop {
                    if yielded == stop {
                        break false;
                    }
                    yielded += 1;
                    match list.next().await {
                        Some(Ok(item)) => ids.push(item.id),
                        Some(Err(error)) => {
                            // An item that can't be decoded fails again, so it is skipped.
                            skip = error.item_failure().is_some();
                            break false;
                        }
                        None => break true,
                    }
                };
                checkpoint = Some(list.checkpoint());
                if ended {
                    break;
                }
            }
            let expected: Vec<_> = script.ids.iter().copied().filter(|id| !script.broken.contains(id)).collect();
            prop_assert_eq!(ids, expected);
            prop_assert!(checkpoint.unwrap().is_end());
            Ok(())
        })?;
    }

    #[test]
    fn shifted_pages_detected_by_identity(
        count in 1_u64..60, most in 1_usize..12, concurrency in 1_usize..5, deduplicate in any::<bool>(),
        shifts in prop::collection::vec((0_usize..8, 1_usize..8, any::<bool>()), 0..3),
        stops in prop::collection::vec(0_usize..30, 0..3), policy in prop_oneof![Just(ListPolicy::Complete), Just(ListPolicy::Lenient)],
    ) {
        run(async {
            // One end gains as many items as the other end drops, so the count stays the same.
            let shift = |(number, (at, length, forward)): (usize, (usize, usize, bool))| {
                let length = length.min(count as usize);
                let ids: Vec<u64> = (0..length as u64).map(|id| 500 + 20 * number as u64 + id).collect();
                match forward {
                    true => [(at, Change::Insert(0, ids)), (at, Change::Remove(count as usize, length))],
                    false => [(at, Change::Remove(0, length)), (at, Change::Insert(usize::MAX, ids))],
                }
            };
            let changes = shifts.into_iter().enumerate().flat_map(shift).collect();
            let server = ListServer::start(Script { changes, ..script(count, most) }).await;
            let client = client(&server.url, 0);
            let mut yielded = Vec::new();
            let mut checkpoint: Option<Checkpoint> = None;
            let mut stops = stops.into_iter();
            let (complete, error) = loop {
                let mut list = list(&client, None).concurrency(concurrency).deduplicate(deduplicate).policy(policy);
                if let Some(checkpoint) = checkpoint.take() {
                    let text = serde_json::to_string(&checkpoint).unwrap();
                    list = list.resume(serde_json::from_str(&text).unwrap());
                }
                let mut list = list.stream();
                let Some(stop) = stops.next() else {
                    let (ids, error) = read(&mut list).await;
                    yielded.extend(ids);
                    break (list.report().is_complete(), error);
                };
                for _ in 0..stop {
                    match list.next().await {
                        Some(Ok(item)) => yielded.push(item.id),
                        _ => break,
                    }
                }
                checkpoint = Some(list.checkpoint());
            };
            let different: HashSet<_> = yielded.iter().copied().collect();
            let whole = different.len() as u64 == count;
            prop_assert!(whole || error.is_some() || policy == ListPolicy::Lenient, "{:?}", yielded);
            prop_assert!(whole || !complete, "{:?}", yielded);
            prop_assert!(!deduplicate || different.len() == yielded.len());
            Ok(())
        })?;
    }

    #[test]
    fn partitions_yield_every_item_once(
        count in 0_u64..80, most in 1_usize..12, parts in 1_usize..9, cursors in any::<bool>(), concurrency in 1_usize..5,
    ) {
        run(async {
            let paging = if cursors { Paging::Cursors } else { Paging::Numbers };
            let script = Script { paging, ..script(count, most) };
            let server = ListServer::start(script.clone()).await;
            let client = client(&server.url, 0);
            let partitions = list(&client, None).partitions(parts).await.unwrap();
            prop_assert!(partitions.len() <= parts);
            let pages = count.div_ceil(most as u64).max(1);
            prop_assert_eq!(partitions.len() as u64, if cursors { 1 } else { pages.min(parts as u64) });
            let mut ids = Vec::new();
            for partition in partitions {
                let text = serde_json::to_string(partition.checkpoint()).unwrap();
                let mut list = list(&client, None).concurrency(concurrency).resume(serde_json::from_str(&text).unwrap()).stream();
                let (part, error) = read(&mut list).await;
                prop_assert!(error.is_none(), "{error:?}");
                prop_assert!(list.checkpoint().is_end());
                ids.extend(part);
            }
            prop_assert_eq!(ids, script.ids);
            Ok(())
        })?;
    }

    #[test]
    fn permanent_failures_skipped_and_listed(
        count in 1_u64..60, most in 1_usize..12, concurrency in 1_usize..5,
        pages in prop::collection::hash_set(2_u64..8, 0..3), broken in prop::collection::hash_set(1_u64..60, 0..4),
    ) {
        run(async {
            let failures = pages.iter().map(|page| (*page, vec![Failing::Status(500); 100])).collect();
            let script = Script { failures, broken: broken.iter().copied().collect(), ..script(count, most) };
            let server = ListServer::start(script.clone()).await;
            let mut list = list(&client(&server.url, 1), None).concurrency(concurrency).skip_failed_pages(true).skip_failed_items(true).stream();
            let (ids, error) = read(&mut list).await;
            prop_assert!(error.is_none(), "{error:?}");
            let page_of = |id: u64| (id - 1) / most as u64 + 1;
            let expected: Vec<_> = script.ids.iter().copied().filter(|id| !pages.contains(&page_of(*id)) && !broken.contains(id)).collect();
            prop_assert_eq!(ids, expected);
            let last = page_of(count);
            let mut failed: Vec<_> = pages.iter().copied().filter(|page| *page <= last).collect();
            failed.sort_unstable();
            prop_assert_eq!(list.report().page_failures.iter().map(|failure| failure.page).collect::<Vec<_>>(), failed);
            for failure in &list.report().page_failures {
                prop_assert_eq!(failure.error.status().map(|status| status.as_u16()), Some(500));
                prop_assert!(failure.url.ends_with("/models/"));
            }
            let mut expected_failures: Vec<_> = broken.iter().copied().filter(|id| *id <= count && !pages.contains(&page_of(*id))).collect();
            expected_failures.sort_unstable();
            let reported: Vec<u64> = list.report().item_failures.iter().map(|failure| failure.id.clone().unwrap().parse().unwrap()).collect();
            prop_assert_eq!(reported, expected_failures);
            prop_assert_eq!(list.report().is_complete(), list.report().page_failures.is_empty() && list.report().item_failures.is_empty());
            Ok(())
        })?;
    }
}

#[test]
fn checkpoint_of_other_query_is_refused() {
    run(async {
        let server = ListServer::start(script(30, 10)).await;
        let client = client(&server.url, 0);
        let mut list = list(&client, Some(5)).stream();
        list.next().await.unwrap().unwrap();
        let checkpoint = list.checkpoint();
        let asked = server.asked();
        for other in [client.list_models(), client.list_models().params(|p| p.page_size(5).project(7))] {
            let mut other: ListStream<Item> = other.list_all_as().resume(checkpoint.clone()).stream();
            let error = other.next().await.unwrap().failure();
            assert!(error.is_invalid_input() && error.to_string().contains("another query"), "{error}");
            assert!(other.next().await.is_none());
        }
        assert_eq!(server.asked(), asked);
    });
}

#[test]
fn strict_list_resumes_after_change() {
    run(async {
        let changes = vec![(1, Change::Insert(60, vec![501]))];
        let server = ListServer::start(Script { changes, ..script(30, 10) }).await;
        let client = client(&server.url, 0);
        let mut first = list(&client, None).concurrency(1).policy(ListPolicy::Strict).stream();
        let (mut ids, error) = read(&mut first).await;
        let error = error.unwrap();
        assert_eq!(error.list_anomaly(), Some(&ListAnomaly::CountChanged { page: 2, before: 30, now: 31 }));
        assert!(error.to_string().contains("with the policy `Lenient` this is only reported"), "{error}");
        assert_eq!(ids.len(), 10);
        let (rest, error) =
            read(&mut list(&client, None).policy(ListPolicy::Strict).resume(first.checkpoint()).stream())
                .await;
        assert!(error.is_none(), "{error:?}");
        ids.extend(rest);
        assert_eq!(ids, server.ids());
    });
}

#[test]
fn count_change_follows_policy() {
    run(async {
        let grown = vec![(1, Change::Insert(60, vec![501]))];
        let server = ListServer::start(Script { changes: grown, ..script(30, 10) }).await;
        let mut list = list(&client(&server.url, 0), None).concurrency(1).stream();
        let (ids, error) = read(&mut list).await;
        assert!(error.is_none(), "{error:?}");
        assert_eq!(ids, server.ids());
        assert_eq!(list.report().anomalies, [ListAnomaly::CountChanged { page: 2, before: 30, now: 31 }]);

        let shrunk = vec![(2, Change::Remove(0, 10))];
        let server = ListServer::start(Script { changes: shrunk, ..script(30, 10) }).await;
        let mut list = self::list(&client(&server.url, 0), None).concurrency(1).stream();
        let (ids, error) = read(&mut list).await;
        assert_eq!(ids.len(), 20);
        assert_eq!(error.unwrap().list_anomaly(), Some(&ListAnomaly::PageGone { page: 3 }));
    });
}
