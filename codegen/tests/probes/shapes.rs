//! Reads answers of each shape that the extensions of the document allow, over a socket, and shows types with secrets.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use serde_json::json;
use synapse_backend_client::{BackendClient, Error, types};

/// Answers each request with the next body; the last one stays.
#[derive(Clone, Default)]
struct Server {
    answers: Arc<Mutex<Vec<String>>>,
    sent: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start() -> (Self, BackendClient) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = BackendClient::builder(&format!("http://{}", listener.local_addr().unwrap())).build().unwrap();
        let server = Server::default();
        let serving = server.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let (mut line, mut length) = (String::new(), 0);
                while reader.read_line(&mut line).unwrap_or(0) > 2 {
                    if let Some(("content-length", value)) = line.to_ascii_lowercase().trim_end().split_once(": ") {
                        length = value.parse().unwrap();
                    }
                    line.clear();
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                serving.sent.lock().unwrap().push(String::from_utf8_lossy(&body).into_owned());
                let answer = {
                    let mut answers = serving.answers.lock().unwrap();
                    if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() }
                };
                let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
                let _ = write!(stream, "{head}content-length: {}\r\n\r\n{answer}", answer.len());
            }
        });
        (server, client)
    }

    fn answers(&self, answer: impl ToString) {
        *self.answers.lock().unwrap() = vec![answer.to_string()];
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (server, client) = Server::start();
        alternatives(&server, &client).await;
        lists(&server, &client).await;
        cases(&server, &client).await;
        names(&server, &client).await;
        secrets(&server, &client).await;
    });
    println!("done");
}

