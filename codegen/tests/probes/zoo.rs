//! Calls a client of the zoo's document over a socket, and prints the steps that succeeded.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use synapse_backend_client::reqwest::multipart::{Form, Part};
use synapse_backend_client::{BackendClient, ByteStream, FormFile, ListPolicy, RawBody, json, types};

/// Sends the queued responses in order, and records the requests.
#[derive(Clone)]
struct Server {
    url: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    answers: VecDeque<(u16, &'static str, Vec<u8>)>,
    asked: Vec<Asked>,
}

struct Asked {
    line: String,
    /// In bytes.
    length: usize,
    headers: Vec<(String, String)>,
    body: String,
}

impl Asked {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State::default()));
        let server = Server { url, state: state.clone() };
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                // A client may open a connection and not use it.
                let state = state.clone();
                std::thread::spawn(move || serve(stream.unwrap(), &state));
            }
        });
        server
    }

    fn answer(&self, status: u16, media_type: &'static str, body: &str) {
        self.state.lock().unwrap().answers.push_back((status, media_type, body.as_bytes().to_vec()));
    }

    fn json(&self, body: &str) {
        self.answer(200, "application/json", body);
    }

    fn asked(&self) -> Asked {
        self.state.lock().unwrap().asked.pop().unwrap()
    }
}

fn serve(stream: TcpStream, state: &Mutex<State>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    if reader.read_line(&mut line).unwrap_or(0) == 0 {
        return;
    }
    let (mut headers, mut length, mut chunked) = (Vec::new(), 0, false);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).unwrap();
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        let name = name.to_ascii_lowercase();
        length = if name == "content-length" { value.parse().unwrap() } else { length };
        chunked |= name == "transfer-encoding";
        headers.push((name, value.to_owned()));
    }
    assert!(!chunked, "a body of a known length");
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let mut state = state.lock().unwrap();
    let line = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    state.asked.push(Asked { line, length: body.len(), headers, body: String::from_utf8_lossy(&body).into_owned() });
    let (status, media_type, body) = state.answers.pop_front().expect("an answer for each request");
    let mut stream = stream;
    write!(
        stream,
        "HTTP/1.1 {status} X\r\ncontent-type: {media_type}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    )
    .unwrap();
    stream.write_all(&body).unwrap();
}

const PET: &str = r#"{"id": 1, "name": "Methuselah", "age": 900, "created": "2024-01-02T03:04:05", "status": "resting", "tags": null,
    "keeper": {"id": 7, "name": "김"}, "isGlobal": true, "is_global": false, "extra": "e", "rank": 3, "photo": "/media/a.jpg?sig=s", "unheard_of": [1.50]}"#;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let server = Server::start();
        let client = BackendClient::builder(&server.url).build().unwrap();
        answers(&server, &client).await;
        parameters(&server, &client).await;
        bodies(&server, &client).await;
        plain_bodies(&server, &client).await;
        secrets(&server, &client).await;
        bytes(&server, &client).await;
        forms(&server, &client).await;
        choices(&server, &client).await;
        visits(&server, &client).await;
        stalls(&server, &client).await;
    });
    println!("done");
}

