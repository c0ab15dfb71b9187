//! The file cache. Each file is downloaded once, has the expected content, and is never mixed up with a file
//! of another server or tenant.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::file_server::{FileServer, noise, ranged, response};
use crate::support::marker::{Failure, MARKER, TOKEN};
use crate::support::soon::soon;
use crate::support::tcp_server::Seen;
use crate::support::tcp_server::{Act, Server, then};
use synapse_backend_client::{BackendClient, CachedFile, ErrorKind, FileCache, RetryPolicy, UrlConverter};

const ETAG: &str = "\"one\"";

fn client(server: &FileServer) -> BackendClient {
    BackendClient::builder(server.url()).access_token(TOKEN).retry(RetryPolicy::never()).build().unwrap()
}

fn client_of_tenant(server: &FileServer, tenant: &str) -> BackendClient {
    BackendClient::builder(server.url())
        .access_token(TOKEN)
        .tenant(tenant)
        .retry(RetryPolicy::never())
        .build()
        .unwrap()
}

/// Returns a server that sends the request line as the content of each file.
async fn echoing() -> FileServer {
    FileServer::start(|_, asked| ranged(asked, asked.line.as_bytes(), ETAG, usize::MAX)).await
}

fn md5(bytes: &[u8]) -> String {
    use md5::Digest as _;
    md5::Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn content(file: &CachedFile) -> Vec<u8> {
    std::fs::read(file).unwrap()
}

/// Waits for the background thread to release dropped files.
async fn all_released(cache: &FileCache) {
    while cache.statistics().held > 0 {
        tokio::task::yield_now().await;
    }
}

/// Returns a URL with an Amazon S3 signature.
fn amazon(path: &str, signature: &str) -> String {
    format!(
        "{path}?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={MARKER}&X-Amz-Date={signature}&X-Amz-Expires=60\
         &X-Amz-SignedHeaders=host&X-Amz-Signature={signature}"
    )
}

/// Returns the total size of the files and parts in a cache, without the cache's own files.
fn bytes_on_disk(cache: &FileCache) -> u64 {
    let mut bytes = 0;
    let mut directories = vec![cache.dir().to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(&directory).unwrap().map(Result::unwrap) {
            let name = entry.file_name();
            let is_own = ["index", "lock", "lock.gate", "holders"].iter().any(|own| name == *own);
            match entry.metadata().unwrap() {
                metadata if metadata.is_dir() && !is_own => directories.push(entry.path()),
                metadata if metadata.is_file() && !is_own => bytes += metadata.len(),
                _ => {}
            }
        }
    }
    bytes
}

#[tokio::test]
async fn cached_file_stays_while_held() {
    let server = echoing().await;
    let directory = tempfile::tempdir().unwrap();
    let cache = FileCache::open(directory.path()).unwrap();
    let client = client(&server);
    let reported = Arc::new(Mutex::new(0));
    let recorder = reported.clone();
    let download = client
        .download("/media/a.png")
        .on_progress(move |progress| *recorder.lock().unwrap() = progress.bytes_received);
    let file = download.cached(&cache).await.unwrap();
    assert_eq!((file.bytes(), file.is_hit(), *reported.lock().unwrap()), (16, false, 16));
    assert_eq!(content(&file), b"GET /media/a.png");
    let again = client
        .download("/media/a.png")
        .size(16)
        .checksum(md5(b"GET /media/a.png"))
        .cached(&cache)
        .await
        .unwrap();
    assert_eq!((again.is_hit(), again.path()), (true, file.path()));
    assert_eq!(server.seen().len(), 1);
    // The file stays while one of the handles lives.
    let (clone, path) = (again.clone(), again.path().to_owned());
    drop((file, again));
    assert_eq!((cache.clear().unwrap(), path.exists()), (0, true));
    drop(clone);
    all_released(&cache).await;
    assert_eq!((cache.clear().unwrap(), path.exists()), (16, false));
    let statistics = cache.statistics();
    assert_eq!((statistics.hits, statistics.misses, statistics.files, statistics.part_bytes), (1, 1, 0, 0));
    // A data URI contains its file.
    let inline = client.download("data:image/png;base64,AAEC/w==").cached(&cache).await.unwrap();
    assert_eq!(content(&inline), [0, 1, 2, 255]);
    assert!(client.download(" data:image/png;base64,AAEC/w== ").cached(&cache).await.unwrap().is_hit());
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn concurrent_calls_download_once() {
    let server = echoing().await;
    let directory = tempfile::tempdir().unwrap();
    let cache = FileCache::open(directory.path()).unwrap();
    let client = client(&server);
    let calls = (0..8).map(|_| tokio::spawn(client.download("/media/a.png").cached(&cache).send()));
    let mut hits = 0;
    for call in calls.collect::<Vec<_>>() {
        hits += usize::from(call.await.unwrap().unwrap().is_hit());
    }
    assert_eq!((hits, server.seen().len()), (7, 1));
}

#[tokio::test]
async fn cache_key_ignores_known_signatures() {
    let server = echoing().await;
    let directory = tempfile::tempdir().unwrap();
    let cache = FileCache::open(directory.path()).unwrap();
    let client = client(&server);
    let get = async |url: String| client.download(url).cached(&cache).await.unwrap();
    let file = get(amazon("/a", "1")).await;
    let again = get(amazon("/a", "2")).await;
    assert_eq!((again.path(), again.is_hit()), (file.path(), true));
    for name in ["token", "sig", "policy", "auth", "exp", "versionId"] {
        let [one, two] = [get(format!("/a?{name}=1")).await, get(format!("/a?{name}=2")).await];
        assert_eq!(
            (content(&one), content(&two)),
            (format!("GET /a?{name}=1").into(), format!("GET /a?{name}=2").into())
        );
    }
    // If a path identifies a file, the cache can be keyed by the path.
    let cache = FileCache::builder(directory.path()).key_by_path().open().unwrap();
    let get = async |url: &str| client.download(url).cached(&cache).await.unwrap();
    assert!(!get("/b?token=1").await.is_hit());
    assert_eq!(content(&get("/b?token=2").await), b"GET /b?token=1");
}

#[tokio::test]
async fn shared_cache_separates_tenants() {
    let directory = tempfile::tempdir().unwrap();
    let cache = FileCache::open(directory.path()).unwrap();
    let mut servers = Vec::new();
    for number in 0..2 {
        let response = move |_: usize, asked: &Seen| {
            let content = format!("{number} {}", asked.header("synapse-tenant").unwrap_or("none"));
            ranged(asked, content.as_bytes(), ETAG, usize::MAX)
        };
        servers.push(FileServer::start(response).await);
    }
    let mut held = Vec::new();
    for round in 0..2 {
        for (number, server) in servers.iter().enumerate() {
            for tenant in ["a", "b"] {
                let client = client_of_tenant(server, tenant);
                let file = client.download("/media/1.png").cached(&cache).await.unwrap();
                assert_eq!(
                    (content(&file), file.is_hit()),
                    (format!("{number} Token {tenant}").into(), round == 1)
                );
                held.push(file);
            }
            // The call's header sets the tenant. The client has none.
            let download = client(server).download("/media/1.png").header("Synapse-Tenant", "Token c");
            let file = download.cached(&cache).await.unwrap();
            assert_eq!((content(&file), file.is_hit()), (format!("{number} Token c").into(), round == 1));
        }
    }
    let named = FileCache::builder(directory.path()).namespace("other").open().unwrap();
    assert!(
        !client_of_tenant(&servers[0], "a").download("/media/1.png").cached(&named).await.unwrap().is_hit()
    );
}

/// An `ETag` distinguishes the versions of one file. It doesn't distinguish files of different servers or
/// tenants.
#[tokio::test]
async fn part_resumed_only_by_own_server() {
    let directory = tempfile::tempdir().unwrap();
    let cache = FileCache::open(directory.path().join("cache")).unwrap();
    let mut servers = Vec::new();
    for number in 0..2 {
        let (file, other) = (noise(100_000, number), noise(100_000, 7 + number));
        let breaking = AtomicUsize::new(0);
        servers.push(
            FileServer::start(move |_, asked| {
                let file = if asked.header("synapse-tenant") == Some("Token b") { &other } else { &file };
                let is_first = breaking.fetch_add(1, Ordering::Relaxed) < 2;
                ranged(asked, file, ETAG, if number == 0 && is_first { 60_000 } else { usize::MAX })
            })
            .await,
        );
    }
    let target = directory.path().join("x");
    let tenant = |server: &FileServer, tenant: &str| client_of_tenant(server, tenant).download("/media/x");
    assert_eq!(tenant(&servers[0], "a").to(&target).await.failure().kind(), ErrorKind::ConnectionLost);
    assert_eq!(tenant(&servers[0], "a").cached(&cache).await.failure().kind(), ErrorKind::ConnectionLost);
    for (server, name, seed) in [(&servers[1], "a", 1), (&servers[0], "b", 7)] {
        let downloaded = tenant(server, name).to(&target).await.unwrap();
        assert_eq!(downloaded.resumed_from, 0);
        assert!(std::fs::read(&target).unwrap() == noise(100_000, seed));
        assert!(content(&tenant(server, name).cached(&cache).await.unwrap()) == noise(100_000, seed));
    }
    // The same server and tenant resume their own part.
    assert_eq!(tenant(&servers[0], "a").to(&target).await.unwrap().resumed_from, 60_000);
    assert!(content(&tenant(&servers[0], "a").cached(&cache).await.unwrap()) == noise(100_000, 0));
    let resumed = servers[0].seen().iter().filter(|asked| asked.range_start() == Some(60_000)).count();
    assert_eq!(resumed, 2);
    assert_eq!(cache.statistics().part_bytes, 0);
}

/// Lets all other tasks run until they wait for the test.
async fn let_others_run() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
        tokio::task::spawn_blocking(|| ()).await.unwrap();
    }
}