async fn alternatives(server: &Server, client: &BackendClient) {
    for (answer, ids) in [
        (r#"{"count": 1, "next": null, "results": [{"id": 1}]}"#, vec![1]),
        (r#" [{"id": 1}, {"id": "2", "link": [7]}]"#, vec![1, 2]),
        (r#"[]"#, vec![]),
        (r#"{"id": 3, "count": "many", "b": 1.50}"#, vec![3]),
        (r#"{"b": 1, "results": null}"#, vec![]),
        ("\u{feff}[{\"id\": 4, \"link\": \"\\ud83d\"}]", vec![4]),
    ] {
        server.answers(answer);
        let page = client.list_jobs().await.unwrap_or_else(|error| panic!("{answer}: {error}"));
        assert_eq!(page.results.iter().map(|job| job.id).collect::<Vec<_>>(), ids, "{answer}");
        assert_eq!(page.extra.contains_key("id"), false, "{answer}");
        if ids == [1, 2] {
            assert_eq!((page.count, page.results[1].extra["link"].text()), (None, "[7]"));
        }
        if ids == [3] {
            assert_eq!((page.results[0].extra["b"].text(), page.count), ("1.50", None));
        }
    }
    for (answer, path) in [
        (r#"[{"id": 1}, {"id": "x"}]"#, "[1].id"),
        (r#"{"id": "x"}"#, "id"),
        (r#"{"results": [{"id": 1}, {"id": []}]}"#, "results[1].id"),
        (r#"[[]]"#, "[0]"),
    ] {
        server.answers(answer);
        let error = client.list_jobs().await.unwrap_err();
        assert_eq!(error.json_path(), Some(path), "{answer}: {error}");
    }
    for answer in ["7", "null", r#""x""#] {
        server.answers(answer);
        assert!(client.list_jobs().await.is_err(), "{answer}");
    }
    for (answer, path) in [
        (r#"{"groups": [[{"id": 1}], {"id": 2}, {"results": [{"id": 3}]}]}"#, None),
        (r#"{"groups": [{"id": 1}, {"id": "x"}]}"#, Some("groups[1].id")),
        (r#"{"groups": [{"id": 1}, [{"id": 2}, {"id": "x"}]]}"#, Some("groups[1][1].id")),
        (r#"{"groups": [{"results": [{"id": 2}, {"id": "x"}]}]}"#, Some("groups[0].results[1].id")),
    ] {
        server.answers(answer);
        match client.get_nested().await {
            Ok(nested) => {
                let ids: Vec<_> = nested.groups.iter().flatten().map(|job| job.id).collect();
                assert_eq!((ids, path), (vec![1, 2, 3], None));
            }
            Err(error) => assert_eq!(error.json_path(), path, "{error}"),
        }
    }
    // Other required fields are missing from an array.
    server.answers("[]");
    let error = client.list_labels().await.unwrap_err();
    assert!(error.to_string().contains("missing field `meta`"), "{error}");
    println!("alternatives");
}

async fn lists(server: &Server, client: &BackendClient) {
    let link = |job: &types::Job| job.link.as_ref().map(|link| link.as_str().to_owned());
    for (answer, found) in [
        (r#"[{"id": 1, "link": "http://h/a"}, {"id": 2}]"#, 2),
        (r#"{"id": 1, "next": 5, "count": "x", "link": "http://h/a"}"#, 1),
        (r#"[]"#, 0),
        (r#"{"results": [{"id": 1, "link": "http://h/a"}], "next": null}"#, 1),
    ] {
        let cdn = |url: &str| url.replace("/h/", "/cdn/");
        server.answers(answer);
        let jobs: Vec<types::Job> =
            client.list_jobs().url_conversion("link", cdn).list_all().try_collect().await.unwrap();
        assert_eq!(jobs.len(), found, "{answer}");
        assert!(jobs.first().is_none_or(|job| link(job).as_deref() == Some("http://cdn/a")), "{jobs:?}");
        server.answers(answer);
        assert_eq!(client.list_jobs().list_all_raw().try_collect::<Vec<_>>().await.unwrap().len(), found);
        server.answers(answer);
        let page = client.list_jobs().url_conversion("link", cdn).await.unwrap();
        assert!(page.results.first().is_none_or(|job| link(job).as_deref() == Some("http://cdn/a")));
    }
    for (answer, path) in [
        (r#" [{"id": 1}, {"id": "x"}]"#, "[1].id"),
        (r#"[7]"#, "[0]"),
        (r#"{"id": "x"}"#, "id"),
        (r#"{"results": [{"id": "x"}]}"#, "results[0].id"),
    ] {
        server.answers(answer);
        let failed = client.list_jobs().list_all().try_collect::<Vec<types::Job>>().await.unwrap_err();
        assert_eq!(failed.json_path(), Some(path), "{failed}");
    }
    // A page that is an array ends the list, also one whose pages have numbers.
    *server.answers.lock().unwrap() =
        [r#"{"rows": [{"id": 1}], "meta": {"next_page": 2}}"#, r#"[{"id": 2}]"#].map(str::to_owned).to_vec();
    let jobs: Vec<types::Job> = client.list_labels().list_all().try_collect().await.unwrap();
    assert_eq!(jobs.iter().map(|job| job.id).collect::<Vec<_>>(), [1, 2]);
    for answer in [r#"[{"id": 2}"#, r#"[{"id": 2}] x"#, r#"{"id": 2"#, "7", r#"{"id": 2}{"#] {
        server.answers(answer);
        assert!(client.list_jobs().list_all().try_collect::<Vec<types::Job>>().await.is_err(), "{answer}");
    }
    // Without the extension, an array is no page, and an item is none.
    for answer in [r#"["x"]"#, r#"{"id": 1}"#] {
        server.answers(answer);
        assert!(client.list_tags().list_all().try_collect::<Vec<String>>().await.is_err());
        server.answers(answer);
        assert!(client.list_tags().await.is_err());
    }
    server.answers(r#"{"id": 1}"#);
    assert!(client.list_labels().await.is_err());
    println!("lists");
}

async fn cases(server: &Server, client: &BackendClient) {
    server.answers(
        r#"[{"id": 1, "status": "QUEUED", "kind": "image"}, {"id": 2, "status": "FAILED", "kind": "video-CLIP"},
            {"id": 3, "status": "Other", "kind": ""}]"#,
    );
    let jobs = client.list_jobs().await.unwrap().results;
    let statuses: Vec<_> = jobs.iter().map(|job| job.status.clone().unwrap()).collect();
    assert_eq!(statuses[..2], [types::Status::Queued, types::Status::Failed]);
    assert_eq!(statuses[2], types::Status::Unrecognized("Other".to_owned()));
    assert_eq!(statuses[0].to_string(), "Queued");
    assert_eq!(serde_json::to_string(&statuses).unwrap(), r#"["Queued","failed","Other"]"#);
    assert!(statuses[0] == "queuED" && statuses[2] == "Other" && statuses[2] != "other");
    assert!(types::Status::from("QueueD") == *"queued" && statuses[0] != "queue");
    let kinds: Vec<_> = jobs.iter().map(|job| job.kind.as_ref().unwrap().as_str().to_owned()).collect();
    assert_eq!(kinds, ["IMAGE", "Video-clip", ""]);
    println!("cases");
}

async fn names(server: &Server, client: &BackendClient) {
    for (answer, checksums, total) in [
        (r#"{"checksums": ["a"], "total": 1}"#, vec!["a"], 1),
        (r#"{"existing": ["a", "b"], "count": "2"}"#, vec!["a", "b"], 2),
        (r#"{"found": ["c"], "existing": null, "checksums": null, "total": null, "count": 3}"#, vec!["c"], 3),
        (r#"{"found": ["x"], "existing": ["b"], "count": 9, "total": 4}"#, vec!["b"], 4),
        (r#"{"existing": ["x"], "checksums": [], "count": 5}"#, vec![], 5),
    ] {
        server.answers(answer);
        let digests = client.get_digests().await.unwrap_or_else(|error| panic!("{answer}: {error}"));
        assert_eq!((digests.checksums.clone(), digests.total), (checksums.iter().map(|name| name.to_string()).collect(), total));
        assert!(digests.extra.is_empty(), "{:?}", digests.extra);
        let written = serde_json::to_value(&digests).unwrap();
        assert_eq!((&written["checksums"], &written["total"]), (&json!(checksums), &json!(total)));
        assert!(written.get("existing").is_none() && written.get("count").is_none());
    }
    server.answers(r#"{"existing": [], "count": 1, "remark": "r", "labels": ["l"], "info": {"a": 1.50}, "token_text": "hunter2"}"#);
    let digests = client.get_digests().await.unwrap();
    assert_eq!((digests.note.as_deref(), digests.tags.as_slice()), (Some("r"), &["l".to_owned()][..]));
    assert_eq!((digests.meta.text(), digests.api_name.as_deref()), (r#"{"a": 1.50}"#, Some("hunter2")));
    assert!(!format!("{digests:?} {digests:#?}").contains("hunter2"), "{digests:?}");
    // A value of another shape stays under the name that the server used.
    server.answers(r#"{"existing": [], "count": 1, "remark": {"a": 1}, "token_text": ["hunter2"]}"#);
    let digests = client.get_digests().await.unwrap();
    assert_eq!((digests.note.as_deref(), digests.extra["remark"].text()), (None, r#"{"a": 1}"#));
    assert_eq!(digests.extra["token_text"].text(), r#"["hunter2"]"#);
    assert!(!format!("{digests:?}").contains("hunter2"), "{digests:?}");
    for (answer, problem) in [
        (r#"{"total": 1}"#, "missing field `checksums`"),
        (r#"{"existing": null, "total": 1}"#, "missing field `checksums`"),
        (r#"{"existing": 5, "total": 1}"#, "invalid type: integer `5`, expected a sequence"),
    ] {
        server.answers(answer);
        let error = client.get_digests().await.unwrap_err();
        assert!(error.to_string().contains(problem), "{error}");
    }
    println!("names");
}

async fn secrets(server: &Server, client: &BackendClient) {
    let answer = json!({
        "user": "u", "pin": 424242, "hint": "hunter2", "ratio": 0.424242, "vault": {"door": "hunter2"},
        "owner": {"name": "n", "code": "hunter2"}, "inner": {"word": "hunter2", "size": 3},
    });
    let hides = |shown: String| {
        assert!(!shown.contains("hunter2") && !shown.contains("424242"), "{shown}");
        shown
    };
    let call = client.create_account(|body| {
        body.user("u")
            .pin(424_242)
            .hint("hunter2")
            .vault(types::Vault::builder().door("hunter2"))
            .owner(types::Owner::builder().name("n").code("hunter2"))
            .inner(types::AccountInner::builder().word("hunter2").size(3))
            .extra([("code".to_owned(), synapse_backend_client::json!("hunter2"))])
    });
    let shown = hides(format!("{call:?} {call:#?}"));
    println!("{}", shown.split(", options: ").next().unwrap());
    server.answers(&answer);
    let account = call.await.unwrap();
    let sent = server.sent.lock().unwrap().last().unwrap().clone();
    assert!(sent.contains(r#""pin":424242"#) && sent.contains(r#""code":"hunter2""#), "{sent}");
    assert_eq!(account.pin, 424_242);
    println!("{}", hides(format!("{account:?}")));
    hides(format!("{account:#?}"));
    assert_eq!(serde_json::to_value(&account).unwrap(), answer);

    // Values of another shape.
    server.answers(json!({"user": "u", "pin": "424242", "hint": ["hunter2"], "vault": "hunter2", "owner": {"code": "hunter2"}}));
    let account = client.create_account(|body| body.user("u").pin(1)).await.unwrap();
    assert_eq!((account.pin, account.hint.as_deref()), (424_242, None));
    assert_eq!(account.extra["hint"].text(), r#"["hunter2"]"#);
    println!("{}", hides(format!("{account:?}")));
    server.answers(json!({"user": "u", "pin": "hunter2"}));
    let error: Error = client.create_account(|body| body.user("u").pin(1)).await.unwrap_err();
    assert_eq!(error.json_path(), Some("pin"), "{error}");
    assert!(!error.to_string().contains("expected i64"), "{error}");
    // What can't be sent.
    let error = client
        .create_account(|body| body.user("u").pin(42_424_242_424_242_424_242_u128).ratio(f64::NAN))
        .await
        .unwrap_err();
    println!("{}", hides(error.to_string()));
    let error = client.send_owner(|form| form.title("t").pin(42_424_242_424_242_424_242_u128)).await.unwrap_err();
    println!("{}", hides(error.to_string()));
    let form = types::form::SendOwnerForm::default()
        .title("t")
        .pin(424_242)
        .owner(types::Owner::builder().name("n").code("hunter2"))
        .extra("pin", "hunter2");
    println!("{}", hides(format!("{form:?}")));
    // A value that is another choice, or none.
    server.answers(json!(["hunter2"]));
    println!("{}", hides(format!("{:?}", client.get_either().await.unwrap())));
    server.answers(json!({"name": ["x"], "code": "hunter2"}));
    println!("{}", hides(format!("{:?}", client.get_either().await.unwrap())));
    server.answers(json!({"name": "x", "code": "hunter2"}));
    println!("{}", hides(format!("{:?}", client.get_either().await.unwrap())));
}
