//! Calls each operation of the library's document with each kind of answer, over a socket. The answers come from the
//! document, and the requests are compared with it, by code of this file alone.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use serde::Serialize;
use serde_json::{Map, Value, json};
use synapse_backend_client::{BackendClient, Error, types};

/// How an answer relates to its schema.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mode {
    /// Every property has a value of its schema.
    Full,
    /// Only what the server must send: required properties that a client sets, and primary keys.
    Least,
    /// Null where the schema allows it, and in what the server sets.
    Nulls,
    /// Properties and words that the document doesn't know.
    Unknown,
    /// Times without offset, or no times at all.
    OddDates,
    /// Numbers as texts, and texts as numbers.
    OtherTexts,
    /// Another shape in each property that can be empty.
    OtherShapes,
}

const MODES: [Mode; 7] = [
    Mode::Full,
    Mode::Least,
    Mode::Nulls,
    Mode::Unknown,
    Mode::OddDates,
    Mode::OtherTexts,
    Mode::OtherShapes,
];

#[derive(Clone)]
struct Document(Arc<Value>);

impl Document {
    fn resolved<'d>(&'d self, schema: &'d Value) -> &'d Value {
        match schema["$ref"].as_str() {
            Some(reference) => self.0.pointer(reference.trim_start_matches('#')).unwrap(),
            None => match schema["allOf"].as_array().or_else(|| schema["oneOf"].as_array()) {
                Some(parts) => self.resolved(&parts[0]),
                None => schema,
            },
        }
    }

    fn operation(&self, id: &str) -> (String, String, Value) {
        for (path, item) in self.0["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                if operation["operationId"] == id {
                    return (method.to_uppercase(), path.clone(), operation.clone());
                }
            }
        }
        panic!("{id}")
    }

    /// The answer of a schema.
    fn answer(&self, schema: &Value, mode: Mode, number: u64) -> Value {
        let whole = self.resolved(schema);
        if let Some(properties) = whole["properties"].as_object() {
            let required = whole["required"].as_array().cloned().unwrap_or_default();
            let mut object = Map::new();
            for (name, property) in properties {
                let is_key = matches!(name.as_str(), "id" | "slug");
                let is_set = property["readOnly"] == true && !is_key;
                let is_required = required.iter().any(|other| other == name);
                // A page without items or with another link would end its list.
                let is_of_page = properties.contains_key("results") && matches!(name.as_str(), "results" | "next");
                let may_be_empty = (is_set || !is_required) && !is_of_page;
                let is_list = self.resolved(property)["type"] == "array";
                let value = match mode {
                    Mode::Least if may_be_empty => continue,
                    Mode::Nulls if may_be_empty || property["nullable"] == true => Value::Null,
                    Mode::OtherShapes if may_be_empty && is_list => json!({"a": [1.50, "x"]}),
                    Mode::OtherShapes if may_be_empty => json!([{"b": 1}, 2.50]),
                    _ if is_key && name == "id" => json!(number),
                    _ => self.answer(property, mode, number),
                };
                object.insert(name.clone(), value);
            }
            if mode == Mode::Unknown {
                object.insert("unheard_of".to_owned(), json!({"x": [1, null]}));
            }
            return object.into();
        }
        match whole["type"].as_str() {
            Some("array") => {
                let item = |number| self.answer(&whole["items"], mode, number);
                Value::from(vec![item(number), item(number + 1)])
            }
            Some("integer") if mode == Mode::OtherTexts => json!(number.to_string()),
            Some("integer") => json!(number),
            Some("number") if mode == Mode::OtherTexts => json!("1.25"),
            Some("number") => json!(1.25),
            Some("boolean") => json!(true),
            Some("object") => json!({"k": self.answer(&whole["additionalProperties"], mode, 3)}),
            Some("string") => match (whole["format"].as_str(), whole["enum"].as_array()) {
                (_, Some(_)) if mode == Mode::Unknown => json!("brand-new"),
                (_, Some(_)) if mode == Mode::OtherTexts => json!(5),
                (_, Some(values)) => values[usize::try_from(number).unwrap() % values.len()].clone(),
                (Some("date-time" | "date"), _) if mode == Mode::OddDates => {
                    json!(["", "2024-01-02T03:04:05", "yesterday"][usize::try_from(number).unwrap() % 3])
                }
                (Some("date-time"), _) => json!("2024-01-02T03:04:05+09:00"),
                (Some("uri"), _) => json!("https://h/media/a.jpg"),
                _ if mode == Mode::OtherTexts => json!(12),
                _ => json!("text"),
            },
            _ => json!({"free": [1.50]}),
        }
    }
}