#[tokio::test]
async fn revalidation_repeats_after_drop() {
    let silent = Arc::new(tokio::sync::Notify::new());
    let state = Arc::new(AtomicUsize::new(0));
    let (at_server, asked) = (state.clone(), silent.clone());
    let server = FileServer::start(move |number, request| {
        let state = at_server.load(Ordering::Relaxed);
        let content = format!("state {state}");
        match number {
            // The announced length is more than the body.
            1 => {
                asked.notify_one();
                response("200 OK\nETag: \"x\"\nContent-Length: 100000", b"")
            }
            _ => ranged(request, content.as_bytes(), &format!("\"{state}\""), usize::MAX),
        }
    })
    .await;
    let directory = tempfile::tempdir().unwrap();
    let cache = FileCache::open(directory.path()).unwrap();
    let client = BackendClient::builder(server.url()).build().unwrap();
    drop(client.download("/x").cached(&cache).await.unwrap());
    state.store(1, Ordering::Relaxed);
    let revalidating = || tokio::spawn(client.download("/x").cached(&cache).revalidate(true).send());
    let first = revalidating();
    silent.notified().await;
    let second = revalidating();
    let_others_run().await;
    first.abort();
    let file = second.await.unwrap().unwrap();
    assert_eq!((file.is_hit(), content(&file)), (false, b"state 1".to_vec()));
}