async fn answers(server: &Server, client: &BackendClient) {
    // The response has longer, older and unusual values, and a status and a field that the document doesn't
    // list.
    server.json(&format!(
        r#"{{"count": 1, "next": null, "previous": null, "results": [{}]}}"#,
        PET.replace("\"tags\": null", "\"tags\": []")
    ));
    let page = client.call(|raw| raw.pets_list()).await.unwrap();
    let pet = &page.results[0];
    assert_eq!(pet.name, "Methuselah");
    assert_eq!(pet.age, Some(900));
    let status = pet.status.as_ref().unwrap();
    assert_eq!((status.as_str(), matches!(status, types::StatusEnum::Unrecognized(_))), ("resting", true));
    assert_eq!(pet.created.as_ref().map(|created| created.as_str()), Some("2024-01-02T03:04:05"));
    assert_eq!(pet.extra["unheard_of"].text(), "[1.50]");
    assert_eq!((pet.is_global_field, pet.is_global, pet.extra_field.as_deref()), (Some(true), Some(false), Some("e")));
    assert_eq!((pet.keeper.id(), pet.keeper["name"].as_str()), (Some(7), Some("김")));
    assert_eq!((pet.rank, format!("{pet:?}").contains("sig=s")), (Some(3), false));
    println!("an answer that is more than its document");

    // Another 2xx status than the documented one.
    server.answer(203, "application/json", PET.replace("\"tags\": null", "\"tags\": [\"a\"]").as_str());
    let pet = client.call(|raw| raw.pets_partial_update(1)).await.unwrap();
    assert_eq!((pet.id, pet.tags.as_slice()), (1, ["a".to_owned()].as_slice()));
    println!("another 2xx");

    server.answer(201, "application/json", "");
    let created = client.call(|raw| raw.pets_create(|pet| pet.name("x"))).await;
    let error = created.unwrap_err();
    let text = format!("{error:#}");
    assert!(text.contains("201") && text.contains("the body is empty"), "{text}");
    assert_eq!(error.status().map(|status| status.as_u16()), Some(201));
    println!("a 201 without its body: {}", text.lines().next().unwrap().replace(&server.url, ""));

    server.json(r#"{"results": [], "count": 0}"#);
    let mut pets = client.call(|raw| raw.pets_list()).list_all().stream();
    assert!(pets.next().await.is_none());
    println!("list_all");
}

async fn parameters(server: &Server, client: &BackendClient) {
    let list = r#"{"count": 0, "results": []}"#;
    server.json(list);
    let call = client.call(|raw| raw.pets_list()).params(|p| {
        p.created_gte("2024-01-01T00:00:00Z")
            .created_gte_query("2025-01-01T00:00:00Z")
            .id_in([1, 2, 3])
            .tags(["a", "b"])
            .status("sold")
            .expand("keeper")
            .filter_age(3)
            .filter_name("x y")
            .x_trace("t")
    });
    call.await.unwrap();
    let asked = server.asked();
    let mut query: Vec<&str> = asked.line.split_once('?').unwrap().1.split('&').collect();
    query.sort_unstable();
    println!("{}", query.join(" "));
    println!("x-trace: {}", asked.header("x-trace").unwrap());

    server.json(list);
    let call = client.call(|raw| raw.pets_list()).params(|p| {
        p.client("a").request("b").response("c").result("d").url("e").info("f").new_query("g").value("h").type_("i").self_("j")
    });
    call.await.unwrap();
    let asked = server.asked();
    let mut query: Vec<&str> = asked.line.split_once('?').unwrap().1.split('&').collect();
    query.sort_unstable();
    println!("{}", query.join(" "));

    server.answer(200, "text/plain", "");
    client.call(|raw| raw.pets_photo_upload(5, "png").id_query("q")).await.unwrap();
    println!("{}", server.asked().line);
    for (name, line) in [("options", "OPTIONS /api/pets/5/"), ("trace", "TRACE /api/pets/5/"), ("head", "HEAD /api/pets/5/")] {
        server.answer(200, "text/plain", "");
        match name {
            "options" => client.call(|raw| raw.pets_options(5)).await.unwrap(),
            "trace" => client.call(|raw| raw.pets_trace(5)).await.unwrap(),
            _ => client.call(|raw| raw.pets_head(5)).await.unwrap(),
        }
        assert_eq!(server.asked().line, line);
    }
    println!("every method");

    server.json(list);
    client.call(|raw| raw.pets_list().id_in([0_i64; 0]).tags([""; 0])).await.unwrap();
    println!("{}", server.asked().line);
    server.answer(200, "text/plain", "");
    client.pairs_get("1,2").params(|p| p.near(0.5)).await.unwrap();
    println!("{}", server.asked().line);
    let error = client.pairs_get("").params(|p| p.near(f64::NAN)).await.unwrap_err();
    println!("{}", error.to_string().lines().next().unwrap());
    let page = |next: &str| format!(r#"{{"count": 2, "next": {next}, "results": [{PET}]}}"#);
    server.json(&page(r#""/api/pets/search/?page=2""#));
    server.json(&page("null"));
    let found: Vec<types::Pet> = client.pets_search(|meal| meal.food("hay")).list_all().policy(ListPolicy::Lenient).try_collect().await.unwrap();
    let (second, first) = (server.asked(), server.asked());
    println!("{}: {}, {} {}, {} {}", found.len(), first.header("content-type").unwrap(), first.line, first.body, second.line, second.body);
}

async fn bodies(server: &Server, client: &BackendClient) {
    let pet = PET.replace("\"tags\": null", "\"tags\": []");
    let sent =
        |what: &str, asked: Asked| println!("{what}: {} {}", asked.header("content-type").unwrap_or("nothing"), asked.body);
    server.json(&pet);
    client.call(|raw| raw.pets_partial_update(1)).await.unwrap();
    sent("patch", server.asked());
    server.json(&pet);
    client.call(|raw| raw.pets_partial_update(1).body_map(|pet| pet)).await.unwrap();
    sent("patch", server.asked());
    server.json(&pet);
    client
        .call(|raw| raw.pets_partial_update(1).body_map(|pet| pet.age_null().status_null().tags(Vec::<String>::new()).is_global_field(true).이름("c").이름_field("d")))
        .await
        .unwrap();
    sent("patch", server.asked());
    server.json(&pet);
    client
        .call(|raw| raw.pets_partial_update(1).body_map(|pet| pet.age(3).status("new").tags(["t"])))
        .await
        .unwrap();
    sent("patch", server.asked());
    // Fields that the server sets aren't required. Fields that it never returns can be sent.
    server.json(&pet);
    client.call(|raw| raw.pets_create(|pet| pet.name("x").secret("s"))).await.unwrap();
    sent("create", server.asked());
    let error = client.call(|raw| raw.pets_create(|pet| pet.secret("s"))).await.unwrap_err();
    assert!(error.to_string().contains("`name` is missing"), "{error}");
    server.json(r#"{"food": "hay"}"#);
    client.call(|raw| raw.pets_feed(1)).await.unwrap();
    sent("feed", server.asked());
    server.json(r#"{"food": "hay"}"#);
    client.call(|raw| raw.pets_feed(1).body_map(|meal| meal.food("hay"))).await.unwrap();
    sent("feed", server.asked());
    let read: types::PatchedPet = serde_json::from_str(r#"{"age": null, "name": "n"}"#).unwrap();
    server.json(&pet);
    client.call(|raw| raw.pets_partial_update(1).body(read)).await.unwrap();
    sent("patch", server.asked());
    // A recursive value is sent up to its last set level.
    server.json(&pet);
    let nested = types::PatchedPet::builder().name("m").mate_null();
    let home = types::Home::builder().guest(nested).owner_null();
    client.call(|raw| raw.pets_partial_update(1).body_map(|pet| pet.home(home).mate_null())).await.unwrap();
    sent("patch", server.asked());
    server.json(&pet);
    let nested = types::PatchedPet::builder().home(types::Home::builder().size(2));
    client.call(|raw| raw.pets_partial_update(1).body_map(|pet| pet.mate(nested))).await.unwrap();
    sent("patch", server.asked());
}

async fn plain_bodies(server: &Server, client: &BackendClient) {
    server.answer(204, "application/json", "");
    client.count_set(5_u64).await.unwrap();
    println!("{}", server.asked().body);
    let error = client.count_set(u64::MAX).await.unwrap_err();
    println!("{}", error.to_string().lines().next().unwrap());
    server.answer(204, "application/json", "");
    client.weights_set([Some(0.5), None]).await.unwrap();
    println!("{}", server.asked().body);
    server.answer(204, "application/json", "");
    client.weights_set([1, 2]).await.unwrap();
    println!("{}", server.asked().body);
}

async fn secrets(server: &Server, client: &BackendClient) {
    // An incomplete builder within another.
    let login = types::Login::builder().password("hunter2");
    let error = client.login(|access| access.login(login)).await.unwrap_err();
    println!("{}", error.to_string().lines().next().unwrap());
    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    let login = || types::Login::builder().password("hunter2").user("u").age(3);
    let call = client.login(|access| access.login(login()).next("https://zoo.example/x?sig=hunter2").scores([Some(1.0), None]));
    let shown = format!("{call:?}");
    assert!(!shown.contains("hunter2") && shown.contains("https://zoo.example/x"), "{shown}");
    println!("{:?}", login());
    server.answer(204, "application/json", "");
    call.await.unwrap();
    println!("{}", server.asked().body);
}

async fn read(mut stream: ByteStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        bytes.extend_from_slice(&chunk.unwrap());
    }
    bytes
}

async fn bytes(server: &Server, client: &BackendClient) {
    server.answer(200, "application/json", "\u{1}{\"not\": \"decoded\"");
    let photo = client.call(|raw| raw.pets_photo(5, "jpg")).await.unwrap();
    assert_eq!(read(photo).await, b"\x01{\"not\": \"decoded\"");
    println!("{}", server.asked().line);
    server.answer(200, "text/csv", "id\n1\n");
    let table = client.call(|raw| raw.export()).await.unwrap();
    assert_eq!(read(table).await, b"id\n1\n");
    let asked = server.asked();
    println!("{} {}", asked.line, asked.header("accept").unwrap());

    server.answer(200, "text/plain", "");
    client.call(|raw| raw.pets_photo_upload(5, "png")).await.unwrap();
    println!("no form: {}", server.asked().header("content-type").unwrap_or("nothing"));
    server.answer(200, "text/plain", "");
    let photo = |form: types::form::PetsPhotoUploadForm| {
        form.extra("title", "제목").photo(FormFile::from(b"\xff\xd8").file_name("a \"1\".jpg")).extra("raw", FormFile::bytes("x"))
    };
    client.call(|raw| raw.pets_photo_upload(5, "png").form(photo)).await.unwrap();
    println!("{}", wire(server.asked()));
    // If JSON is offered too, a form can replace it.
    server.json(&PET.replace("\"tags\": null", "\"tags\": []"));
    client.pets_create_form(|form| form.name("x").photo(b"\x01").tags(["a", "b"]).age_null()).await.unwrap();
    println!("{}", wire(server.asked()));
    server.json(&PET.replace("\"tags\": null", "\"tags\": []"));
    client.pets_create(|pet| pet).params(|p| p.form(|form| form.name("y").photo_null())).await.unwrap();
    println!("{}", wire(server.asked()));
    // Without a schema, a form is written by hand.
    server.answer(204, "text/plain", "");
    let form = Form::new().text("title", "제목").part("photo", Part::bytes(b"\xff\xd8".as_slice()).file_name("a.jpg"));
    client.reports_raw(form).await.unwrap();
    let asked = server.asked();
    let kind = asked.header("content-type").unwrap().split("; boundary=").next().unwrap();
    assert!(asked.body.contains("name=\"title\"\r\n\r\n제목\r\n") && asked.body.contains("filename=\"a.jpg\""), "{}", asked.body);
    println!("{kind}");
    server.answer(204, "text/plain", "");
    client.reports_raw(RawBody::text("x").media_type("image/png")).await.unwrap();
    let asked = server.asked();
    println!("{} {}", asked.header("content-type").unwrap(), asked.body);
}

/// Returns a form as it was sent: without line breaks, and with a fixed boundary.
fn wire(asked: Asked) -> String {
    let kind = asked.header("content-type").unwrap();
    let (kind, body) = match kind.split_once("; boundary=") {
        Some((kind, boundary)) => {
            assert_eq!(boundary.len(), 32);
            (kind, asked.body.replace(boundary, "B"))
        }
        None => (kind, asked.body.clone()),
    };
    assert_eq!(asked.header("content-length").unwrap().parse(), Ok(asked.length));
    format!("{kind} {}", body.replace("\r\n", "|"))
}

async fn forms(server: &Server, client: &BackendClient) {
    // Every kind of field, in the order of the setters.
    let login = || types::Login::builder().password("p").user("u").age(3);
    server.answer(204, "text/plain", "");
    let call = client.reports_create(|form| {
        form.title("제목 \"1\"")
            .count(3_u8)
            .ratio(1)
            .is_final(true)
            .status("other")
            .day("2026-01-31")
            .at("2026-01-31T00:00:00Z")
            .tags(["a", "b,c"])
            .sizes([1, 2])
            .owner(login())
            .meta(json!([1, {"k": 12345678901234567890123_u128 as f64}]))
            .extra_field("e")
            .extra("extra", "x")
            .extra_null("n")
            .extra_null_null()
            .odd_name("o")
            .link("https://zoo.example/x?sig=hunter2")
            .scan(FormFile::bytes("%").file_name("s.png"))
            .pages([FormFile::bytes("1"), FormFile::bytes("22").media_type("text/plain")])
    });
    let shown = format!("{call:?}");
    assert!(!shown.contains("hunter2") && shown.contains("s.png (1 bytes)") && shown.contains("https://zoo.example/x"), "{shown}");
    call.await.unwrap();
    println!("{}", wire(server.asked()));
    println!("{:?}", types::form::ReportForm2::default().password("hunter2").extra("api_key", "hunter2").scan("/a/b.png"));

    server.answer(204, "text/plain", "");
    let update = client.reports_update().params(|p| {
        p.form(|form| form.title("a b&c").tags(["a", "b"]).sizes([1, 2]).owner(login()).meta(json!({"k": [1, "x"]})).scan("text").count_null())
    });
    update.await.unwrap();
    println!("{}", wire(server.asked()));
    server.answer(204, "text/plain", "");
    client.reports_update().await.unwrap();
    println!("no form: {}", server.asked().header("content-type").unwrap_or("nothing"));
    server.answer(204, "text/plain", "");
    client.reports_replace_form(|form| form.food("hay").csrf("t").extra("more", "m")).await.unwrap();
    println!("{}", wire(server.asked()));
    server.answer(204, "text/plain", "");
    client.reports_replace(|meal| meal.food("hay")).await.unwrap();
    println!("{}", wire(server.asked()));

    // Nothing is sent if something is missing or invalid.
    let before = server.state.lock().unwrap().asked.len();
    let incomplete = client.reports_create(|form| {
        form.count(u64::MAX).ratio(f64::NAN).owner(types::Login::builder().user("u")).pages([FormFile::bytes("1").media_type("a\r\nb")])
    });
    println!("{}", incomplete.await.unwrap_err().to_string().lines().next().unwrap());
    let file = client.reports_replace_form(|form| form.food("hay").extra("more", FormFile::bytes("m")));
    println!("{}", file.await.unwrap_err().to_string().lines().next().unwrap());
    let no_file = client.reports_create(|form| form.title("t").scan("/nowhere/at all.png")).await.unwrap_err();
    println!("{} {}", no_file.is_io(), no_file.to_string().lines().next().unwrap().replace(&server.url, ""));
    assert_eq!(server.state.lock().unwrap().asked.len(), before);
}

async fn choices(server: &Server, client: &BackendClient) {
    server.answer(
        200,
        "application/vnd.api+json",
        r#"[{"kind": "dog", "name": "d", "bark": "loud", "lives": 1}, {"kind": "cat", "lives": 9}, {"kind": "axolotl", "gills": 6}]"#,
    );
    let animals = client.call(|raw| raw.animals_list()).await.unwrap();
    let [types::Animal::Dog(dog), types::Animal::Cat(cat), types::Animal::Unrecognized(other)] = &animals[..] else {
        panic!("{animals:?}")
    };
    assert_eq!((dog.bark.as_deref(), cat.lives, other["gills"].as_i64()), (Some("loud"), Some(9), Some(6)));
    println!("{}", server.asked().header("accept").unwrap());
    // The document says that it is idempotent: it is sent again.
    server.answer(502, "text/html", "<html>");
    server.answer(201, "application/vnd.api+json", r#"{"kind": "cat", "lives": 9}"#);
    let created = client.call(|raw| raw.animals_create(animals[1].clone())).await.unwrap();
    assert_eq!(created, animals[1]);
    let asked = server.asked();
    println!("{} {}", asked.header("content-type").unwrap(), asked.body);
    server.answer(201, "application/vnd.api+json", r#"{"kind": "cat"}"#);
    let friend = types::Dog::try_from(types::Dog::builder().kind("dog").friend(animals[1].clone())).unwrap();
    client.call(|raw| raw.animals_create(friend)).await.unwrap();
    println!("{}", server.asked().body);
    server.json(r#"[{"level": 9, "zone": "Etc/GMT+1", "either": 5, "분류": "추적", "tree": [{"level": 1}], "any": {"a": 1}}]"#);
    let odd = client.call(|raw| raw.oddities_list().structure(json!({"a": 1}).text()).session("s 1")).await.unwrap();
    assert_eq!((odd[0].level, odd[0].tree[0].level, odd[0].any["a"].as_i64()), (9, 1, Some(1)));
    let asked = server.asked();
    println!("{} {}", asked.line, asked.header("cookie").unwrap());
}

async fn visits(server: &Server, client: &BackendClient) {
    server.answer(204, "application/json", "");
    assert!(client.call(|raw| raw.visits_last()).await.unwrap().is_none());
    // A visitor would also accept all fields of a visit.
    let pet: types::Pet = serde_json::from_str(PET.replace("null", "[]").as_str()).unwrap();
    server.json(r#"{"id": 3, "name": "n", "cage": 3000000000, "place": [127.12345678901234, 37.5], "kinds": ["-"], "new": 1}"#);
    let last = client.call(|raw| raw.visits_last()).await.unwrap();
    let Some(types::VisitsLastResponse::Visit(visit)) = last else { panic!("{last:?}") };
    assert_eq!(
        (visit.cage, visit.place[0], visit.kinds[0].as_str(), visit.id),
        (3_000_000_000, 127.123_456_789_012_34, "-", Some(3))
    );
    server.json(r#"{"name": "n"}"#);
    let last = client.call(|raw| raw.visits_last()).await.unwrap();
    assert!(matches!(last, Some(types::VisitsLastResponse::Visitor(_))), "{last:?}");
    server.json("7");
    let last = client.call(|raw| raw.visits_last()).await.unwrap();
    assert!(matches!(last, Some(types::VisitsLastResponse::Unrecognized(_))), "{last:?}");
    println!("the choice that fits, or none");

    server.answer(201, "application/json", r#"[{"kind": "year", "until": "x"}, {"kind": "day"}, {"kind": "hour"}]"#);
    let call = client.call(|raw| {
        raw.visits_create(|visit| {
            let groups = [types::Group::builder().size(2), types::Group::builder().size(3)];
            visit.name("n").cage(pet.id).kinds(["day", "other"]).groups(groups).place([1.5, 2.0]).note_null()
        })
    });
    let tickets = call.await.unwrap();
    let [types::VisitsCreateResponseItem::Year(year), types::VisitsCreateResponseItem::Day(_), other] = &tickets[..] else {
        panic!("{tickets:?}")
    };
    assert_eq!(year.until.as_deref(), Some("x"));
    assert!(matches!(other, types::VisitsCreateResponseItem::Unrecognized(_)));
    println!("{}", server.asked().body);
    let error =
        client.call(|raw| raw.visits_create(|visit| visit.groups([types::Group::builder()]))).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("`groups[0].size` is missing") && text.contains("`cage` is missing"), "{text}");
    println!("all problems, with their places");
}

async fn stalls(server: &Server, client: &BackendClient) {
    let guests = [r#"[{"size": 2}]"#, r#"[{"name": "v"}]"#, r#"{"food": "hay"}"#, "\"none\""];
    let stalls: Vec<String> = guests
        .iter()
        .enumerate()
        .map(|(at, guests)| format!(r#"{{"level": {at}, "guests": {guests}, "grass": true}}"#))
        .collect();
    server.json(&format!("[{}]", stalls.join(",")));
    let stalls = client.call(|raw| raw.stalls_list().api_version("2")).await.unwrap();
    let [
        types::Stall::Unrecognized(_),
        types::Stall::Box(boxed),
        types::Stall::PaddockStall(two),
        types::Stall::PaddockStall(three),
    ] = &stalls[..]
    else {
        panic!("{stalls:?}")
    };
    assert!(
        matches!(boxed.guests, Some(types::Guests::Variant0(ref guests)) if guests[0].name == "v"),
        "{boxed:?}"
    );
    assert!(
        matches!(two.guests, Some(types::Guests::Variant3(ref meal)) if meal.food == "hay") && two.grass == Some(true),
        "{two:?}"
    );
    assert!(matches!(three.guests, Some(types::Guests::Variant2(ref text)) if text == "none"), "{three:?}");
    let asked = server.asked();
    println!("api-version: {}, accept: {}", asked.header("api-version").unwrap(), asked.header("accept").unwrap());
    let homes: types::Guests = serde_json::from_str(guests[0]).unwrap();
    assert!(matches!(homes, types::Guests::Variant1(ref homes) if homes[0].size == Some(2)), "{homes:?}");
    println!("a choice of lists, within choices");

    server.json(r#"{"place": {"id": 1, "name": "n", "note": null}}"#);
    let place = types::ShiftPlaceRequest::builder().name("n").note_null();
    let shift = client
        .stalls_update(|shift| shift.keepers(Vec::<String>::new()).hours([("mo", 8); 0]).place(place))
        .await
        .unwrap();
    assert_eq!((shift.keepers.len(), shift.place.map(|place| place.id)), (0, Some(1)));
    println!("{}", server.asked().body);
}