/// Whether the decoded value has all that was sent: nothing is lost, and nothing is invented.
fn problem(sent: &Value, got: &Value, place: &str) -> Option<String> {
    let is_empty = |value: &Value| {
        value.is_null() || value.as_array().is_some_and(Vec::is_empty) || *value == json!({})
    };
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match (sent, got) {
        (Value::Object(sent), Value::Object(got)) => {
            let lost = sent.iter().find_map(|(name, value)| match got.get(name) {
                Some(other) => problem(value, other, &format!("{place}.{name}")),
                None => (!is_empty(value)).then(|| format!("{place}.{name} is lost")),
            });
            let invented = got.iter().find(|(name, value)| !sent.contains_key(*name) && !is_empty(value));
            lost.or_else(|| invented.map(|(name, value)| format!("{place}.{name} is new: {value}")))
        }
        (Value::Array(sent), Value::Array(got)) if sent.len() == got.len() => sent
            .iter()
            .zip(got)
            .enumerate()
            .find_map(|(index, (sent, got))| problem(sent, got, &format!("{place}[{index}]"))),
        _ if sent == got || (is_empty(sent) && is_empty(got)) => None,
        // A number as a text, or a text as a number.
        _ if !sent.is_object() && !sent.is_array() && text(sent) == text(got) => None,
        _ => Some(format!("{place}: {sent} became {got}")),
    }
}

struct Asked {
    method: String,
    path: String,
    query: Vec<(String, String)>,
    body: Value,
}

type Respond = Box<dyn Fn(&Asked) -> (u16, Vec<(String, String)>, Value) + Send>;

#[derive(Clone)]
struct Server {
    url: String,
    respond: Arc<Mutex<Option<Respond>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = Server { url, respond: Arc::default(), asked: Arc::default() };
        let serving = server.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let serving = serving.clone();
                std::thread::spawn(move || serving.serve(stream.unwrap()));
            }
        });
        server
    }

    fn answers(&self, respond: impl Fn(&Asked) -> (u16, Vec<(String, String)>, Value) + Send + 'static) {
        *self.respond.lock().unwrap() = Some(Box::new(respond));
        self.asked.lock().unwrap().clear();
    }

    fn serve(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let mut length = 0;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).unwrap();
            let Some((name, value)) = header.trim_end().split_once(": ") else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let mut words = line.split(' ');
        let (method, target) = (words.next().unwrap().to_owned(), words.next().unwrap());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let asked = Asked {
            method,
            path: path.to_owned(),
            query: pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            body: if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() },
        };
        let (status, headers, body) = self.respond.lock().unwrap().as_ref().unwrap()(&asked);
        self.asked.lock().unwrap().push(asked);
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let body = body.to_string();
        let mut stream = stream;
        write!(
            stream,
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
    }

    /// Compares the requests with the document.
    fn check(&self, document: &Document, id: &str) -> usize {
        let (method, path, operation) = document.operation(id);
        let asked = self.asked.lock().unwrap();
        for request in &*asked {
            assert_eq!(request.method, method, "{id}");
            let expected: Vec<&str> = path.split('/').collect();
            let segments: Vec<&str> = request.path.split('/').collect();
            assert_eq!(segments.len(), expected.len(), "{id}: {}", request.path);
            for (segment, template) in segments.iter().zip(expected) {
                assert!(template.starts_with('{') || *segment == template, "{id}: {}", request.path);
            }
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            for (name, value) in &request.query {
                let parameter = parameters.iter().find(|parameter| parameter["name"] == name.as_str());
                let parameter = parameter.unwrap_or_else(|| panic!("{id}: {name} is no parameter"));
                if parameter["schema"]["type"] == "integer" {
                    value.parse::<u64>().unwrap_or_else(|_| panic!("{id}: {name}={value}"));
                }
            }
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            assert_eq!(schema.is_null(), request.body.is_null(), "{id}");
            let Some(body) = request.body.as_object() else { continue };
            let schema = document.resolved(schema);
            for (name, _) in body {
                let property = &schema["properties"][name.as_str()];
                assert!(property.is_object() && property["readOnly"] != true, "{id}: {name} is sent");
            }
            for name in schema["required"].as_array().into_iter().flatten() {
                let is_set = schema["properties"][name.as_str().unwrap()]["readOnly"] == true;
                assert!(is_set || body.contains_key(name.as_str().unwrap()), "{id}: {name} is missing");
            }
        }
        asked.len()
    }
}