#[tokio::test]
async fn cache_hit_does_not_wait_for_downloads() {
    let (release, held) = tokio::sync::watch::channel(false);
    let server = Server::with(move |_| {
        let held = held.clone();
        then("", move |seen| {
            let mut held = held.clone();
            async move {
                if seen.line.starts_with("GET /slow") {
                    let _ = held.wait_for(|released| *released).await;
                }
                Act::Close(response("200 OK\nContent-Length: 1", b"1"))
            }
        })
    })
    .await;
    let directory = tempfile::tempdir().unwrap();
    let open = || FileCache::open(directory.path()).unwrap();
    let (cache, other) = (open(), open());
    let client = BackendClient::builder(&server.url).build().unwrap();
    let to = client.download_to(&cache).concurrency(1);
    let slow = tokio::spawn({
        let to = to.clone();
        async move { to.convert("/slow").await.map_err(|error| error.to_string()) }
    });
    server.wait_for_requests(1).await;
    assert_eq!(server.lines(), ["GET /slow"]);
    drop(client.download("/there").cached(&other).await.unwrap());
    let there = to.convert("/there");
    soon(there).await.unwrap();
    release.send(true).unwrap();
    slow.await.unwrap().unwrap();
}

#[tokio::test]
async fn urls_of_one_key_share_one_part() {
    let file = noise(100_000, 3);
    let server = FileServer::start({
        let file = file.clone();
        move |number, asked| ranged(asked, &file, ETAG, if number == 0 { 60_000 } else { usize::MAX })
    })
    .await;
    let directory = tempfile::tempdir().unwrap();
    let open = || FileCache::builder(directory.path()).key_by_path().open().unwrap();
    let client = client(&server);
    assert_eq!(
        client.download("/x?token=1").cached(&open()).await.failure().kind(),
        ErrorKind::ConnectionLost
    );
    let resumed = client.download("/x?token=2").cached(&open()).await.unwrap();
    assert!(content(&resumed) == file);
    assert_eq!(server.seen()[1].range_start(), Some(60_000));
}

