//! A conversion holds leases for the receiver of its response only. The tests cover each way in which a
//! response ends.

use std::time::Duration;

use crate::support::marker::Failure;
use crate::support::server::{self, json, line, requests};
use serde::Deserialize;
use synapse_backend_client::{
    BackendClient, ConversionFuture, DownloadTo, FileCache, Json, ListAll, ListPolicy, ListStream, ModelFile,
    RetryPolicy, UrlConverter,
};
use wiremock::matchers::{method, path, path_regex};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

/// The fields of an item that the tests need.
#[derive(Debug, Deserialize)]
struct Entry {
    id: u64,
    file: String,
}

fn item(id: u64) -> String {
    format!(r#"{{"id": {id}, "file": "/media/{id}"}}"#)
}

fn items(ids: impl IntoIterator<Item = u64>) -> Vec<String> {
    ids.into_iter().map(item).collect()
}

/// A server of a list and its files, with a cache for the files.
struct Site {
    server: MockServer,
    client: BackendClient,
    cache: FileCache,
    _dir: tempfile::TempDir,
}

/// Returns a page as JSON.
fn page(number: usize, pages: &[Vec<String>]) -> String {
    let count: usize = pages.iter().map(Vec::len).sum();
    let next =
        if number < pages.len() { format!("\"/models/?page={}\"", number + 1) } else { "null".to_owned() };
    format!(r#"{{"count": {count}, "next": {next}, "results": [{}]}}"#, pages[number - 1].join(", "))
}

/// Serves these pages and files. `/media/hang` never completes, `/media/gone` is not found, and any other
/// file contains `abc`.
async fn site(pages: Vec<Vec<String>>) -> Site {
    site_of(move |number| page(number, &pages)).await
}

async fn site_of(text: impl Fn(usize) -> String + Send + Sync + 'static) -> Site {
    let server = server::start().await;
    let file = ResponseTemplate::new(200).set_body_bytes(b"abc");
    let hang = file.clone().set_delay(Duration::from_secs(86_400));
    Mock::given(path("/media/hang")).respond_with(hang).mount(&server).await;
    Mock::given(path("/media/gone")).respond_with(json(404, r#"{"detail": "gone"}"#)).mount(&server).await;
    Mock::given(path_regex("^/media/")).respond_with(file).mount(&server).await;
    let number = |request: &Request| {
        request
            .url
            .query_pairs()
            .find(|(name, _)| name == "page")
            .map_or(1, |(_, value)| value.parse().unwrap())
    };
    let pages = move |request: &Request| json(200, text(number(request)));
    Mock::given(path("/models/")).and(method("GET")).respond_with(pages).mount(&server).await;
    let client = server::client_of(&server);
    let dir = tempfile::tempdir().unwrap();
    let cache = FileCache::open(dir.path()).unwrap();
    Site { server, client, cache, _dir: dir }
}

impl Site {
    fn download_to(&self) -> DownloadTo {
        self.client.download_to(&self.cache)
    }

    fn list(&self) -> ListAll<Entry> {
        self.client.list_models().url_conversion_with("file", self.download_to()).list_all_as()
    }

    /// Waits until this many files are held.
    async fn until_held(&self, files: u64) {
        let until = async {
            while self.cache.statistics().held != files {
                tokio::task::yield_now().await;
            }
        };
        let held = tokio::time::timeout(Duration::from_secs(60), until).await;
        held.unwrap_or_else(|_| panic!("{} files are held, and not {files}", self.cache.statistics().held));
    }

    /// Waits until exactly these files are held, and asserts that each is held as often as it was given.
    async fn assert_held<'p>(&self, given: impl IntoIterator<Item = &'p str>) {
        let given: Vec<_> = given.into_iter().collect();
        let different = given.iter().collect::<std::collections::HashSet<_>>().len() as u64;
        self.until_held(different).await;
        // A release that is still pending would reduce the number.
        for _ in 0..20 {
            tokio::task::spawn_blocking(|| ()).await.unwrap();
            assert_eq!(self.cache.statistics().held, different);
        }
        for file in given {
            assert!(self.cache.release(file), "{file} was released");
        }
        self.until_held(0).await;
    }

    async fn assert_held_by(&self, entries: &[Entry]) {
        assert!(entries.iter().all(|entry| std::path::Path::new(&entry.file).is_file()));
        self.assert_held(entries.iter().map(|entry| &*entry.file)).await;
    }
}

async fn read(list: &mut ListStream<Entry>, items: usize) -> Vec<Entry> {
    let mut read = Vec::new();
    for _ in 0..items {
        read.push(list.next().await.unwrap().unwrap());
    }
    read
}

#[tokio::test]
async fn leases_dropped_beyond_limit() {
    let site = site(vec![items(0..10), items(10..20)]).await;
    for limit in [3, 10, 13] {
        // At the last item, before the stream ends.
        let mut list = site.list().limit(limit).stream();
        let entries = read(&mut list, limit as usize).await;
        site.assert_held_by(&entries).await;
        assert!(list.next().await.is_none());
        site.assert_held([]).await;
        assert!(list.next().await.is_none());
        let entries: Vec<Entry> = site.list().limit(limit).try_collect().await.unwrap();
        assert_eq!(entries.len(), limit as usize);
        site.assert_held_by(&entries).await;
    }
}

#[tokio::test]
async fn raw_leases_dropped_beyond_limit() {
    let site = site(vec![items(0..10)]).await;
    let list = site.client.list_models().url_conversion_with("file", site.download_to()).list_all_raw();
    let raw: Vec<_> = list.limit(4).try_collect().await.unwrap();
    let entries: Vec<_> = raw.iter().map(|item| item.decode::<Entry>().unwrap()).collect();
    assert_eq!(entries.len(), 4);
    site.assert_held_by(&entries).await;
}

#[tokio::test]
async fn prefetched_leases_end_on_drop() {
    let site = site((0..3).map(|page| items(page * 4..page * 4 + 4)).collect()).await;
    let mut list = site.list().stream();
    let entries = read(&mut list, 1).await;
    site.until_held(12).await;
    drop(list);
    site.assert_held_by(&entries).await;
}

#[tokio::test]
async fn in_flight_page_leases_end_on_drop() {
    let hang = r#"{"id": 9, "file": "/media/hang"}"#.to_owned();
    let site = site(vec![items(0..2), [items(2..4), vec![hang]].concat()]).await;
    let mut list = site.list().stream();
    let entries = read(&mut list, 1).await;
    site.until_held(4).await;
    drop(list);
    site.assert_held_by(&entries).await;
}

#[test]
fn list_dropped_after_runtime_ends_leases() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (site, mut list) = runtime.block_on(async {
        let site = site(vec![items(0..4), items(4..8)]).await;
        let list = site.list().stream();
        (site, list)
    });
    let entries = runtime.block_on(read(&mut list, 2));
    runtime.block_on(site.until_held(8));
    drop(runtime);
    drop(list);
    // Without a runtime, the release is immediate.
    assert_eq!(site.cache.statistics().held, 2);
    assert!(entries.iter().all(|entry| site.cache.release(&entry.file)));
}

#[tokio::test]
async fn deduplicated_items_hold_no_lease() {
    let again = items([1, 2]);
    let site = site(vec![items([0, 1, 2]), [again.clone(), items([3])].concat(), items([4])]).await;
    let entries: Vec<Entry> =
        site.list().policy(ListPolicy::Lenient).deduplicate(true).try_collect().await.unwrap();
    assert_eq!(entries.iter().map(|entry| entry.id).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    site.assert_held_by(&entries).await;
    // A file that is given twice is held twice.
    let entries: Vec<Entry> = site.list().policy(ListPolicy::Lenient).try_collect().await.unwrap();
    assert_eq!(entries.len(), 7);
    site.assert_held_by(&entries).await;
}

#[tokio::test]
async fn failed_items_hold_no_lease() {
    let broken = r#"{"id": "x", "file": "/media/broken"}"#.to_owned();
    let pages = vec![[items(0..2), vec![broken], items(2..4)].concat(), items(4..6)];
    let site = site(pages).await;
    let entries: Vec<Entry> = site.list().skip_failed_items(true).try_collect().await.unwrap();
    assert_eq!(entries.len(), 6);
    site.assert_held_by(&entries).await;
    let mut list = site.list().stream();
    let entries = read(&mut list, 2).await;
    let error = list.next().await.unwrap().failure();
    assert!(error.item_failure().is_some());
    site.assert_held_by(&entries).await;
    // The items collected before the error are dropped.
    assert!(site.list().try_collect::<Vec<_>>().await.is_err());
    site.assert_held([]).await;
    // With pages, the pages before the error are returned.
    let mut pages = site.list().pages();
    let entries = pages.next().await.unwrap().unwrap().items;
    assert!(pages.next().await.unwrap().is_err() && pages.next().await.is_none());
    assert_eq!(entries.len(), 2);
    site.assert_held_by(&entries).await;
}

#[tokio::test]
async fn yielded_pages_keep_leases() {
    let site = site(vec![items(0..3), items(3..6), items(6..9)]).await;
    let mut pages = site.list().limit(8).pages();
    let mut entries = pages.next().await.unwrap().unwrap().items;
    entries.extend(pages.next().await.unwrap().unwrap().items);
    assert_eq!(entries.len(), 6);
    site.until_held(9).await;
    let last = pages.next().await.unwrap().unwrap().items;
    assert_eq!(last.len(), 2);
    entries.extend(last);
    site.assert_held_by(&entries).await;
    let mut pages = site.list().pages();
    let entries = pages.next().await.unwrap().unwrap().items;
    site.until_held(9).await;
    drop(pages);
    site.assert_held_by(&entries).await;
}

#[tokio::test]
async fn failed_pages_hold_no_lease() {
    // The response is not a valid page.
    let broken =
        site_of(|_| format!(r#"{{"count": 3, "next": true, "results": [{}]}}"#, items(0..3).join(","))).await;
    assert!(broken.list().stream().next().await.unwrap().failure().is_decode());
    broken.assert_held([]).await;
    // The list changes, which the strict policy refuses.
    let changed = site_of(|number| {
        let next = if number == 1 { "\"/models/?page=2\"" } else { "null" };
        let ids = number as u64 * 2..number as u64 * 2 + 2;
        format!(r#"{{"count": {}, "next": {next}, "results": [{}]}}"#, number + 3, items(ids).join(","))
    })
    .await;
    let mut list = changed.list().policy(ListPolicy::Strict).stream();
    let entries = read(&mut list, 2).await;
    assert!(list.next().await.unwrap().failure().list_anomaly().is_some());
    changed.assert_held_by(&entries).await;
    assert!(changed.list().policy(ListPolicy::Strict).try_collect::<Vec<_>>().await.is_err());
    changed.assert_held([]).await;
    // One conversion of the page fails.
    let gone = r#"{"id": 9, "file": "/media/gone"}"#.to_owned();
    let failing = site(vec![items(0..2), [items(2..4), vec![gone]].concat()]).await;
    let mut list = failing.list().stream();
    let entries = read(&mut list, 2).await;
    assert!(list.next().await.unwrap().failure().is_url_conversion());
    failing.assert_held_by(&entries).await;
    // If the failure is skipped, the other items are not affected.
    let call = failing.client.list_models().url_conversion_with("file", failing.download_to());
    let entries: Vec<Entry> = call.skip_failed_conversions(true).list_all_as().try_collect().await.unwrap();
    assert_eq!(entries.last().unwrap().file, "/media/gone");
    failing.assert_held_by(&entries[..4]).await;
}

#[tokio::test]
async fn items_skipped_on_resume_not_leased() {
    let site = site(vec![items(0..4)]).await;
    let mut list = site.list().stream();
    let entries = read(&mut list, 3).await;
    let checkpoint = list.checkpoint();
    drop(list);
    site.assert_held_by(&entries).await;
    let entries: Vec<Entry> = site.list().resume(checkpoint).try_collect().await.unwrap();
    assert_eq!(entries.iter().map(|entry| entry.id).collect::<Vec<_>>(), [3]);
    site.assert_held_by(&entries).await;
}

#[tokio::test]
async fn dropped_collect_releases_leases() {
    let hang = r#"{"id": 9, "file": "/media/hang"}"#.to_owned();
    let site = site(vec![items(0..3), vec![hang]]).await;
    let collecting = tokio::spawn(site.list().try_collect::<Vec<_>>());
    site.until_held(3).await;
    collecting.abort();
    assert!(collecting.await.unwrap_err().is_cancelled());
    site.assert_held([]).await;
}

#[tokio::test]
async fn partitioning_converts_no_files() {
    let site = site(vec![items(0..2), items(2..4)]).await;
    let parts = site
        .client
        .list_models()
        .url_conversion_with("file", site.download_to())
        .list_all()
        .partitions(2)
        .await
        .unwrap();
    assert_eq!(parts.len(), 2);
    site.assert_held([]).await;
    assert!(!requests(&site.server).await.iter().any(|request| line(request).contains("/media/")));
}

/// Returns a site with a model 7 that has these files.
async fn model(files: &str) -> Site {
    let site = site(vec![items(0..2)]).await;
    let text = format!(
        r#"{{"id": 7, "name": "m", "model_type": "x", "project": 1, "is_active": true, "created_at": "2026-01-01T00:00:00Z", {files}}}"#
    );
    Mock::given(path("/models/7/")).respond_with(json(200, text.clone())).mount(&site.server).await;
    Mock::given(path("/models/")).and(method("POST")).respond_with(json(201, text)).mount(&site.server).await;
    site
}

#[tokio::test]
async fn single_response_holds_leases() {
    let site = model(r#""file": "/media/1", "files": [{"url": "/media/2"}, "/media/1"]"#).await;
    let call = || {
        let to = site.download_to();
        site.client.get_model(7).url_conversion_with("file", to.clone()).url_conversion_with("files", to)
    };
    let model = call().send_as::<Json>().await.unwrap();
    let files = [&model["file"], &model["files"][0]["path"], &model["files"][1]]
        .map(|file| file.as_str().unwrap().to_owned());
    assert_eq!(files[0], files[2]);
    site.assert_held(files.iter().map(|file| &**file)).await;
    assert!(call().send_as::<Vec<u64>>().await.failure().is_decode());
    site.assert_held([]).await;
    let page = site
        .client
        .list_models()
        .url_conversion_with("file", site.download_to())
        .send_as::<Json>()
        .await
        .unwrap();
    let files: Vec<_> =
        (0..2).map(|index| page["results"][index]["file"].as_str().unwrap().to_owned()).collect();
    site.assert_held(files.iter().map(|file| &**file)).await;
    // A later conversion of the same field starts from the first one's file.
    let named = call().url_conversion("file", |path| format!("file://{path}")).await.unwrap();
    let file = named.file.unwrap();
    let files = named.extra["files"].files();
    let paths = [file.as_str().strip_prefix("file://").unwrap(), files[0].path().unwrap().to_str().unwrap()];
    site.assert_held(paths.into_iter().chain(files[1].path().map(|path| path.to_str().unwrap()))).await;
    assert!(call().url_conversion_with("file", Silent(false)).await.failure().is_url_conversion());
    site.assert_held([]).await;
}

#[tokio::test]
async fn dropped_call_releases_leases() {
    let site = model(r#""file": null, "files": ["/media/1", "/media/hang", "/media/2"]"#).await;
    let call = site.client.get_model(7).url_conversion_with("files", site.download_to());
    let call = tokio::spawn(call.send());
    site.until_held(2).await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    site.assert_held([]).await;
}

#[tokio::test]
async fn created_model_file_stays_leased() {
    let site = model(r#""file": "/media/1""#).await;
    let create =
        || site.client.create_model(ModelFile::uploaded("u"), |m| m.name("n").model_type("x").project(1));
    let model = create().url_conversion_with("file", site.download_to()).await.unwrap();
    site.assert_held([model.file.unwrap().as_str()]).await;
    let failing =
        create().url_conversion_with("file", site.download_to()).url_conversion_with("file", Silent(false));
    assert!(failing.await.failure().is_url_conversion());
    site.assert_held([]).await;
}

/// A converter that never completes (`true`) or fails (`false`).
struct Silent(bool);

impl UrlConverter for Silent {
    fn convert<'u>(&'u self, _: &'u str) -> ConversionFuture<'u> {
        match self.0 {
            true => Box::pin(std::future::pending()),
            false => Box::pin(async { Err("it fails".into()) }),
        }
    }
}

/// Longer than any machine needs for a page.
const TIMEOUT: Duration = Duration::from_secs(2);

#[tokio::test]
async fn timed_out_call_releases_leases() {
    let site = model(r#""file": "/media/1", "files": ["/media/1", "/media/2", "/media/hang"]"#).await;
    let call = || site.client.get_model(7).url_conversion_with("files", site.download_to()).timeout(TIMEOUT);
    // A download that hangs, and a function that never returns after a completed download.
    let (download, function) =
        tokio::join!(call().send(), call().url_conversion_with("file", Silent(true)).send());
    for error in [download.failure(), function.failure()] {
        assert!(error.is_timeout() && error.attempts() == 1, "{error}");
        let message = error.to_string();
        assert!(
            message.starts_with("converting the URLs of the response: ")
                && message.contains("time-out for the whole"),
            "{message}"
        );
    }
    site.assert_held([]).await;
}

#[tokio::test]
async fn timed_out_page_releases_leases() {
    let hang = r#"{"id": 9, "file": "/media/hang"}"#.to_owned();
    let site = site(vec![items(0..2), vec![item(2), hang], items(3..5)]).await;
    let page_time = BackendClient::builder(site.server.uri())
        .timeout(TIMEOUT)
        .retry(RetryPolicy::new().max_retries(3))
        .build()
        .unwrap();
    let to = site.download_to();
    let whole = site
        .client
        .list_models()
        .url_conversion_with("file", to.clone())
        .timeout(TIMEOUT)
        .list_all_as::<Entry>()
        .stream();
    let each = page_time.list_models().url_conversion_with("file", to).list_all_as::<Entry>().stream();
    let until_error = async |mut list: ListStream<Entry>| {
        let entries = read(&mut list, 2).await;
        (entries, list.next().await.unwrap().failure())
    };
    let ((mut entries, whole), (more, each)) = tokio::join!(until_error(whole), until_error(each));
    for error in [&whole, &each] {
        assert!(error.is_timeout() && error.attempts() == 1, "{error}");
        assert!(error.to_string().contains("converting the URLs of the response"), "{error}");
    }
    assert!(
        whole.to_string().starts_with("page 2, within the time-out of 2s for the whole list: "),
        "{whole}"
    );
    entries.extend(more);
    site.assert_held_by(&entries).await;
}
