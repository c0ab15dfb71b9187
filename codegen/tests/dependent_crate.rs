//! A crate that depends on the library has the client of its own document. The test builds the files that the
//! documentation shows.

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::{Value, json};
use support::crate_copy::{CrateCopy, cargo, root};

/// Broken links in each type's documentation, from traits of `tracing`, which isn't documented with it.
const OF_TRACING: [&str; 3] = ["crate::Span", "super::Span::current()", "super::Subscriber"];

/// A crate in a workspace of its own, which depends on a copy of the library.
struct Dependent {
    folder: PathBuf,
    library: PathBuf,
}

impl Dependent {
    /// The files of the documentation, with a document.
    fn new(folder: PathBuf, library: &CrateCopy, document: &str) -> Self {
        fs::create_dir_all(folder.join("src")).unwrap();
        for file in ["Cargo.toml", "build.rs", "src/lib.rs", "src/main.rs"] {
            fs::write(folder.join(file), documented(file)).unwrap();
        }
        let document = root().join("codegen/tests/documents").join(document);
        fs::copy(document, folder.join("openapi.yaml")).unwrap();
        fs::copy(root().join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
        Dependent { folder, library: library.path().to_owned() }
    }

    fn edit(&self, file: &str, before: &str, after: &str) {
        let text = fs::read_to_string(self.folder.join(file)).unwrap();
        assert!(text.contains(before), "{file}: {before}");
        fs::write(self.folder.join(file), text.replacen(before, after, 1)).unwrap();
    }

    fn cargo(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        let patch = |name: &str, folder: &Path| format!("patch.crates-io.{name}.path={folder:?}");
        cargo()
            .arg("--config")
            .arg(patch("synapse-backend-client", &self.library))
            .arg("--config")
            .arg(patch("synapse-codegen", &self.library.join("codegen")))
            .args(arguments)
            .arg("--offline")
            .current_dir(&self.folder)
            .env("CARGO_TARGET_DIR", target())
            .env("RUSTDOCFLAGS", "-D warnings")
            .env("RUSTFLAGS", "")
            .envs(variables.iter().copied())
            .output()
            .unwrap()
    }

    fn succeed(&self, arguments: &[&str], variables: &[(&str, &str)]) -> String {
        let output = self.cargo(arguments, variables);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{arguments:?}: {out}\n{err}");
        out.into_owned()
    }

    /// Makes the documentation, without warnings and broken links.
    fn document(&self, name: &str) {
        // With the library, since links lead to it.
        let packages = ["--package", &name.replace('_', "-"), "--package", "synapse-backend-client"];
        self.succeed(&[&["doc", "--no-deps", "--lib"], packages.as_slice()].concat(), &[]);
        let mut folders = vec![target().join("doc").join(name)];
        let mut links = 0;
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "html") {
                    let text = fs::read_to_string(&path).unwrap();
                    for link in text.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
                        // A path that rustdoc doesn't find becomes a link as it is.
                        let is_broken = link.contains("::") && !OF_TRACING.contains(&link);
                        assert!(!is_broken, "{}: {link}", path.display());
                        links += usize::from(link.contains("trait.Methods.html#method."));
                    }
                }
            }
        }
        assert!(links > 10, "{links}");
    }

    /// Returns the error of a build that fails.
    fn refused(&self) -> String {
        let output = self.cargo(&["build"], &[]);
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    }
}

/// The target directory of the copies, so that dependencies are compiled once.
fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("regenerating")
}

/// Returns a file of the crate that the documentation shows.
fn documented(file: &str) -> String {
    let guide = fs::read_to_string(root().join("docs/regenerating.md")).unwrap();
    let (_, rest) = guide.split_once(&format!("`library-client/{file}`\n\n```")).expect(file);
    let (_, rest) = rest.split_once('\n').unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

/// A copy of the library without features that take long to compile.
fn library() -> CrateCopy {
    let copy = CrateCopy::new();
    let path = copy.path().join("Cargo.toml");
    let manifest = fs::read_to_string(&path).unwrap();
    let start = manifest.find("default = [").unwrap();
    let end = start + manifest[start..].find(']').unwrap() + 1;
    fs::write(
        &path,
        format!("{}default = [\"jiff\", \"schemars\", \"models\"]{}", &manifest[..start], &manifest[end..]),
    )
    .unwrap();
    copy
}

/// Serves both APIs, and returns their base URL.
fn serve() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // A client may open a connection and not use it.
            std::thread::spawn(move || respond(stream.unwrap()));
        }
    });
    base
}

fn respond(mut stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
        }
        assert!(!head.to_ascii_lowercase().contains("\r\ncontent-length:"), "{head}");
        let (status, body) = answer(head.split(' ').nth(1).unwrap());
        let body = body.to_string();
        let length = body.len();
        let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}");
        stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).unwrap();
    }
}

fn answer(target: &str) -> (&'static str, Value) {
    let book =
        |id: u64, slug: &str| json!({"id": id, "slug": slug, "title": "Emma", "pages": 474, "price": "9.50"});
    let model = |id: u64| json!({"id": id, "name": "detector", "model_type": "detection"});
    let page = |items: Vec<Value>, next: Option<&str>| json!({"count": 3, "next": next, "previous": null, "results": items});
    let body = match target {
        "/api/books/emma/" => book(1, "emma"),
        "/api/books/?genre=novel" => {
            page(vec![book(1, "a"), book(2, "b")], Some("/api/books/?genre=novel&page=2"))
        }
        "/api/books/?genre=novel&page=2" => page(vec![book(3, "c")], None),
        "/models/456/" => model(456),
        "/models/" => page(vec![model(1)], Some("/models/?page=2")),
        "/models/?page=2" => page(vec![model(2), model(3)], None),
        _ => return ("404 Not Found", json!({"detail": "Not found."})),
    };
    ("200 OK", body)
}

