//! Generates the raw client from an OpenAPI document into `OUT_DIR`, and says which parts of the handwritten layer the
//! document serves.
//!
//! - The document is the one in `openapi/`, or what `SYNAPSE_OPENAPI` names.
//! - `SYNAPSE_OPENAPI_ONLY` takes only operations of some tags or paths: `models,/sdk/`.
//! - `OUT_DIR/prepared.tsv` keeps every change that the preparation made: rule, place, what.

#[path = "build/adapt/mod.rs"]
mod adapt;
#[path = "build/document.rs"]
mod document;
#[path = "build/domains.rs"]
mod domains;
#[path = "build/generate.rs"]
mod generate;
#[path = "build/prepare/mod.rs"]
mod prepare;
#[path = "build/selection.rs"]
mod selection;

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use generate::Generated;
use selection::Selection;

/// Where the project's own document is.
const FOLDER: &str = "openapi";
const OTHER_DOCUMENT: &str = "SYNAPSE_OPENAPI";
const ONLY: &str = "SYNAPSE_OPENAPI_ONLY";

fn main() {
    for input in [FOLDER, "build.rs", "build"] {
        println!("cargo::rerun-if-changed={input}");
    }
    for variable in [OTHER_DOCUMENT, ONLY] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    let names: Vec<String> = domains::DOMAINS.iter().map(|domain| format!("{:?}", domain.name)).collect();
    println!("cargo::rustc-check-cfg=cfg(api, values({}))", names.join(", "));
    if let Err(reason) = run() {
        for line in reason.lines() {
            println!("cargo::error={line}");
        }
    }
}

fn run() -> Result<(), String> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    let other = env::var_os(OTHER_DOCUMENT).filter(|path| !path.is_empty()).map(PathBuf::from);
    let only = env::var(ONLY).ok().filter(|only| !only.is_empty());
    let path = match &other {
        Some(path) => {
            println!("cargo::rerun-if-changed={}", path.display());
            path.clone()
        }
        None => document::only_one_in(Path::new(FOLDER))?,
    };
    let at = |reason: String| format!("{}: {reason}", path.display());
    let mut document = document::read(&path).map_err(|reason| match &other {
        Some(path) if path.is_relative() => {
            at(format!("{reason} ({OTHER_DOCUMENT} is relative to the crate's folder, or absolute)"))
        }
        _ => at(reason),
    })?;
    let left_out = match &only {
        Some(only) => {
            let selection = Selection::parse(only).and_then(|selection| selection.apply(&mut document));
            selection.map_err(|reason| format!("{ONLY}={only}: {reason}"))?
        }
        None => Vec::new(),
    };
    // The generator panics on some documents; what it says is told in the line that the build ends with.
    std::panic::set_hook(Box::new(|_| {}));
    let generated = generate::generate(document);
    let _ = std::panic::take_hook();
    let mut generated = generated.map_err(at)?;
    generated.report.left_out.splice(0..0, left_out);
    let whole = other.is_none() && only.is_none();
    let tell = Tell { aloud: !whole };
    tell.report(&path, &generated, &out);
    choose_domains(&generated, whole, &tell).map_err(at)?;
    write(&out.join("raw.rs"), &generated.code)?;
    write(&out.join("prepared.tsv"), &generated.report.to_string())
}

/// Each part of the handwritten layer is there when the document has what it needs; the project's own has it.
fn choose_domains(generated: &Generated, whole: bool, tell: &Tell) -> Result<(), String> {
    let mut absent: BTreeMap<&str, String> = BTreeMap::new();
    for domain in &domains::DOMAINS {
        let missing = domains::missing(domain, &generated.operations, &generated.types).or_else(|| {
            domain.on.iter().find(|other| absent.contains_key(*other)).map(|other| format!("`{other}`, which isn't there"))
        });
        match missing {
            None => println!("cargo::rustc-cfg=api={:?}", domain.name),
            Some(missing) => {
                absent.insert(domain.name, missing);
            }
        }
    }
    if whole && !absent.is_empty() {
        let lines: Vec<String> = absent
            .iter()
            .map(|(name, missing)| format!("the document no longer has what `{name}` in src/ needs: {missing}"))
            .collect();
        return Err(lines.join("; "));
    }
    for (name, missing) in absent {
        tell.line(&format!("handwritten part `{name}` is left out: it needs {missing}"));
    }
    Ok(())
}

/// What a build says. Of the project's own document only what isn't routine is told aloud; the rest is in `cargo build -vv`
/// and in `prepared.tsv`.
struct Tell {
    aloud: bool,
}

impl Tell {
    fn line(&self, text: &str) {
        Self::say(self.aloud, text);
    }

    fn say(aloud: bool, text: &str) {
        match aloud {
            true => println!("cargo::warning={text}"),
            false => println!("{text}"),
        }
    }

    fn report(&self, path: &Path, generated: &Generated, out: &Path) {
        let report = &generated.report;
        let mut line = format!("{}: {} operations", path.display(), generated.operations.len());
        let _ =
            write!(line, ", {} lines; every change is in {}", generated.code.lines().count(), out.join("prepared.tsv").display());
        self.line(&line);
        let mut rules: Vec<(&str, usize, String)> = Vec::new();
        for change in &report.changes {
            match rules.iter_mut().find(|(rule, ..)| *rule == change.rule) {
                Some((_, count, _)) => *count += 1,
                None => rules.push((change.rule, 1, format!("{}: {}", change.place, change.what))),
            }
        }
        for (rule, count, first) in rules {
            Self::say(self.aloud || !prepare::ROUTINE.contains(&rule), &format!("{rule} ({count}), such as {first}"));
        }
        for left_out in &report.left_out {
            match self.aloud {
                // One line for what was asked for, one each for what wasn't.
                true if left_out.why.contains(ONLY) => {}
                _ => println!("cargo::warning=left out: {}: {}", left_out.operation, left_out.why),
            }
        }
        let unselected = report.left_out.iter().filter(|left_out| left_out.why.contains(ONLY)).count();
        if unselected > 0 {
            self.line(&format!("left out: {unselected} operations that {ONLY} doesn't select"));
        }
    }
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}
