mod reference;

use super::*;
use crate::error::redact::secrets::Secrets;
use crate::marker::{MARKER, assert_error_hidden};

fn cdn() -> Conversions {
    let mut conversions = Conversions::default();
    for field in ["file", "files", "data_unit.files"] {
        conversions.plain(field, |url| format!("https://cdn{url}"));
    }
    conversions
}

async fn converted(text: &str, list: bool) -> String {
    apply(cdn(), text, list).await.unwrap()
}

pub(super) async fn apply(conversions: Conversions, text: &str, page: bool) -> Result<String, Error> {
    let converted = Arc::new(conversions)
        .apply(Bytes::copy_from_slice(text.as_bytes()), page.then_some("results".into()), &Secrets::NONE)
        .await?;
    Ok(String::from_utf8(converted.body.into()).unwrap())
}

#[tokio::test]
async fn non_utf8_bytes_are_preserved() {
    let body = b"\xef\xbb\xbf{\"results\": [{\"file\": \"/a\"}, {\"name\": \"\xff\", \"file\": \"/b\"}]}";
    let converted = Arc::new(cdn())
        .apply(Bytes::from_static(body), Some("results".into()), &Secrets::NONE)
        .await
        .unwrap();
    let expected =
        b"{\"results\": [{\"file\": \"https://cdn/a\"}, {\"name\": \"\xff\", \"file\": \"https://cdn/b\"}]}";
    assert_eq!(&converted.body[..], expected);
}

