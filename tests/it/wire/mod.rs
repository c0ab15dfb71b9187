//! Each operation on the wire: the request byte for byte as the backend expects it, and all the responses that the
//! backend may give. What is expected is written by hand here, never taken from the API's document.

mod account;
mod alternatives;
mod annotation;
mod bulk_files;
mod data_collection;
mod ground_truth;
mod hitl;
mod jobs;
mod lists;
mod plugins;
mod resending;
mod secret_fields;
mod storages;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use serde::Serialize;
use serde_json::{Map, Value};
use synapse_backend_client::types;
use synapse_backend_client::{BackendClient, Call, Json, Operation, Page, RetryPolicy};

use crate::support::marker::TOKEN;
use crate::support::tcp_server::{Act, Seen, Server, json, response};

/// A server that gives one response to every request until another one is set, and a client of it.
pub struct Backend {
    pub client: BackendClient,
    server: Server,
    response: Arc<Mutex<Vec<u8>>>,
    /// The number of requests that were looked at.
    taken: Mutex<usize>,
}

impl Backend {
    pub async fn start() -> Self {
        let response = Arc::new(Mutex::new(json(200, "{}")));
        let given = response.clone();
        let server = Server::with(move |_| Act::Keep(given.lock().unwrap().clone())).await;
        let builder = BackendClient::builder(&server.url).retry(RetryPolicy::never());
        let client = builder.access_token(TOKEN).build().unwrap();
        Backend { client, server, response, taken: Mutex::new(0) }
    }

    /// Starts a server that responds with this JSON text.
    pub async fn of(text: &str) -> Self {
        let backend = Backend::start().await;
        backend.answer(200, text);
        backend
    }

    pub fn url(&self) -> &str {
        &self.server.url
    }

    /// Sets the response to all further requests.
    pub fn answer(&self, status: u16, text: &str) {
        *self.response.lock().unwrap() = json(status, text);
    }

    /// Sets a response without a body.
    pub fn answer_nothing(&self, status: u16) {
        *self.response.lock().unwrap() = response(status, "", "");
    }

    /// Returns the only request since the last one that was looked at.
    #[track_caller]
    pub fn taken(&self) -> Seen {
        let mut taken = self.taken.lock().unwrap();
        let mut new = self.server.seen().split_off(*taken);
        *taken += new.len();
        assert_eq!(new.len(), 1, "{:?}", new.iter().map(|seen| &seen.line).collect::<Vec<_>>());
        new.remove(0)
    }

    #[track_caller]
    pub fn assert_nothing_sent(&self) {
        assert_eq!(self.server.lines().len(), *self.taken.lock().unwrap());
    }

    /// Sends a call, and asserts that the request is this GET.
    pub async fn get<O: Operation>(&self, call: Call<O>, target: &str) -> O::Output {
        let output = call.send().await.unwrap_or_else(|error| panic!("{target}: {error}"));
        let seen = self.taken();
        assert_eq!(seen.line, format!("GET {target}"));
        assert_headers(&seen, &[]);
        assert_eq!(seen.body, b"", "{target}");
        output
    }

    /// Sends a call, and asserts that the request has this line, such as `POST /tasks/`, and this JSON body.
    pub async fn send<O: Operation>(&self, call: Call<O>, line: &str, body: &str) -> O::Output {
        let output = call.send().await.unwrap_or_else(|error| panic!("{line}: {error}"));
        let seen = self.taken();
        assert_eq!(seen.line, line);
        assert_eq!(String::from_utf8_lossy(&seen.body), body);
        let length = body.len().to_string();
        assert_headers(&seen, &[("content-length", &length), ("content-type", "application/json")]);
        output
    }

    /// Sends a call, and asserts that the request has this line and this form, which depends on its boundary.
    pub async fn output_of_form<O: Operation>(
        &self,
        call: Call<O>,
        line: &str,
        expected: impl Fn(&str) -> Vec<u8>,
    ) -> O::Output {
        let output = call.send().await.unwrap_or_else(|error| panic!("{line}: {error}"));
        let seen = self.taken();
        assert_eq!(seen.line, line);
        let media_type = seen.header("content-type").unwrap();
        let boundary = media_type.strip_prefix("multipart/form-data; boundary=").unwrap();
        let (body, expected) = (String::from_utf8_lossy(&seen.body), expected(boundary));
        assert!(seen.body == expected, "{body}\n\nexpected:\n{}", String::from_utf8_lossy(&expected));
        assert_headers(
            &seen,
            &[("content-length", &seen.body.len().to_string()), ("content-type", media_type)],
        );
        output
    }

