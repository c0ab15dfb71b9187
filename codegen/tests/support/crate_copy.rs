//! A copy of the library without its tests, in a separate workspace. Tests change and build the copy as a
//! user would.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Once;

pub struct CrateCopy {
    directory: tempfile::TempDir,
    document: Option<PathBuf>,
    only: Option<String>,
    overlay: Option<String>,
}

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// Fetches all dependencies of the project once, and returns cargo. The build of one package would fetch only
/// some of them.
pub fn cargo() -> Command {
    static FETCHED: Once = Once::new();
    FETCHED.call_once(|| {
        let status = Command::new(env!("CARGO"))
            .args(["fetch", "--quiet", "--locked"])
            .current_dir(root())
            .status()
            .unwrap();
        assert!(status.success(), "cargo fetch: {status}");
    });
    Command::new(env!("CARGO"))
}

impl CrateCopy {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        for part in ["build.rs", "openapi", "src", "docs", "Cargo.lock", "README.md", "README.ko.md"] {
            copy(&root().join(part), &directory.path().join(part));
        }
        fs::create_dir(directory.path().join("codegen")).unwrap();
        copy(&root().join("codegen/src"), &directory.path().join("codegen/src"));
        copy(&root().join("codegen/README.md"), &directory.path().join("codegen/README.md"));
        // The copy contains neither the other members nor the dependencies of tests.
        let members = "members = [\"codegen\", \"tests/backend\"]";
        let manifest = manifest_of("").replace(members, "members = [\"codegen\"]");
        let runtime = "[dev-dependencies]\ntokio = { version = \"1.52\", features = [\"rt\"] }\n\n";
        fs::write(
            directory.path().join("Cargo.toml"),
            manifest.replacen("[lints", &format!("{runtime}[lints"), 1),
        )
        .unwrap();
        fs::write(directory.path().join("codegen/Cargo.toml"), manifest_of("codegen")).unwrap();
        CrateCopy { directory, document: None, only: None, overlay: None }
    }

    /// Builds from another document.
    pub fn from_document(path: &Path) -> Self {
        let mut copy = CrateCopy::new();
        copy.document = Some(path.to_owned());
        copy
    }

    /// Selects some of the document's operations.
    pub fn only(mut self, selection: &str) -> Self {
        self.only = Some(selection.to_owned());
        self
    }

    /// Corrects the document by another overlay.
    pub fn with_overlay(mut self, path: &str) -> Self {
        self.overlay = Some(path.to_owned());
        self
    }

    /// Returns the path of the copy.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Changes the project's own document in the copy.
    pub fn edit(&self, change: impl FnOnce(String) -> String) {
        let path = self.directory.path().join("openapi/synapse-v1.yaml");
        let before = fs::read_to_string(&path).unwrap();
        let after = change(before.clone());
        assert_ne!(before, after, "the document has changed: so must this test");
        fs::write(path, after).unwrap();
    }

    pub fn example(&self, name: &str, text: &str) {
        let examples = self.directory.path().join("examples");
        fs::create_dir_all(&examples).unwrap();
        fs::write(examples.join(name).with_extension("rs"), text).unwrap();
    }

    pub fn cargo(&self, arguments: &[&str]) -> Output {
        // All copies share one target directory, so that dependencies are compiled once.
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("regenerating");
        let mut command = cargo();
        command
            .arg(arguments[0])
            .args(["--offline", "--no-default-features"])
            .args(&arguments[1..])
            .current_dir(self.directory.path())
            .env("CARGO_TARGET_DIR", target)
            .env_remove("RUSTFLAGS");
        for (variable, value) in [
            ("SYNAPSE_OPENAPI", self.document.as_ref().map(|path| path.as_os_str().to_owned())),
            ("SYNAPSE_OPENAPI_ONLY", self.only.as_ref().map(Into::into)),
            ("SYNAPSE_OPENAPI_OVERLAY", self.overlay.as_ref().map(Into::into)),
        ] {
            match value {
                Some(value) => command.env(variable, value),
                None => command.env_remove(variable),
            };
        }
        command.output().unwrap()
    }

    /// Runs cargo, which must succeed, and returns its output.
    pub fn succeed(&self, arguments: &[&str]) -> (String, String) {
        let output = self.cargo(arguments);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{out}\n{err}");
        (out, err)
    }
}

/// Returns the manifest of a package of the project, without its test dependencies.
fn manifest_of(folder: &str) -> String {
    let manifest = fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
    let (head, rest) = manifest.split_once("[dev-dependencies]").unwrap();
    format!("{head}{}", &rest[rest.find("[lints").unwrap()..])
}

fn copy(from: &Path, to: &Path) {
    if !from.is_dir() {
        fs::copy(from, to).unwrap();
        return;
    }
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        copy(&entry.path(), &to.join(entry.file_name()));
    }
}
