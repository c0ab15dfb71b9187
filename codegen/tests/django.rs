//! Tests a client of a real backend: Django REST Framework with the default document of drf-spectacular.
//! The test generates the document, builds the crate from it, and runs a client program against the
//! backend.

mod support;

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use support::crate_copy::{cargo, root};

/// The output of the program, one line per step.
const STEPS: [&str; 29] = [
    "filters",
    "a comma-joined filter",
    "a filter of an integer's choices",
    "a list that isn't paged",
    "pages by number",
    "pages by offset",
    "pages by cursor",
    "pages of every shape",
    "pages of a search",
    "fields that aren't as the document says",
    "an unknown value of an enumeration",
    "a choice that is null, blank or a value",
    "created with the least",
    "created with everything",
    "a patch of nothing changes nothing",
    "a patch of one field leaves the others",
    "null and empty lists clear",
    "blank is neither null nor left out",
    "a 400 tells the fields",
    "a missing field, and a 404",
    "a file up by multipart and down again",
    "every field of a form",
    "a file where JSON is offered too",
    "csv of a renderer",
    "csv that no renderer gives",
    "shapes by their tag",
    "shapes whose tag isn't among their fields",
    "202 with and without the body that may be left out",
    "204",
];

/// Returns a directory that is kept between runs.
fn kept(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// Runs a command that must succeed. Returns its output, or its error output if it fails.
fn succeed(command: &mut Command) -> Result<Output, String> {
    let output = command.output().map_err(|error| format!("{:?}: {error}", command.get_program()))?;
    match output.status.success() {
        true => Ok(output),
        false => Err(format!(
            "{:?}: {}: {}",
            command.get_program(),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        )),
    }
}

/// The project, and a Python with its requirements.
struct Project {
    folder: PathBuf,
    python: PathBuf,
}

impl Project {
    /// Installs the requirements, once per version of their list.
    fn new() -> Result<Self, String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/django");
        let environment = kept("django-venv");
        let python = environment.join("bin/python");
        let requirements = fs::read_to_string(folder.join("requirements.txt")).unwrap();
        let installed = environment.join("installed.txt");
        if fs::read_to_string(&installed).ok().as_ref() != Some(&requirements) {
            succeed(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment))?;
            let mut pip = Command::new(&python);
            pip.args(["-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", "requirements.txt"]);
            succeed(pip.current_dir(&folder))?;
            fs::write(installed, requirements).unwrap();
        }
        Ok(Project { folder, python })
    }

    fn backend(&self) -> Command {
        let mut command = Command::new(&self.python);
        command.args(["-B", "backend.py"]).current_dir(&self.folder);
        command
    }

    /// Writes the document to a file. The file changes only if the document does, because a changed file
    /// makes cargo rebuild the crate.
    fn schema(&self) -> PathBuf {
        let output = succeed(self.backend().arg("schema")).unwrap();
        let path = kept("django-schema.json");
        if fs::read(&path).ok().as_ref() != Some(&output.stdout) {
            fs::write(&path, output.stdout).unwrap();
        }
        path
    }
}

/// The backend. It ends when its standard input closes.
struct Server {
    child: Child,
    /// URL and token.
    address: Vec<String>,
}

impl Server {
    fn start(project: &Project, data: &Path) -> Self {
        let mut command = project.backend();
        let mut child = command
            .arg("serve")
            .arg(data)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the backend starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Server { child, address: line.split_whitespace().map(str::to_owned).collect() }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Returns a crate with the program. It depends on this crate as any other would.
fn probe() -> PathBuf {
    let folder = kept("django-probe");
    fs::create_dir_all(&folder).unwrap();
    let manifest = format!(
        r#"[package]
name = "django-probe"
version = "0.0.0"
edition = "2024"

[[bin]]
name = "django-probe"
path = {program:?}

[dependencies]
serde_json = "1"
synapse-backend-client = {{ path = {root:?}, default-features = false }}
tokio = {{ version = "1", features = ["rt"] }}

[workspace]
"#,
        program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/django/probe.rs"),
        root = root(),
    );
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    fs::copy(root().join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    folder
}

#[test]
fn django_client_matches_its_document() {
    let project = match Project::new() {
        Ok(project) => project,
        Err(reason) if env::var_os("CI").is_none() => {
            // The test harness hides the output of `eprintln!` if the test passes.
            let _ = writeln!(std::io::stderr(), "skipped, since Django can't be installed here: {reason}");
            return;
        }
        Err(reason) => panic!("{reason}"),
    };
    let schema = project.schema();
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(&project, data.path());
    assert_eq!(server.address.len(), 2, "the backend tells its URL and token");
    let mut program = cargo();
    program
        .args(["run", "-q", "--offline", "--"])
        .args(&server.address)
        .arg(data.path())
        .current_dir(probe())
        // The target directory of the copies in `regenerating.rs`, so that dependencies are compiled once.
        .env("CARGO_TARGET_DIR", kept("regenerating"))
        .env("SYNAPSE_OPENAPI", schema)
        .env_remove("RUSTFLAGS");
    let output = succeed(&mut program).unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().collect::<Vec<_>>(), STEPS);
}
