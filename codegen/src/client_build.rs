//! The build script of a crate that depends on `synapse-backend-client` and has the client of its own document.

use std::env;
use std::io::Write;
use std::path::{Path, PathBuf};

use syn::parse::Parser as _;

use crate::document_build::{DocumentBuild, Input, write};
use crate::generate::{Settings, Target};
use crate::output::Output;

/// The file that the crate includes: the generated code in a module, and what it exports.
const CLIENT: &str = r#"// Made by the build script.

/// The generated client: one builder for each operation, and the types of the API's document.
///
#[doc = include_str!(concat!(env!("OUT_DIR"), "/changes.md"))]
// A document may lack descriptions, and its descriptions aren't written for rustdoc. Which imports are used depends on
// the document.
#[allow(missing_docs, unused_imports, clippy::all)]
#[allow(
    rustdoc::bare_urls,
    rustdoc::broken_intra_doc_links,
    rustdoc::invalid_codeblock_attributes,
    rustdoc::invalid_html_tags,
    rustdoc::private_intra_doc_links,
    rustdoc::unescaped_backticks
)]
pub mod raw {
    include!(concat!(env!("OUT_DIR"), "/raw.rs"));
    include!(concat!(env!("OUT_DIR"), "/methods.rs"));
}

#[doc(inline)]
pub use raw::{Methods, types};
"#;

/// Generates the client of an OpenAPI document, in the build script of a crate that depends on
/// `synapse-backend-client`.
///
/// The crate includes the result in its `lib.rs`, or in a module:
///
/// ```ignore
/// include!(concat!(env!("OUT_DIR"), "/client.rs"));
/// ```
///
/// This defines the trait `Methods` with a method of `BackendClient` for each operation, the module `types`, and the
/// module `raw` with the builders and [`LISTS`]. A crate has one document.
///
/// The crate depends on `synapse-backend-client` of the same version as `synapse-codegen`, and on `serde` with the
/// feature `derive`.
///
/// The build prints changes of the document that aren't routine as warnings. `cargo build -vv` and `prepared.tsv` in
/// `OUT_DIR` have all changes.
///
/// ```no_run
/// # use synapse_codegen::ClientBuild;
/// ClientBuild::new("openapi.yaml").run();
/// ```
///
/// [`LISTS`]: https://docs.rs/synapse-backend-client/latest/synapse_backend_client/raw/static.LISTS.html
#[derive(Debug, Clone)]
#[must_use = "nothing is generated until `run`"]
pub struct ClientBuild {
    document: PathBuf,
    overlay: Option<PathBuf>,
    only: Option<String>,
    exported_at: Option<String>,
    schemars: bool,
    strict: bool,
}

impl ClientBuild {
    /// Takes the path of the document: YAML or JSON, OpenAPI 3.0, 3.1 or 3.2. A relative path is relative to the
    /// crate's folder.
    pub fn new(document: impl Into<PathBuf>) -> Self {
        ClientBuild {
            document: document.into(),
            overlay: None,
            only: None,
            exported_at: None,
            schemars: false,
            strict: false,
        }
    }

    /// Corrects the document by an OpenAPI overlay. It needs the feature `overlay` of `synapse-codegen`; without it,
    /// [`run`](Self::run) reports an error.
    pub fn overlay(mut self, path: impl Into<PathBuf>) -> Self {
        self.overlay = Some(path.into());
        self
    }

    /// Selects the operations of some tags or path prefixes, separated by commas: `books,/api/authors/`. All other
    /// operations are left out, with the types that only they use.
    pub fn only(mut self, selection: impl Into<String>) -> Self {
        self.only = Some(selection.into());
        self
    }

    /// Sets the path by which the crate's users find `Methods` and `types`: the examples in the documentation, which
    /// are tests, import them from it. By default, it is the package's name. Set it if the library has another name,
    /// or if the code is included in a module: `library_client::v2`.
    pub fn exported_at(mut self, path: impl Into<String>) -> Self {
        self.exported_at = Some(path.into());
        self
    }

    /// Makes the types implement `schemars::JsonSchema`. It needs the feature `schemars` of `synapse-backend-client`,
    /// which is enabled by default, and the crate depends on `schemars` 1.
    pub fn schemars(mut self) -> Self {
        self.schemars = true;
        self
    }

    /// Makes responses that break the document errors. By default, fields that the server sets are optional, and a
    /// value of another shape is kept as an unknown field.
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    /// Generates the code into `OUT_DIR`, and prints the instructions and the report that cargo reads.
    ///
    /// A document that can't be read or generated from fails the build with one line. It names the file and the place
    /// in it.
    pub fn run(self) {
        let mut output = Output::new(std::io::stdout());
        if let Err(reason) = self.generate(&mut output) {
            output.error(&reason);
        }
    }

    fn generate<W: Write>(&self, output: &mut Output<W>) -> Result<(), String> {
        let inputs = [Some(Path::new("build.rs")), Some(&self.document), self.overlay.as_deref()];
        for input in inputs.into_iter().flatten() {
            output.rerun_if_changed(input);
        }
        let package = env::var("CARGO_PKG_NAME").map_err(|_| "CARGO_PKG_NAME is not set")?;
        let exported_at = self.exported_at.clone().unwrap_or_else(|| package.replace('-', "_"));
        if let Err(error) = syn::Path::parse_mod_style.parse_str(&exported_at) {
            return Err(format!("exported_at: `{exported_at}` is no path such as `library_client`: {error}"));
        }
        let set = |path| Input { path, setting: Some("the path in build.rs") };
        let build = DocumentBuild {
            document: set(&self.document),
            overlay: self.overlay.as_deref().map(set),
            selects_features: false,
            only: self.only.as_deref().map(|only| ("ClientBuild::only", only)),
            settings: Settings {
                off: &[],
                target: Target::Dependent { exported_at: &exported_at },
                schemars: self.schemars,
                strict: self.strict,
            },
        };
        build.generate(output)?;
        let out = env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?;
        write(&Path::new(&out).join("client.rs"), CLIENT)
    }
}