#[tokio::test]
async fn overwritten_object_is_refetched() {
    let state = Arc::new(AtomicUsize::new(0));
    let at_server = state.clone();
    let server = FileServer::start(move |_, asked| {
        let state = at_server.load(Ordering::Relaxed);
        ranged(asked, format!("state {state}").as_bytes(), &format!("\"{state}\""), usize::MAX)
    })
    .await;
    let directory = tempfile::tempdir().unwrap();
    let cache = FileCache::open(directory.path()).unwrap();
    let client = client(&server);
    let get = async |content: &str| {
        client.download("/x.txt").checksum(md5(content.as_bytes())).cached(&cache).await
    };
    let old = get("state 0").await.unwrap();
    state.store(1, Ordering::Relaxed);
    assert!(get("state 0").await.unwrap().is_hit());
    // The entry now has the digest of the new version.
    let new = get("state 1").await.unwrap();
    assert_eq!((content(&old), content(&new)), (b"state 0".to_vec(), b"state 1".to_vec()));
    assert_ne!(old.path(), new.path());
    assert_eq!(cache.statistics().files, 2);
    let path = old.path().to_owned();
    drop(old);
    while path.exists() {
        tokio::task::yield_now().await;
    }
    // If no version matches the entry, the call fails and the cached file stays.
    let error = get("state 2").await.failure();
    assert_eq!(error.kind(), ErrorKind::Download);
    assert!(get("state 1").await.unwrap().is_hit());
    let error = client.download("/x.txt").size(5).cached(&cache).await.failure();
    assert!(error.to_string().contains('5'), "{error}");
    let requests = server.seen().len();
    let sha1 = "4d0b2e5f5f2a4e7a0e6c5cfa3ff0e8f4a7f2a9d1";
    assert_eq!(
        client.download("/x.txt").checksum(sha1).cached(&cache).await.failure().kind(),
        ErrorKind::Download
    );
    assert_eq!(server.seen().len(), requests + 1);
}

#[tokio::test]
async fn revalidation_fetches_only_changes() {
    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    let state = Arc::new(Mutex::new((0, format!("ETag: \"0\"\nLast-Modified: {DATE}"))));
    let at_server = state.clone();
    let server = FileServer::start(move |_, asked| {
        let (state, validators) = at_server.lock().unwrap().clone();
        let etag = validators.lines().find_map(|line| line.strip_prefix("ETag: "));
        let modified = validators.lines().find_map(|line| line.strip_prefix("Last-Modified: "));
        let same = match asked.header("if-none-match") {
            Some(known) => Some(known) == etag,
            None => asked.header("if-modified-since").is_some_and(|known| Some(known) == modified),
        };
        match same {
            true => response(&format!("304 Not Modified\n{validators}"), b""),
            false => response(
                &format!("200 OK\n{validators}\nX-Last: 1\nContent-Length: 1"),
                format!("{state}").as_bytes(),
            ),
        }
    })
    .await;
    let set = |number: u8, validators: &str| *state.lock().unwrap() = (number, validators.to_owned());
    let asked = || {
        let last = server.seen().pop().unwrap();
        (
            server.seen().len(),
            ["if-none-match", "if-modified-since"].map(|name| last.header(name).map(str::to_owned)),
        )
    };
    let directory = tempfile::tempdir().unwrap();
    let cache = FileCache::open(directory.path()).unwrap();
    let client = client(&server);
    let get = async || {
        let file = client.download("/labels").cached(&cache).revalidate(true).await.unwrap();
        (String::from_utf8(content(&file)).unwrap(), file.is_hit())
    };
    assert_eq!(get().await, ("0".to_owned(), false));
    assert_eq!(get().await, ("0".to_owned(), true));
    assert_eq!(asked(), (2, [Some("\"0\"".to_owned()), None]));
    // A weak `ETag` is sufficient.
    set(1, "ETag: W/\"1\"");
    assert_eq!((get().await, get().await), (("1".to_owned(), false), ("1".to_owned(), true)));
    assert_eq!(asked(), (4, [Some("W/\"1\"".to_owned()), None]));
    set(2, &format!("Last-Modified: {DATE}"));
    assert_eq!((get().await, get().await), (("2".to_owned(), false), ("2".to_owned(), true)));
    assert_eq!(asked(), (6, [None, Some(DATE.to_owned())]));
    // Without validators, the whole file is requested again.
    set(3, "X-None: 1");
    assert_eq!((get().await, get().await), (("3".to_owned(), false), ("3".to_owned(), false)));
    assert_eq!(asked(), (8, [None, None]));
    // A call without `revalidate` sends no request. A matching digest makes the request unnecessary.
    set(4, "ETag: \"4\"");
    assert_eq!(content(&client.download("/labels").cached(&cache).await.unwrap()), b"3");
    let known = client.download("/labels").checksum(md5(b"3")).cached(&cache).revalidate(true).await.unwrap();
    assert!(known.is_hit());
    assert_eq!(asked().0, 8);
    // A file that is held is not changed.
    assert_eq!(get().await, ("4".to_owned(), false));
    assert_eq!(content(&known), b"3");
    drop(server);
    assert!(client.download("/labels").cached(&cache).revalidate(true).await.failure().is_connect());
}