    /// Sends a call for its response only.
    pub async fn output<O: Operation>(&self, call: Call<O>) -> O::Output {
        let output = call.send().await.unwrap_or_else(|error| panic!("{error}"));
        self.taken();
        output
    }
}

/// Asserts that a request has the headers of every request, these, and no other.
#[track_caller]
pub fn assert_headers(seen: &Seen, more: &[(&str, &str)]) {
    let token = format!("Token {TOKEN}");
    let user_agent = concat!("synapse-backend-client/", env!("CARGO_PKG_VERSION"));
    let common = [
        ("accept", "application/json"),
        ("synapse-access-token", token.as_str()),
        ("user-agent", user_agent),
    ];
    let mut expected: Vec<(&str, &str)> = common.iter().chain(more).copied().collect();
    expected.sort_unstable();
    let lines = seen.head.lines().filter_map(|line| line.split_once(':'));
    let lines = lines.map(|(name, value)| (name.to_ascii_lowercase(), value.trim()));
    // `accept-encoding` depends on the cargo features.
    let mut found: Vec<_> =
        lines.filter(|(name, _)| !matches!(&**name, "host" | "accept-encoding")).collect();
    found.sort_unstable();
    let found: Vec<(&str, &str)> = found.iter().map(|(name, value)| (&**name, *value)).collect();
    assert_eq!(found, expected, "{}", seen.line);
}

/// Asserts that each setter alone sends its part of the query, and that all of them together send all parts in this
/// order. `$backend.client.$method$args` is the call, `$at` its path.
macro_rules! assert_query {
    ($backend:expr, $method:ident $args:tt, $at:expr, { $($setter:ident($value:expr) => $query:expr,)+ }) => {{
        let backend = &$backend;
        $({
            let call = backend.client.$method $args.params(|p| p.$setter($value));
            backend.get(call, &format!("{}?{}", $at, $query)).await;
        })+
        let all = [$($query),+].join("&");
        let call = backend.client.$method $args.params(|p| p$(.$setter($value))+);
        backend.get(call, &format!("{}?{all}", $at)).await
    }};
}
pub(crate) use assert_query;

/// The fields that the document doesn't name.
pub trait HasExtra {
    fn extra(&self) -> &BTreeMap<String, Json>;
}

macro_rules! has_extra {
    ($($name:ident,)+) => {
        $(impl HasExtra for types::$name {
            fn extra(&self) -> &BTreeMap<String, Json> {
                &self.extra
            }
        })+
    };
}

has_extra! {
    Agent, DataFile, Assignment, AssignmentData, AssignmentFiles, ConfirmUpload, DataCollection, DataUnit, GroundTruthEvent, Job,
    Plugin, PluginRelease, PresignedUpload, Project, ServeApplication, Storage, StorageSession, Task, TaskData, TaskFiles,
    TaskTag, ChunkedUpload, User, VerifiedChecksums,
}

/// The responses that an operation may give.
#[derive(Clone, Copy)]
pub struct Shapes<'s> {
    /// An object with every field.
    pub full: &'s str,
    /// An object with only the required fields.
    pub least: &'s str,
    /// The fields that are an id, or an object if it is expanded.
    pub related: &'s [&'s str],
    /// The fields with values that newer servers may add to.
    pub open: &'s [&'s str],
    /// The fields that may hold files in any shape, as paths of `url_conversion`.
    pub files: &'s [&'s str],
    /// The fields with one URL.
    pub urls: &'s [&'s str],
}

impl Shapes<'_> {
    pub const NONE: Shapes<'static> =
        Shapes { full: "{}", least: r#"{"id": 1}"#, related: &[], open: &[], files: &[], urls: &[] };
}