#[tokio::test]
async fn every_shape_converted_other_bytes_kept() {
    for (text, expected) in [
        (r#"{"file": "/a"}"#, r#"{"file": "https://cdn/a"}"#),
        (
            r#" { "x" : 1.10 , "file" : "\/a\u002fb" , "url": "/no" } "#,
            r#" { "x" : 1.10 , "file" : "https://cdn/a/b" , "url": "/no" } "#,
        ),
        (
            r#"{"files": {"one": "/1", "two": null, "n": 3}}"#,
            r#"{"files": {"one": "https://cdn/1", "two": null, "n": 3}}"#,
        ),
        (
            r#"{"files": {"one": {"url": "/1", "size": 1e2, "name": "x"}, "two": {"size": 0}}}"#,
            r#"{"files": {"one": {"url": "https://cdn/1", "size": 1e2, "name": "x"}, "two": {"size": 0}}}"#,
        ),
        (
            r#"{"files": [{"url": "/1", "name": "n"}, "/2", null, {"url": null, "name": "/no"}, {"name": "/no"}]}"#,
            r#"{"files": [{"url": "https://cdn/1", "name": "n"}, "https://cdn/2", null, {"url": null, "name": "/no"}, {"name": "/no"}]}"#,
        ),
        // For objects in a list, only their values show that they map names to URLs.
        (
            r#"{"files": [{"a": "/1", "b": null}, {"c": "https://h/2"}, {"d": "/3", "name": "x"}, {"e": "text"}]}"#,
            r#"{"files": [{"a": "https://cdn/1", "b": null}, {"c": "https://cdnhttps://h/2"}, {"d": "/3", "name": "x"}, {"e": "text"}]}"#,
        ),
        (r#"{"files": {"url": "/1", "name": "n"}}"#, r#"{"files": {"url": "https://cdn/1", "name": "n"}}"#),
        (
            r#"{"data_unit": [{"files": {"a": "/1"}}, {"files": "/2"}]}"#,
            r#"{"data_unit": [{"files": {"a": "https://cdn/1"}}, {"files": "https://cdn/2"}]}"#,
        ),
        (r#"{"file": null, "files": 7, "data_unit": 12}"#, r#"{"file": null, "files": 7, "data_unit": 12}"#),
        (
            r#"{"odd": "\ud83d", "n": 1e999, "file": "/a"}"#,
            r#"{"odd": "\ud83d", "n": 1e999, "file": "https://cdn/a"}"#,
        ),
        ("not json", "not json"),
        ("[]", "[]"),
    ] {
        assert_eq!(converted(text, false).await, expected);
    }
}

#[tokio::test]
async fn page_is_converted_item_by_item() {
    let text = r#"{"count": 2, "file": "/page", "results": [ {"id": 1, "file": "/a"}, {"id": 2}, {"id": 3, "file": "/b"} ]}"#;
    let expected = r#"{"count": 2, "file": "/page", "results": [ {"id": 1, "file": "https://cdn/a"}, {"id": 2}, {"id": 3, "file": "https://cdn/b"} ]}"#;
    assert_eq!(converted(text, true).await, expected);
    assert_eq!(converted(r#"{"results": null}"#, true).await, r#"{"results": null}"#);
}

#[tokio::test]
async fn converter_failure_names_item_and_field() {
    struct Failing;
    impl UrlConverter for Failing {
        fn convert<'u>(&'u self, _: &'u str) -> ConversionFuture<'u> {
            Box::pin(async { Err("disk full".into()) })
        }
    }
    let mut conversions = Conversions::default();
    conversions.with("file", Failing);
    let page = format!(r#"{{"results": [{{"id": 7, "file": "https://h/x?sig={MARKER}"}}]}}"#);
    let error = apply(conversions, &page, true).await.unwrap_err();
    assert_error_hidden(&error);
    assert_eq!(error.to_string(), "url_conversion of `file` of the item with id 7: https://h/x?…: disk full");
}

#[test]
fn empty_path_segment_is_refused() {
    let mut conversions = Conversions::default();
    conversions.plain("a..b", str::to_owned);
    assert_eq!(conversions.problems().count(), 1);
}

/// Puts `x` before a URL, and replaces its key with `path`.
struct Local;

impl UrlConverter for Local {
    fn convert<'u>(&'u self, url: &'u str) -> ConversionFuture<'u> {
        Box::pin(async move { Ok(format!("x{url}")) })
    }

    fn key(&self) -> &'static str {
        "path"
    }
}

#[tokio::test]
async fn deep_text_converted_or_unchanged() {
    for depth in [20_000, 2_000_000] {
        for open in ["[", "{\"a\":", "{\"files\":", "[{\"a\":[", "[}"] {
            let deep = open.repeat(depth / open.len());
            for text in [
                deep.clone(),
                format!("{{\"files\":{deep}"),
                format!("{{\"data_unit\":{deep}"),
                format!("{{\"results\":{deep}"),
                format!("{{\"results\":[{{\"files\":[\"/a\",{deep}"),
            ] {
                assert!(converted(&text, false).await == text);
                assert!(converted(&text, true).await == text);
            }
        }
        let depth = depth.min(100_000);
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        let (objects, ends) = ("{\"b\":".repeat(depth), "}".repeat(depth));
        for template in [
            "{\"files\":§}",
            "{\"data_unit\":{\"files\":§}}",
            "{\"x\":§,\"files\":\"/a\",\"y\":§}",
            "{\"x\":{§:1},\"files\":\"/a\"}",
        ] {
            let filled = |url: &str| match template.contains(":1") {
                true => template.replace("{§:1}", &format!("{objects}1{ends}")).replace("/a", url),
                false => template
                    .replace('§', &format!("{open}\"/a\"{close}"))
                    .replace("\"files\":\"/a\"", &format!("\"files\":\"{url}\"")),
            };
            let (text, mut expected) = (filled("/a"), filled("https://cdn/a"));
            if !template.contains("/a") {
                expected = expected.replace("/a", "https://cdn/a");
            }
            assert!(converted(&text, false).await == expected);
            let (page, expected) =
                (format!("{{\"results\":[{text}]}}"), format!("{{\"results\":[{expected}]}}"));
            assert!(converted(&page, true).await == expected);
        }
        // Lists on the path.
        let way = |url: &str| format!("{{\"data_unit\":{open}{{\"files\":\"{url}\"}}{close}}}");
        assert!(converted(&way("/a"), false).await == way("https://cdn/a"));
    }
}

#[tokio::test]
async fn malformed_body_is_left_to_decoder() {
    for (text, expected) in [
        ("{\"file\": \"/a\"", None),
        ("{\"file\": \"/a\"]", None),
        ("{\"file\": \"/a\"} x", None),
        ("{\"file\" \"/a\"}", None),
        ("{\"file\": \"/a", None),
        ("\u{feff}\u{feff}{\"file\": \"/a\"}", None),
        ("\u{feff}{\"file\": 7}", None),
        ("\u{feff}{\"file\": \"/a\"}", Some("{\"file\": \"https://cdn/a\"}")),
        ("{\"file\": \"/\\ud83d\"}", Some("{\"file\": \"https://cdn/\u{fffd}\"}")),
        ("\"/a\"", None),
        ("null", None),
        ("", None),
    ] {
        assert_eq!(converted(text, false).await, expected.unwrap_or(text));
    }
    for (page, expected) in [
        (
            "{\"results\": [{\"file\": \"/a\"}], \"results\": [{\"file\": \"/b\"}]}",
            Some(
                "{\"results\": [{\"file\": \"https://cdn/a\"}], \"results\": [{\"file\": \"https://cdn/b\"}]}",
            ),
        ),
        ("{\"results\": {\"file\": \"/a\"}}", None),
        ("{\"results\": [1, \"/a\", null, [], [\"/b\"], true, {}]}", None),
        ("[{\"file\": \"/a\"}]", None),
        ("{\"x\": {\"results\": [{\"file\": \"/a\"}]}}", None),
    ] {
        assert_eq!(converted(page, true).await, expected.unwrap_or(page));
    }
    let body = Bytes::from_static(b"{\"file\": \"/\xff\"}");
    assert_eq!(Arc::new(cdn()).apply(body.clone(), None, &Secrets::NONE).await.unwrap().body, body);
}

#[tokio::test]
async fn overlapping_paths_see_earlier_writes() {
    let metrics = r#"{"metrics":{"path":"/x","url":"/media/a"}}"#;
    for (text, paths, expected) in [
        (metrics, &["metrics", "metrics.path"][..], r#"{"metrics":{"path":"xx/media/a"}}"#),
        (metrics, &["metrics.path", "metrics"], r#"{"metrics":{"path":"x/media/a"}}"#),
        (metrics, &["metrics.url", "metrics.path"], r#"{"metrics":{"path":"xx/media/a"}}"#),
        // What replaces a file's URL is the file's URL.
        (metrics, &["metrics", "metrics"], r#"{"metrics":{"path":"xx/media/a"}}"#),
        (metrics, &["metrics", "metrics.url"], r#"{"metrics":{"path":"xx/media/a"}}"#),
        (metrics, &["metrics.url", "metrics", "metrics.0.url"], r#"{"metrics":{"path":"xx/media/a"}}"#),
        (r#"{"a":{"url":"/1","url":"/2"}}"#, &["a"], r#"{"a":{"path":"x/1","path":"x/2"}}"#),
        (r#"{"a":{"url":"/1","url":"/2"}}"#, &["a", "a.url"], r#"{"a":{"path":"xx/1","path":"xx/2"}}"#),
        (r#"{"a":{"url":"/1","url":"/2"}}"#, &["a.url", "a"], r#"{"a":{"path":"xx/1","path":"xx/2"}}"#),
        (
            r#"{"files":{"image":{"url":"/1","checksum":"c","name":"n"}}}"#,
            &["files", "files.image", "files"],
            r#"{"files":{"image":{"path":"xxx/1","checksum":"c","name":"n"}}}"#,
        ),
        (r#"{"file":"/1","files":["/2"]}"#, &["file", "files", "file"], r#"{"file":"xx/1","files":["x/2"]}"#),
        (r#"{"a":{"ur\u006c":"/1","p\u0061th":"/old"}}"#, &["a"], r#"{"a":{"path":"x/1"}}"#),
        (
            r#"{"a":{"path":1,"n":2,"path":3,"url":"/1","path":4,"path":5}}"#,
            &["a"],
            r#"{"a":{"n":2,"path":"x/1"}}"#,
        ),
        (r#"{"a":{"path":1,"path":2,"url":"/1","n":3}}"#, &["a.url"], r#"{"a":{"path":"x/1","n":3}}"#),
        (r#"{"a":{"path":{"url":"/2"},"url":"/1"}}"#, &["a.path", "a"], r#"{"a":{"path":"x/1"}}"#),
        (r#"{"a":{"path":{"url":"/2"},"url":"/1"}}"#, &["a", "a.path"], r#"{"a":{"path":"xx/1"}}"#),
        (
            r#"{"files":[{"url":"/1"},{"url":"/2"}]}"#,
            &["files", "files.0.url"],
            r#"{"files":[{"path":"xx/1"},{"path":"x/2"}]}"#,
        ),
        (
            r#"{"files":{"image":{"url":"/1"}}}"#,
            &["files", "files.0.url", "files.image"],
            r#"{"files":{"image":{"path":"xx/1"}}}"#,
        ),
        (
            r#"{"files":{"image":"/1"}}"#,
            &["files", "files.0.url", "files.image"],
            r#"{"files":{"image":"xx/1"}}"#,
        ),
        // What a conversion writes doesn't have to look like a URL.
        (r#"{"files":[{"a":"/1","b":"x"}]}"#, &["files.a", "files"], r#"{"files":[{"a":"x/1","b":"x"}]}"#),
        (r#"{"files":[{"a":"/1"}]}"#, &["files.a", "files"], r#"{"files":[{"a":"xx/1"}]}"#),
        (
            r#"{"files":[{"name":"/1","a":"/2"}]}"#,
            &["files.name", "files"],
            r#"{"files":[{"name":"xx/1","a":"x/2"}]}"#,
        ),
        (r#"{"files":[{"a":"/1"}]}"#, &["files", "files.a"], r#"{"files":[{"a":"xx/1"}]}"#),
        (r#"{"url":"/1","path":{"url":"/2"}}"#, &["url", "path"], r#"{"path":"xx/1"}"#),
    ] {
        let mut conversions = Conversions::default();
        paths.iter().for_each(|path| conversions.with(path, Local));
        assert_eq!(apply(conversions, text, false).await.unwrap(), expected, "{text} {paths:?}");
    }
}

#[test]
fn disjoint_fields_share_a_batch() {
    for (paths, expected) in [
        (&["file", "files", "data_unit.files", "data_unit.image"][..], vec![(0, 4)]),
        (&["a", "a.b", "c"], vec![(0, 1), (1, 3)]),
        (&["a.0.b", "a.1.c", "a.b"], vec![(0, 2), (2, 3)]),
        (&["a.url", "a.path"], vec![(0, 1), (1, 2)]),
        (&["url", "b"], vec![(0, 1), (1, 2)]),
        (&[], vec![]),
    ] {
        let mut conversions = Conversions::default();
        paths.iter().for_each(|path| conversions.plain(path, str::to_owned));
        let batches: Vec<_> = conversions.batches().iter().map(|batch| (batch.start, batch.end)).collect();
        assert_eq!(batches, expected, "{paths:?}");
    }
}

#[tokio::test]
async fn batched_fields_run_concurrently() {
    struct Together(Arc<tokio::sync::Barrier>);
    impl UrlConverter for Together {
        fn convert<'u>(&'u self, url: &'u str) -> ConversionFuture<'u> {
            Box::pin(async move {
                self.0.wait().await;
                Ok(url.to_owned())
            })
        }
    }
    let barrier = Arc::new(tokio::sync::Barrier::new(2));
    let mut conversions = Conversions::default();
    ["b", "a"].iter().for_each(|path| conversions.with(path, Together(barrier.clone())));
    let text = r#"{"a": "/1", "b": {"url": "/2"}}"#;
    assert_eq!(apply(conversions, text, false).await.unwrap(), text);
}

#[tokio::test]
async fn conversion_failures_are_bounded() {
    struct Failing;
    impl UrlConverter for Failing {
        fn convert<'u>(&'u self, url: &'u str) -> ConversionFuture<'u> {
            Box::pin(async move { Err(format!("no\n{}", url.get(..49).unwrap_or(url).repeat(1000)).into()) })
        }
    }
    let long = "é".repeat(500_000);
    let urls = vec!["\"https://h/a\\nb?sig=MARK\""; 1000].join(",").replace("MARK", MARKER);
    let text = format!("{{\"id\": \"{long}\", \"files\": [\"/{long}\", {urls}]}}");
    let (reported, count) = (Arc::new(std::sync::atomic::AtomicUsize::new(0)), 1001);
    let mut conversions = Conversions { skip_failed: true, ..Conversions::default() };
    let seen = reported.clone();
    conversions.on_failure = Some(Arc::new(move |failure| {
        let shown = format!("{failure} {failure:?}");
        assert!(shown.len() < 4096 && !shown.contains(MARKER) && !shown.contains('\n'), "{shown}");
        seen.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }));
    conversions.with("files", Failing);
    conversions.with(&"files.x".repeat(10_000), Failing);
    let conversions = Arc::new(conversions);
    let converted = conversions.apply(text.clone().into(), None, &Secrets::NONE).await.unwrap();
    assert!(converted.body == text);
    let kept = converted.unconverted.kept;
    assert_eq!(
        (
            reported.load(std::sync::atomic::Ordering::Relaxed),
            kept.len() as u64 + converted.unconverted.omitted
        ),
        (count, 1001)
    );
    assert!(format!("{kept:?}").len() < 1 << 20 && kept.len() == 100);
    assert!(kept[0].item_id.as_ref().unwrap().ends_with('…'));
    let error =
        apply(Conversions { skip_failed: false, on_failure: None, ..(*conversions).clone() }, &text, false)
            .await
            .unwrap_err();
    assert!(error.to_string().len() <= 4096);
    let mut strict = Conversions { strict: true, ..Conversions::default() };
    strict.plain(&"x".repeat(10_000), str::to_owned);
    assert!(apply(strict, &text, false).await.unwrap_err().to_string().len() <= 4096);
}

#[test]
fn item_id_is_shown_shortened() {
    for (id, shown) in [
        ("7", "7".to_owned()),
        ("\"a-b\"", "a-b".to_owned()),
        ("{\"a\": [1]}", "{\"a\": [1]}".to_owned()),
        ("null", "null".to_owned()),
        (&format!("\"{}\"", "x".repeat(64)), "x".repeat(64)),
        (&format!("\"{}\"", "x".repeat(65)), "x".repeat(64) + "…"),
        (&"1".repeat(10_000), "1".repeat(64) + "…"),
    ] {
        let text = format!("{{\"id\":{id},\"n\":1}}");
        assert_eq!(failure::shown_id(&text, std::num::NonZeroUsize::new(6)), Some(shown), "{id}");
    }
}

#[tokio::test]
async fn many_urls_yield_to_other_tasks() {
    let mut conversions = Conversions::default();
    conversions.plain("files", str::to_owned);
    let conversions = Arc::new(conversions);
    let text = Bytes::from(format!("{{\"files\": [{}]}}", vec!["\"a\""; 10_000].join(",")));
    let mut turns = 0;
    let mut converting = std::pin::pin!(conversions.apply(text.clone(), None, &Secrets::NONE));
    let converted = std::future::poll_fn(|context| {
        turns += 1;
        converting.as_mut().poll(context)
    });
    assert_eq!(converted.await.unwrap().body, text);
    assert!(turns > 10, "{turns}");
}

#[tokio::test]
async fn chain_keeps_the_last_key() {
    struct Keyed(&'static str);
    impl UrlConverter for Keyed {
        fn convert<'u>(&'u self, url: &'u str) -> ConversionFuture<'u> {
            Box::pin(async move { Ok(format!("{}({url})", self.0)) })
        }

        fn key(&self) -> &'static str {
            self.0
        }
    }
    let text = r#"{"file": "/1", "files": [{"size": 3, "url": "/2", "a": 1, "path": "/old"}, "/3"]}"#;
    for (keys, file) in [
        (&["url", "path"][..], r#"{"size": 3, "path": "path(url(/2))", "a": 1}"#),
        (&["path", "url"], r#"{"size": 3, "path": "url(path(/2))", "a": 1}"#),
        (&["path", "a"], r#"{"size": 3, "a": "a(path(/2))"}"#),
        (&["path", "path"], r#"{"size": 3, "path": "path(path(/2))", "a": 1}"#),
        (&["a", "path", "url"], r#"{"size": 3, "path": "url(path(a(/2)))"}"#),
    ] {
        let mut conversions = Conversions::default();
        for field in ["files", "file"] {
            keys.iter().for_each(|key| conversions.with(field, Keyed(key)));
        }
        let chained = |url: &str| keys.iter().fold(url.to_owned(), |url, key| format!("{key}({url})"));
        let expected = format!(r#"{{"file": "{}", "files": [{file}, "{}"]}}"#, chained("/1"), chained("/3"));
        assert_eq!(apply(conversions, text, false).await.unwrap(), expected, "{keys:?}");
    }
}

#[tokio::test]
async fn strict_conversion_refuses_non_url() {
    let refused = |field: &str, text: &str| {
        let mut conversions = Conversions { strict: true, ..Conversions::default() };
        conversions.plain(field, |_| panic!("the function was called with a text that isn't a URL"));
        let text = format!(r#"{{"results": [{{"id": 7, "created_at": {text}}}]}}"#);
        async move { apply(conversions, &text, true).await.unwrap_err().to_string() }
    };
    for (text, shown) in [
        (r#""2026-01-01T00:00:00Z""#, "2026-01-01T00:00:00Z"),
        (r#""a\ntext""#, "a text"),
        (r#""media/x.png""#, "media/x.png"),
        (r#""""#, ""),
        (r#"["/a", "b"]"#, "b"),
        (r#"{"a": "/a", "note": "b"}"#, "b"),
        (r#"{"a": {"url": "b"}}"#, "b"),
        (r#"{"url": "b", "name": "/a"}"#, "b"),
    ] {
        let error = refused("created_at", text).await;
        let expected = format!(
            "url_conversion: `created_at` of the item with id 7 isn't a file field: it contains `{shown}`, which isn't a URL, \
             a path that begins with `/`, or a `data:` URI"
        );
        assert_eq!(error, expected, "{text}");
    }
    let long =
        refused("created_at", &format!(r#""see https://h/x?sig={MARKER} {}""#, "é".repeat(1 << 20))).await;
    assert!(long.len() < 400 && long.contains("`see https://h/x?…"), "{long}");
    crate::marker::assert_hidden("a text", &long);
    // A value that isn't a text isn't a file field either.
    assert!(refused("created_at", "7").await.ends_with("it contains no URL"));
}

#[tokio::test]
async fn strict_chain_may_write_any_text() {
    for (text, paths) in [
        (r#"{"file":"/1"}"#, &["file", "file"][..]),
        (r#"{"files":[{"url":"/1"},"/2"]}"#, &["files", "files", "files.0.url"]),
        (r#"{"files":{"a":"/1","b":"https://h/2"}}"#, &["files.a", "files"]),
        (r#"{"metrics":{"path":"old text","url":"/1"}}"#, &["metrics", "metrics.path"]),
    ] {
        let conversions = |strict| {
            let mut conversions = Conversions { strict, ..Conversions::default() };
            paths.iter().for_each(|path| conversions.with(path, Local));
            conversions
        };
        let expected = apply(conversions(false), text, false).await.unwrap();
        assert_eq!(apply(conversions(true), text, false).await.unwrap(), expected, "{paths:?}");
    }
    // The server's texts beside it are still checked.
    let mut conversions = Conversions { strict: true, ..Conversions::default() };
    ["files.a", "files"].iter().for_each(|path| conversions.with(path, Local));
    let error = apply(conversions, r#"{"files":{"a":"/1","b":"text"}}"#, false).await.unwrap_err();
    assert!(error.to_string().contains("`files` isn't a file field: it contains `text`"), "{error}");
}

/// The texts that a converter returned, and those that were discarded.
#[derive(Default, Clone)]
pub(super) struct Ledger(Arc<std::sync::Mutex<(Vec<String>, Vec<String>)>>);

impl Ledger {
    pub(super) fn give(&self, text: &str) {
        self.0.lock().unwrap().0.push(text.to_owned());
    }

    pub(super) fn discard(&self, text: &str) {
        self.0.lock().unwrap().1.push(text.to_owned());
    }

    /// The texts that were returned and not discarded; only a text that was returned can be discarded.
    pub(super) fn kept(&self) -> Vec<String> {
        let (mut given, discarded) = self.0.lock().unwrap().clone();
        for text in discarded {
            let at = given
                .iter()
                .position(|given| *given == text)
                .unwrap_or_else(|| panic!("{text} wasn't given"));
            given.remove(at);
        }
        given.sort();
        given
    }
}

/// Puts `x` before a URL, and keeps a ledger. Fails for some URLs, and never completes for others.
struct Holding(Ledger);

impl UrlConverter for Holding {
    fn convert<'u>(&'u self, url: &'u str) -> ConversionFuture<'u> {
        Box::pin(async move {
            match url {
                "/never" => std::future::pending().await,
                "/bad" => Err("bad".into()),
                _ => {
                    let text = format!("x{url}");
                    self.0.give(&text);
                    Ok(text)
                }
            }
        })
    }

    fn key(&self) -> &'static str {
        "path"
    }

    fn holds_resources(&self) -> bool {
        true
    }

    fn discarded(&self, converted: &str) {
        self.0.discard(converted);
    }
}

fn holding(paths: &[&str]) -> (Conversions, Ledger) {
    let (mut conversions, ledger) = (Conversions::default(), Ledger::default());
    paths.iter().for_each(|path| conversions.with(path, Holding(ledger.clone())));
    (conversions, ledger)
}

#[tokio::test]
async fn undelivered_texts_follow_items() {
    let page = r#"{"results": [{"file": "/0"}, {"file": "/1", "files": ["/1b", {"url": "/1c"}]}, {}, {"files": "/3"}, "/4", {"file": "/5"}]}"#;
    let of = async |paths: &[&str]| {
        let (conversions, ledger) = holding(paths);
        let converted =
            Arc::new(conversions).apply(page.into(), Some("results".into()), &Secrets::NONE).await.unwrap();
        (converted.undelivered, ledger)
    };
    let (mut undelivered, ledger) = of(&["files", "file"]).await;
    assert_eq!(ledger.kept(), ["x/0", "x/1", "x/1b", "x/1c", "x/3", "x/5"]);
    undelivered.discard_before(0);
    undelivered.discard_before(1);
    assert_eq!(ledger.kept(), ["x/1", "x/1b", "x/1c", "x/3", "x/5"]);
    undelivered.deliver(1, None);
    undelivered.deliver(2, None);
    assert_eq!((ledger.kept().len(), undelivered.is_empty()), (5, false));
    drop(undelivered);
    assert_eq!(ledger.kept(), ["x/1", "x/1b", "x/1c"]);
    // The caller never receives an item that was skipped.
    let (mut undelivered, ledger) = of(&["files", "file"]).await;
    undelivered.deliver(3, None);
    undelivered.delivered();
    assert_eq!(ledger.kept(), ["x/3", "x/5"]);
    // Each converter of a chain is notified of the texts that it returned.
    let (mut undelivered, ledger) = of(&["file", "file"]).await;
    undelivered.deliver(0, None);
    undelivered.deliver(1, None);
    drop(undelivered);
    assert_eq!(ledger.kept(), ["x/0", "x/1", "xx/0", "xx/1"]);
    // The caller receives collected items as a whole, or not at all.
    for whole in [true, false] {
        let (mut undelivered, ledger) = of(&["file"]).await;
        let mut collected = Undelivered::default();
        undelivered.deliver(0, Some(&mut collected));
        undelivered.deliver(1, Some(&mut collected));
        drop(undelivered);
        assert_eq!(ledger.kept(), ["x/0", "x/1"]);
        if whole {
            collected.delivered()
        } else {
            drop(collected)
        }
        assert_eq!(ledger.kept().len(), if whole { 2 } else { 0 });
    }
}

#[tokio::test]
async fn interrupted_conversion_keeps_nothing() {
    let apply = |text: &str, paths: &[&str], set: fn(&mut Conversions)| {
        let (mut conversions, ledger) = holding(paths);
        set(&mut conversions);
        let (conversions, body) = (Arc::new(conversions), Bytes::copy_from_slice(text.as_bytes()));
        (async move { conversions.apply(body, None, &Secrets::NONE).await }, ledger)
    };
    let keep = |_: &mut Conversions| {};
    let (failing, ledger) = apply(r#"{"files": ["/1", "/2", "/bad"]}"#, &["files"], keep);
    assert!(failing.await.is_err() && ledger.kept().is_empty());
    // A later conversion fails after those before it are done, or a strict one fails while it searches.
    let mut fails_later = holding(&["files"]);
    fails_later.0.plain("files", |url| url.replace("x/2", "/bad"));
    fails_later.0.with("files", Holding(fails_later.1.clone()));
    let text: Bytes = r#"{"files": ["/1", "/2"]}"#.into();
    assert!(
        Arc::new(fails_later.0).apply(text, None, &Secrets::NONE).await.is_err()
            && fails_later.1.kept().is_empty()
    );
    let (strict, ledger) =
        apply(r#"{"files": {"a": "/1", "b": "text"}}"#, &["files.a", "files"], |all| all.strict = true);
    assert!(strict.await.is_err() && ledger.kept().is_empty());
    // Dropped.
    let (hanging, ledger) = apply(r#"{"files": ["/1", "/never", "/2"]}"#, &["files"], keep);
    {
        let mut hanging = std::pin::pin!(hanging);
        assert!(futures_util::poll!(&mut hanging).is_pending());
        assert_eq!(ledger.kept(), ["x/1", "x/2"]);
    }
    assert!(ledger.kept().is_empty());
    // Skipped failures don't affect the other URLs.
    let (skipping, ledger) = apply(r#"{"files": ["/1", "/bad"]}"#, &["files"], |all| all.skip_failed = true);
    skipping.await.unwrap().undelivered.delivered();
    assert_eq!(ledger.kept(), ["x/1"]);
    // A later conversion removes an entry that an earlier one wrote.
    let (removing, ledger) = apply(r#"{"a":{"path":{"url":"/2"},"url":"/1"}}"#, &["a.path", "a"], keep);
    let converted = removing.await.unwrap();
    assert_eq!((&*converted.body, ledger.kept()), (&br#"{"a":{"path":"x/1"}}"#[..], vec!["x/1".to_owned()]));
    converted.undelivered.delivered();
}

#[test]
fn plain_converter_tracks_nothing() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let converted =
        runtime.block_on(Arc::new(cdn()).apply(r#"{"file": "/a"}"#.into(), None, &Secrets::NONE)).unwrap();
    assert!(converted.undelivered.is_empty());
}