#[tokio::test]
async fn oversized_file_stops_at_cache_limit() {
    const LIMIT: u64 = 100_000;
    let directory = tempfile::tempdir().unwrap();
    let cache = FileCache::builder(directory.path()).max_bytes(LIMIT).open().unwrap();
    for head in ["200 OK\nContent-Length: 1000000", "200 OK", "200 OK\nETag: \"one\""] {
        let server = FileServer::start(move |_, _| response(head, &noise(1_000_000, 1))).await;
        let error = client(&server).download("/large").cached(&cache).await.failure();
        assert_eq!(error.kind(), ErrorKind::BodyLimit, "{error}");
        assert!(
            error.to_string().contains("100000 bytes") && error.to_string().contains("max_bytes"),
            "{error}"
        );
        assert_eq!(bytes_on_disk(&cache), 0);
    }
    let server = echoing().await;
    let error = client(&server).download("/large").size(LIMIT + 1).cached(&cache).await.failure();
    assert!(error.to_string().contains("max_bytes"), "{error}");
    assert_eq!(server.seen().len(), 0);
    let large = format!("data:,{}", "x".repeat(LIMIT as usize + 1));
    assert!(client(&server).download(large).cached(&cache).await.failure().to_string().contains("max_bytes"));
}

#[tokio::test]
async fn partial_downloads_count_in_limit() {
    const LIMIT: u64 = 100_000;
    let server = FileServer::start(|_, asked| ranged(asked, &noise(90_000, 1), ETAG, 40_000)).await;
    let directory = tempfile::tempdir().unwrap();
    let cache = FileCache::builder(directory.path()).max_bytes(LIMIT).open().unwrap();
    // In an unknown scheme, each signature counts as a different file.
    for signature in 0..5 {
        let error = client(&server).download(format!("/x?token={signature}")).cached(&cache).await.failure();
        assert!(error.to_string().contains("40000 bytes are kept"), "{error}");
        assert!(bytes_on_disk(&cache) <= LIMIT);
        assert!(cache.statistics().part_bytes >= 40_000);
    }
    assert!(bytes_on_disk(&cache) > 0);
    cache.clear().unwrap();
    assert_eq!(bytes_on_disk(&cache), 0);
}