type Outcome = Pin<Box<dyn Future<Output = Result<Value, Error>>>>;
type CallOf = fn(BackendClient) -> Outcome;

fn value(outcome: Result<impl Serialize, Error>) -> Result<Value, Error> {
    outcome.map(|decoded| serde_json::from_str(&serde_json::to_string(&decoded).unwrap()).unwrap())
}

macro_rules! calls {
    ($($id:ident: |$client:ident| $call:expr;)*) => {
        vec![$((stringify!($id), (|$client: BackendClient| Box::pin(async move { value($call.await) }) as Outcome) as CallOf)),*]
    };
}

fn single_calls() -> Vec<(&'static str, CallOf)> {
    calls! {
        books_list: |client| client.books_list().params(|p| p.page(1).page_size(2).genre("x"));
        books_create: |client| client.books_create(|book| book.title("t").pages(3).keywords(["a"]).kind(types::Genre::Blank));
        books_retrieve: |client| client.books_retrieve("a/b c");
        books_partial_update: |client| client.books_partial_update("x").params(|p| p.body_map(|b| b.shelf_null().title("t")));
        books_search: |client| client.books_search(|search| search.text("t").genres([types::Genre::Minus, types::Genre::ScienceUnderscoreFiction]));
        books_bulk_update: |client| client.books_bulk_update(|search| search.text("t"));
        labels_list: |client| client.labels_list();
        notes_list: |client| client.notes_list();
        tags_list: |client| client.tags_list();
        shelves_list: |client| client.shelves_list();
        rows_list: |client| client.rows_list();
        hidden_list: |client| client.hidden_list();
        plain_list: |client| client.plain_list();
        endless_list: |client| client.endless_list();
        report_retrieve: |client| client.report_retrieve();
    }
}

fn list_calls() -> Vec<(&'static str, CallOf)> {
    calls! {
        books_list: |client| client.books_list().list_all().try_collect::<Vec<_>>();
        books_search: |client| client.books_search(|search| search.text("t")).list_all().try_collect::<Vec<_>>();
        labels_list: |client| client.labels_list().list_all().try_collect::<Vec<_>>();
        notes_list: |client| client.notes_list().list_all().try_collect::<Vec<_>>();
        tags_list: |client| client.tags_list().list_all().try_collect::<Vec<_>>();
        shelves_list: |client| client.shelves_list().list_all().try_collect::<Vec<_>>();
        rows_list: |client| client.rows_list().list_all().try_collect::<Vec<_>>();
        hidden_list: |client| client.hidden_list().list_all().try_collect::<Vec<_>>();
    }
}

/// A page of a list in the shape that the document says, with two of five items.
fn page(id: &str, base: &str, items: &[Value], asked: &Asked) -> (u16, Vec<(String, String)>, Value) {
    let number = |names: &[&str]| {
        let selected = asked.query.iter().find(|(name, _)| names.contains(&name.as_str()));
        selected.map_or(1, |(_, value)| value.parse::<usize>().unwrap())
    };
    let at = number(&["page", "p", "cursor"]);
    let here: Vec<Value> = items.iter().skip((at - 1) * 2).take(2).cloned().collect();
    let next = (at * 2 < items.len()).then_some(at + 1);
    let link = |name: &str| next.map(|next| format!("{base}{}?{name}={next}", asked.path));
    let mut headers = Vec::new();
    let body = match id {
        "labels_list" => json!({"results": here, "pagination": {"next": next, "count": items.len()}}),
        "notes_list" => json!({"links": {"next": link("p"), "previous": null}, "results": here}),
        "tags_list" => {
            json!({"data": here, "meta": {"next_cursor": next.map(|next| next.to_string()), "total": items.len()}})
        }
        "shelves_list" => json!({"items": here, "next": link("page"), "total": items.len()}),
        "hidden_list" => json!({"data": {"rows": here, "more": next, "total": items.len()}}),
        "rows_list" => {
            headers.push(("x-total-count".to_owned(), items.len().to_string()));
            headers.extend(link("page").map(|link| ("link".to_owned(), format!("<{link}>; rel=\"next\""))));
            here.into()
        }
        _ => json!({"count": items.len(), "next": link("page"), "previous": null, "results": here}),
    };
    (200, headers, body)
}