/// Asserts that an operation reads each response that it may give: one with every field, one with only the required
/// ones, one with only nulls, expanded objects, values and fields of newer servers, and files in every shape. Returns
/// what the full response is decoded into.
pub async fn assert_shapes<O>(backend: &Backend, call: impl Fn() -> Call<O>, shapes: Shapes<'_>) -> O::Output
where
    O: Operation,
    O::Output: HasExtra + Serialize + PartialEq + Debug,
{
    let full_object = object(shapes.full);
    let least_object = object(shapes.least);

    backend.answer(200, shapes.full);
    let full = backend.output(call()).await;
    assert_eq!(not_null(&full), without_nulls(full_object.clone()));
    assert!(full.extra().is_empty(), "not in the document: {:?}", full.extra());
    for field in [shapes.related, shapes.open, shapes.urls].concat() {
        assert!(!full_object[field].is_null(), "the full object lacks `{field}`");
    }

    backend.answer(200, shapes.least);
    let least = backend.output(call()).await;
    assert_eq!(not_null(&least), without_nulls(least_object.clone()));

    let mut nulls = full_object.clone();
    for (name, value) in &mut nulls {
        *value = least_object.get(name).cloned().unwrap_or_default();
    }
    backend.answer(200, &Value::Object(nulls).to_string());
    assert_eq!(backend.output(call()).await, least);

    for field in shapes.related {
        let related = r#"{"id": 77, "name": "expanded", "nested": {"size": 1.50}}"#;
        assert_kept(backend, &call, shapes.least, field, related).await;
        assert_kept(backend, &call, shapes.least, field, "9223372036854775807").await;
    }
    for field in shapes.open {
        assert_kept(backend, &call, shapes.least, field, r#""of a newer server""#).await;
    }
    backend.answer(200, &with_field(shapes.least, "of_a_newer_server", r#"{"size": 1.50, "null": null}"#));
    let newer = backend.output(call()).await;
    let names: Vec<&String> = newer.extra().keys().collect();
    assert_eq!(names, ["of_a_newer_server"]);
    assert_eq!(newer.extra()["of_a_newer_server"].text(), r#"{"size": 1.50, "null": null}"#);

    for path in shapes.files {
        for (given, expected) in FILES {
            assert_converted(backend, &call, shapes.least, path, given, expected).await;
        }
    }
    for path in shapes.urls {
        for (given, expected) in URLS {
            assert_converted(backend, &call, shapes.least, path, given, expected).await;
        }
    }
    full
}

/// URLs, and what a conversion that puts `cdn:` before each makes of them.
const URLS: [(&str, &str); 3] = [
    (r#""/media/a.png""#, r#""cdn:/media/a.png""#),
    (r#""https://files/a.png?sig=1%2F2""#, r#""cdn:https://files/a.png?sig=1%2F2""#),
    (r#""data:image/png;base64,AAAA""#, r#""cdn:data:image/png;base64,AAAA""#),
];

/// The shapes of files, and what the conversion makes of them.
const FILES: [(&str, &str); 6] = [
    (
        r#"{"image_1": {"url": "/media/a.png", "file_name_original": "a.png", "is_primary": true, "file_type": "image", "meta": {"width": 1.50}, "path_original": "in/a.png"}, "mask": "/media/b.png", "none": null}"#,
        r#"{"image_1": {"url": "cdn:/media/a.png", "file_name_original": "a.png", "is_primary": true, "file_type": "image", "meta": {"width": 1.50}, "path_original": "in/a.png"}, "mask": "cdn:/media/b.png", "none": null}"#,
    ),
    (
        r#"[{"url": "/media/a.png", "name": "image_1", "specification": "image_1", "specification_name": "image_1"}, "/media/b.png"]"#,
        r#"[{"url": "cdn:/media/a.png", "name": "image_1", "specification": "image_1", "specification_name": "image_1"}, "cdn:/media/b.png"]"#,
    ),
    (
        r#"{"url": "/media/a.png", "id": 5, "size": 10, "checksum": "c", "filename": "a.png"}"#,
        r#"{"url": "cdn:/media/a.png", "id": 5, "size": 10, "checksum": "c", "filename": "a.png"}"#,
    ),
    (r#""/media/a.png""#, r#""cdn:/media/a.png""#),
    ("{}", "{}"),
    ("[]", "[]"),
];

pub fn cdn(url: &str) -> String {
    format!("cdn:{url}")
}

async fn assert_kept<O>(backend: &Backend, call: impl Fn() -> Call<O>, least: &str, field: &str, value: &str)
where
    O: Operation,
    O::Output: HasExtra + Serialize,
{
    backend.answer(200, &with_field(least, field, value));
    let output = backend.output(call()).await;
    assert!(output.extra().is_empty(), "`{field}` of {value} is kept in `extra`");
    let value: Value = serde_json::from_str(value).unwrap();
    assert_eq!(not_null(&output).get(field), Some(&value), "{field}");
}

async fn assert_converted<O>(
    backend: &Backend,
    call: impl Fn() -> Call<O>,
    least: &str,
    path: &str,
    given: &str,
    expected: &str,
) where
    O: Operation,
    O::Output: HasExtra + Serialize,
{
    let nested = |value: &str| match path.split_once('.') {
        Some((field, inner)) => (field.to_owned(), format!(r#"{{"id": 77, "{inner}": {value}}}"#)),
        None => (path.to_owned(), value.to_owned()),
    };
    let (field, value) = nested(given);
    backend.answer(200, &with_field(least, &field, &value));
    let output = backend.output(call().url_conversion(path, cdn)).await;
    assert!(output.extra().is_empty(), "`{field}` of {given} is kept in `extra`");
    let expected: Value = serde_json::from_str(&nested(expected).1).unwrap();
    assert_eq!(not_null(&output).get(&*field), Some(&expected), "{path}");
}

/// Asserts that a list reads a page of the items that the two responses hold, with links, and with a cursor and no
/// count. `full` is what the full item is decoded into.
pub async fn assert_pages<O, T>(backend: &Backend, call: impl Fn() -> Call<O>, shapes: Shapes<'_>, full: &T)
where
    O: Operation,
    O::Output: Page<Item = T>,
    T: PartialEq + Debug,
{
    let items = format!("[{}, {}]", shapes.full, shapes.least);
    let (next, previous) = ("http://127.0.0.1/x/?page=3", "http://127.0.0.1/x/?page=1");
    let links = format!(r#""next": "{next}", "previous": "{previous}""#);
    backend.answer(200, &format!(r#"{{"count": 9007199254740993, {links}, "results": {items}, "more": 1}}"#));
    let page = backend.output(call()).await;
    assert_eq!(page.count(), Some(9_007_199_254_740_993));
    assert_eq!((page.next(), page.previous()), (Some(next), Some(previous)));
    assert_eq!((page.results().len(), &page.results()[0]), (2, full));

    let next = "http://127.0.0.1/x/?cursor=cD0x";
    backend.answer(200, &format!(r#"{{"next": "{next}", "previous": null, "results": {items}}}"#));
    let page = backend.output(call()).await;
    assert_eq!((page.count(), page.next(), page.previous()), (None, Some(next), None));
    assert_eq!(page.into_results().len(), 2);

    backend.answer(200, r#"{"count": 0, "next": null, "previous": null, "results": []}"#);
    let page = backend.output(call()).await;
    assert_eq!((page.count(), page.next(), page.results().len()), (Some(0), None, 0));
}

/// Asserts that an operation accepts a response without a body: with the status of success, another one, and a 204;
/// and that it returns the JSON text of any other response.
pub async fn assert_free_form<O>(backend: &Backend, call: impl Fn() -> Call<O>)
where
    O: Operation<Output = Option<Json>>,
{
    for status in [200, 201, 202, 204] {
        backend.answer_nothing(status);
        assert_eq!(backend.output(call()).await.filter(|json| !json.is_null()), None, "{status}");
    }
    for text in [r#"{"id": 1, "data": {"box": [1.50, 2]}}"#, "[1, 2]", r#""done""#, "true"] {
        for status in [200, 201] {
            backend.answer(status, text);
            let output = backend.output(call()).await;
            assert_eq!(output.as_ref().map(Json::text), Some(text));
        }
    }
    backend.answer(200, "null");
    assert!(backend.output(call()).await.is_none_or(|json| json.is_null()));
}

pub fn json_of(text: &str) -> Json {
    text.parse().unwrap()
}

fn object(text: &str) -> Map<String, Value> {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn without_nulls(mut object: Map<String, Value>) -> Value {
    object.retain(|_, value| !value.is_null());
    Value::Object(object)
}

/// Returns what was decoded, without the fields that are null.
pub fn not_null(output: &impl Serialize) -> Value {
    match serde_json::to_value(output).unwrap() {
        Value::Object(object) => without_nulls(object),
        other => other,
    }
}

/// Adds a field to the text of an object.
fn with_field(object: &str, field: &str, value: &str) -> String {
    let rest = object.trim_end().strip_suffix('}').unwrap().trim_end();
    let comma = if rest.ends_with('{') { "" } else { ", " };
    format!(r#"{rest}{comma}"{field}": {value}}}"#)
}