/// Builds the documented files, and calls the operations of both documents.
fn check_documented_crate(library: &CrateCopy, folder: &Path) {
    let client = Dependent::new(folder.join("library-client"), library, "library.json");
    let base = serve();
    let environment = [("SYNAPSE_BASE_URL", base.as_str()), ("NO_PROXY", "*")];
    let out = client.succeed(&["run"], &environment);
    assert_eq!(
        out.replace(&base, "{base}").lines().collect::<Vec<_>>(),
        [
            "Emma: 474 pages",
            "3 novels",
            "books_retrieve: GET {base}/api/books/none/: 404 Not Found: Not found.",
            "456: detector",
            "3 models",
            "get_model: GET {base}/models/999/: 404 Not Found: Not found.",
        ]
    );
    let guide = fs::read_to_string(root().join("docs/regenerating.md")).unwrap();
    let (_, rest) = guide.split_once("```rust\nstruct Library(").unwrap();
    let own_type = format!(
        "use library_client::Methods as _; use synapse_backend_client::BackendClient; struct Library({} \
         fn main() {{ let library = Library(BackendClient::from_env().unwrap()); \
         println!(\"{{}}\", library.books_list().request().unwrap().url()); }}",
        rest.split_once("```").unwrap().0
    );
    fs::create_dir(client.folder.join("examples")).unwrap();
    fs::write(client.folder.join("examples/own_type.rs"), own_type).unwrap();
    let out = client.succeed(&["run", "--example", "own_type"], &environment);
    assert_eq!(out, format!("{base}/api/books/\n"));
    client.document("library_client");
    check_errors(&client);
}

/// An error is one line that names the file or the setting.
fn check_errors(client: &Dependent) {
    let mut now = ".run()".to_owned();
    for (settings, reason) in [
        (
            ".overlay(\"overlay.yaml\").run()",
            "overlay.yaml: the overlay isn't applied: enable the feature `overlay` of synapse-codegen\n",
        ),
        (
            ".only(\"novels\").run()",
            "ClientBuild::only=novels: no operation has the tag `novels`; there are the tags books, lists and paths in /api\n",
        ),
        (".exported_at(\"a::<b>\").run()", "exported_at: `a::<b>` is no path such as `library_client`: "),
    ] {
        client.edit("build.rs", &now, settings);
        now = settings.to_owned();
        let err = client.refused();
        assert!(err.contains(&format!("error: library-client@0.1.0: {reason}")), "{err}");
    }
    fs::remove_file(client.folder.join("openapi.yaml")).unwrap();
    client.edit("build.rs", &now, ".run()");
    let err = client.refused();
    let reason = "openapi.yaml: No such file or directory (os error 2) (the path in build.rs is relative to the crate's folder, or absolute)\n";
    assert!(err.contains(&format!("error: library-client@0.1.0: {reason}")), "{err}");
}

/// Builds a crate with all settings, lints and the code in a module, from a document with many pitfalls.
fn check_strict_crate(library: &CrateCopy, folder: &Path) {
    let zoo = Dependent::new(folder.join("zoo"), library, "zoo.yaml");
    fs::remove_file(zoo.folder.join("src/main.rs")).unwrap();
    zoo.edit("Cargo.toml", "name = \"library-client\"", "name = \"zoo-of-a-crate\"");
    zoo.edit("Cargo.toml", "[dependencies]", "[dependencies]\nschemars = \"1\"");
    zoo.edit(
        "Cargo.toml",
        "synapse-codegen = \"=0.1.0\"",
        "synapse-codegen = { version = \"=0.1.0\", features = [\"overlay\"] }",
    );
    let overlay = json!({
        "overlay": "1.1.0", "info": {"title": "t", "version": "1"},
        "actions": [{"target": "$.paths['/api/pets/{id}/'].head", "update": {"operationId": "list"}}],
    });
    fs::write(zoo.folder.join("overlay.json"), overlay.to_string()).unwrap();
    let module = "#![deny(missing_docs, warnings)]\n\n/// The second version.\npub mod v2 {\n    include!";
    zoo.edit("src/lib.rs", "include!", module);
    zoo.edit("src/lib.rs", "\"));", "\"));\n}");
    let settings = ".overlay(\"overlay.json\").strict().schemars().exported_at(\"zoo_of_a_crate::v2\").run()";
    zoo.edit("build.rs", ".run()", settings);
    zoo.document("zoo_of_a_crate");
    let reserved = "warning: zoo-of-a-crate@0.1.0: `list` has no method of `BackendClient`, which needs the name: call \
                    `client.call(|_| raw::Client::default().list(…))`\n";
    let err = String::from_utf8(zoo.cargo(&["check"], &[]).stderr).unwrap();
    assert!(err.contains(reserved), "{err}");
    // The examples of all methods.
    let out = zoo.succeed(&["test", "--doc"], &[]);
    assert!(out.contains("v2::raw::Methods::pets_photo_upload"), "{out}");
    assert!(out.contains("28 passed; 0 failed"), "{out}");
}

#[test]
fn dependent_crates_build_as_documented() {
    let (library, folder) = (library(), tempfile::tempdir().unwrap());
    check_documented_crate(&library, folder.path());
    check_strict_crate(&library, folder.path());
}