/// The schema of a list's items.
fn item_schema(document: &Document, operation: &Value) -> Value {
    let schema = document.resolved(&operation["responses"]["200"]["content"]["application/json"]["schema"]);
    let of = |path: &str| schema.pointer(path).map(|list| list["items"].clone());
    of("").filter(Value::is_object)
        .or_else(|| of("/properties/results"))
        .or_else(|| of("/properties/data").filter(Value::is_object))
        .or_else(|| of("/properties/items"))
        .or_else(|| of("/properties/data/properties/rows"))
        .unwrap()
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let document: Value = serde_json::from_str(include_str!(env!("SYNAPSE_OPENAPI"))).unwrap();
        let document = Document(Arc::new(document));
        let server = Server::start();
        let client = BackendClient::builder(&server.url).build().unwrap();
        let mut failures = Vec::new();
        let mut checked: BTreeMap<&str, usize> = BTreeMap::new();
        for (id, call) in single_calls() {
            let (_, _, operation) = document.operation(id);
            let (status, response) = operation["responses"].as_object().unwrap().iter().next().unwrap();
            let schema = response["content"]["application/json"]["schema"].clone();
            for mode in MODES {
                let answer = document.answer(&schema, mode, 1);
                // Any success is decoded.
                let statuses = [status.parse().unwrap(), 200, 202];
                for status in if mode == Mode::Full { &statuses[..] } else { &statuses[..1] } {
                    let (status, sent) = (*status, answer.clone());
                    server.answers(move |_| (status, Vec::new(), sent.clone()));
                    let found = match call(client.clone()).await {
                        Ok(decoded) => problem(&answer, &decoded, id),
                        Err(error) => Some(format!("{id}: {error}")),
                    };
                    failures.extend(found.map(|found| format!("{mode:?}: {found}")));
                    server.check(&document, id);
                    *checked.entry("single").or_default() += 1;
                }
            }
        }
        for (id, call) in list_calls() {
            let (_, _, operation) = document.operation(id);
            let schema = item_schema(&document, &operation);
            for mode in MODES {
                let items: Vec<Value> = (1..=5).map(|number| document.answer(&schema, mode, number)).collect();
                let (sent, base) = (items.clone(), server.url.clone());
                server.answers(move |asked| page(id, &base, &sent, asked));
                let found = match call(client.clone()).await {
                    Ok(decoded) => problem(&Value::from(items), &decoded, id),
                    Err(error) => Some(format!("{id}: {error}")),
                };
                failures.extend(found.map(|found| format!("list, {mode:?}: {found}")));
                assert_eq!(server.check(&document, id), 3, "{id}: three pages");
                *checked.entry("list").or_default() += 1;
            }
        }
        assert!(failures.is_empty(), "{}", failures.join("\n"));
        println!("{checked:?}");
        misfits(&server, &client).await;
        println!("done");
    });
}

/// A value of another shape is kept, and only that.
async fn misfits(server: &Server, client: &BackendClient) {
    let book = json!({
        "id": 1, "slug": "s", "title": "t", "pages": "12", "author": {"id": 7, "name": "n", "avatar": null},
        "annotations": [{"a": 1}], "meta": {"m": [1, 2]}, "added": "", "score": "1.5", "genre": "",
        "editors": null, "keywords": null, "counts": null, "settings": null, "shelf": {"id": 3},
    });
    server.answers(move |_| (200, Vec::new(), book.clone()));
    let book = client.books_retrieve("s").await.unwrap();
    assert_eq!((book.pages, book.annotations.as_deref(), book.meta.as_deref()), (12, None, None));
    assert_eq!(book.extra["annotations"].text(), r#"[{"a":1}]"#);
    assert_eq!(book.extra["meta"].text(), r#"{"m":[1,2]}"#);
    assert_eq!((book.score, book.genre.clone()), (Some(1.5), Some(types::Genre::Blank)));
    assert!(book.editors.is_empty() && book.keywords.is_empty() && book.counts.is_empty());
    let author = book.author.unwrap();
    assert_eq!((author.id, author.avatar, author.born), (7, None, None));
    println!("misfits are kept");
    // A required field that the client sets stays an error with its path.
    for (answer, path) in [
        (json!({"id": 1, "slug": "s", "title": "t", "pages": "many"}), "pages"),
        (json!({"id": 1, "slug": "s", "title": null, "pages": 1}), "title"),
        (json!({"id": [], "slug": "s", "title": "t", "pages": 1}), "id"),
        (json!({"id": 1, "title": "t", "pages": 1, "kind": []}), "slug"),
    ] {
        server.answers(move |_| (200, Vec::new(), answer.clone()));
        let error = client.books_retrieve("s").await.unwrap_err();
        match path {
            "slug" => assert!(error.to_string().contains("missing field `slug`"), "{error}"),
            path => assert_eq!(error.json_path(), Some(path), "{error}"),
        }
    }
    println!("required fields are errors");
}
