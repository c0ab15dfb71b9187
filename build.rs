//! Generates the raw client from the OpenAPI document in `openapi/` into `OUT_DIR`.

#[path = "build/adapt/mod.rs"]
mod adapt;
#[path = "build/document.rs"]
mod document;
#[path = "build/generate.rs"]
mod generate;
#[path = "build/prepare/mod.rs"]
mod prepare;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

const DOCUMENT: &str = "openapi/synapse-v1.yaml";

fn main() {
    for input in [DOCUMENT, "build.rs", "build"] {
        println!("cargo::rerun-if-changed={input}");
    }
    if let Err(reason) = run() {
        println!("cargo::error={DOCUMENT}: {reason}");
    }
}

fn run() -> Result<(), String> {
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    let document = document::read(Path::new(DOCUMENT))?;
    // The generator panics on some documents; its message is told in the one line that the build ends with.
    let generated = quietly(|| generate::generate(document))?;
    let mut changes = String::new();
    for change in &generated.report.changes {
        let _ = writeln!(changes, "{}\t{}\t{}", change.rule, change.place, change.what);
    }
    write(&out.join("raw.rs"), &generated.code)?;
    write(&out.join("prepared.tsv"), &changes)
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

fn quietly<T>(work: impl FnOnce() -> Result<T, String> + std::panic::UnwindSafe) -> Result<T, String> {
    std::panic::set_hook(Box::new(|_| {}));
    let outcome = std::panic::catch_unwind(work);
    let _ = std::panic::take_hook();
    outcome.unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_default();
        Err(format!("the generator can't take this document: {}", text.replace('\n', " ")))
    })
}