/// Returns a server that sends the first bytes of a file, and the rest when it is notified.
async fn stopping(size: usize, stop_at: usize, resume: Arc<tokio::sync::Notify>) -> Server {
    let file = response(&format!("200 OK\nETag: {ETAG}\nContent-Length: {size}"), &noise(size, 1));
    let (first, rest) = file.split_at(stop_at);
    let (rest, first) = (rest.to_vec(), first.to_vec());
    let next = then(first, move |_| {
        let (resume, rest) = (resume.clone(), rest.clone());
        async move {
            resume.notified().await;
            Act::Close(rest)
        }
    });
    Server::of([next]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn large_download_evicts_while_running() {
    let server = FileServer::start(|_, asked| ranged(asked, &noise(6 << 20, 2), ETAG, usize::MAX)).await;
    let directory = tempfile::tempdir().unwrap();
    let cache = FileCache::builder(directory.path()).max_bytes(8 << 20).open().unwrap();
    let client = client(&server);
    let old = client.download("/old").cached(&cache).await.unwrap();
    let path = old.path().to_owned();
    drop(old);
    all_released(&cache).await;
    let resume = Arc::new(tokio::sync::Notify::new());
    let large = stopping(7 << 20, 6 << 20, resume.clone()).await;
    let call = tokio::spawn(client.download(format!("{}/large", large.url)).cached(&cache).send());
    while path.exists() {
        tokio::task::yield_now().await;
    }
    assert!(!call.is_finished());
    resume.notify_one();
    let file = call.await.unwrap().unwrap();
    assert!(content(&file) == noise(7 << 20, 1));
    assert_eq!((cache.statistics().files, cache.statistics().bytes), (1, 7 << 20));
}

#[tokio::test(flavor = "multi_thread")]
async fn dropped_call_holds_no_lease() {
    let server = echoing().await;
    let directory = tempfile::tempdir().unwrap();
    let cache = FileCache::open(directory.path()).unwrap();
    let client = client(&server);
    // The call is dropped after any number of polls.
    for polls in 0..30 {
        let mut call = Box::pin(client.download(format!("/{polls}")).cached(&cache).send());
        for _ in 0..polls {
            let polled = futures_util::future::poll_immediate(&mut call).await;
            if polled.is_some() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(call);
    }
    all_released(&cache).await;
    // Completed files are cached, and the others are downloaded now.
    for polls in 0..30 {
        let file = client.download(format!("/{polls}")).cached(&cache).await.unwrap();
        assert_eq!(content(&file), format!("GET /{polls}").as_bytes());
    }
    all_released(&cache).await;
    assert_eq!(cache.statistics().files, 30);
    cache.clear().unwrap();
    assert_eq!(bytes_on_disk(&cache), 0);
}

/// Holds the cache's lock, as another process that hangs would.
fn locked(cache: &FileCache) -> std::fs::File {
    let lock = std::fs::File::options().write(true).open(cache.dir().join(".cache/lock")).unwrap();
    fs4::FileExt::lock(&lock).unwrap();
    lock
}

#[tokio::test]
async fn locked_cache_wait_hits_timeout() {
    let server = echoing().await;
    let directory = tempfile::tempdir().unwrap();
    let cache = FileCache::open(directory.path()).unwrap();
    let client = client(&server);
    drop(client.download("/a").cached(&cache).await.unwrap());
    all_released(&cache).await;
    let lock = locked(&cache);
    let get = || client.download("/a").timeout(Duration::from_millis(50)).cached(&cache);
    let error = get().await.failure();
    assert!(error.is_timeout() && error.to_string().contains("file cache"), "{error}");
    // A dropped call stops waiting.
    assert!(tokio::time::timeout(Duration::from_millis(50), get().send()).await.is_err());
    drop(lock);
    assert!(client.download("/a").cached(&cache).await.unwrap().is_hit());
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn conversion_checks_entry_checksum() {
    let state = Arc::new(AtomicUsize::new(0));
    let at_server = state.clone();
    let server = FileServer::start(move |_, asked| {
        let content = format!("state {}", at_server.load(Ordering::Relaxed));
        match asked.line.as_str() {
            "GET /media/x.txt" => ranged(asked, content.as_bytes(), &format!("\"{content}\""), usize::MAX),
            _ => {
                let file = format!(
                    r#"{{"url": "/media/x.txt", "size": 7, "checksum": "{}"}}"#,
                    md5(content.as_bytes())
                );
                let model = format!(r#"{{"id": 7, "name": "m", "file": {file}}}"#);
                response(
                    &format!("200 OK\nContent-Type: application/json\nContent-Length: {}", model.len()),
                    model.as_bytes(),
                )
            }
        }
    })
    .await;
    let directory = tempfile::tempdir().unwrap();
    let cache = FileCache::open(directory.path()).unwrap();
    let client = client(&server);
    let get = async || -> PathBuf {
        let call = client.request(synapse_backend_client::reqwest::Method::GET, "/models/7/");
        let model = call.url_conversion_with("file", client.download_to(&cache)).await.unwrap();
        Path::new(model["file"]["path"].as_str().unwrap()).to_owned()
    };
    let [first, again] = [get().await, get().await];
    assert_eq!(first, again);
    state.store(1, Ordering::Relaxed);
    let second = get().await;
    assert_eq!(
        (std::fs::read(&first).unwrap(), std::fs::read(&second).unwrap()),
        (b"state 0".to_vec(), b"state 1".to_vec())
    );
    let files = server.seen().iter().filter(|asked| asked.line.contains("media")).count();
    assert_eq!((files, cache.statistics().files, cache.statistics().held), (2, 2, 2));
    assert!(cache.release(&first) && cache.release(&first));
    assert!(!first.exists() && second.exists());
}
