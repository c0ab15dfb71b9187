//! The build script of `synapse-backend-client`. It generates the raw client from an OpenAPI document into
//! `OUT_DIR`, and enables the parts of the handwritten layer that the document supports.
//!
//! - The document is the one in `openapi/`, or the one that `SYNAPSE_OPENAPI` names.
//! - The overlay that corrects it is `openapi/overlay.yaml`, or the one that `SYNAPSE_OPENAPI_OVERLAY` names. It
//!   needs the feature `overlay`.
//! - `SYNAPSE_OPENAPI_ONLY` selects operations by tag or path: `models,/sdk/`.
//! - `SYNAPSE_OPENAPI_STRICT=1` makes values that don't fit the document errors, and keeps `readOnly` fields required.
//! - `OUT_DIR/prepared.tsv` lists every change of the preparation: rule, place, description.

use std::env;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::generate::{self, Generated, Settings};
use crate::output::Output;
use crate::prepare::Change;
use crate::selection::Selection;
use crate::{changes, document, domains};

/// The folder of the project's own document.
const FOLDER: &str = "openapi";
const OTHER_DOCUMENT: &str = "SYNAPSE_OPENAPI";
const OTHER_OVERLAY: &str = "SYNAPSE_OPENAPI_OVERLAY";
const ONLY: &str = "SYNAPSE_OPENAPI_ONLY";
const STRICT: &str = "SYNAPSE_OPENAPI_STRICT";

type Stdout = Output<std::io::Stdout>;

/// Generates the raw client of the package that is being built.
pub fn run() {
    let mut output = Output::new(std::io::stdout());
    for input in [FOLDER, "build.rs"] {
        output.rerun_if_changed(Path::new(input));
    }
    for variable in [OTHER_DOCUMENT, OTHER_OVERLAY, ONLY, STRICT] {
        output.rerun_if_env_changed(variable);
    }
    output.domains(domains::DOMAINS.iter().map(|domain| domain.name));
    if let Err(reason) = generate_into(&mut output) {
        output.error(&reason);
    }
}

fn generate_into(output: &mut Stdout) -> Result<(), String> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    let named = |variable: &str| env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from);
    let (other, overlay) = (named(OTHER_DOCUMENT), named(OTHER_OVERLAY));
    let only = env::var(ONLY).ok().filter(|only| !only.is_empty());
    let path = match &other {
        Some(path) => {
            output.rerun_if_changed(path);
            path.clone()
        }
        None => document::only_one_in(Path::new(FOLDER))?,
    };
    let overlay = match &overlay {
        Some(overlay) => {
            output.rerun_if_changed(overlay);
            Some(overlay.clone())
        }
        // The overlay in the folder is that of the project's own document.
        None if other.is_none() => document::overlay_in(Path::new(FOLDER))?,
        None => None,
    };
    let at = |reason: String| format!("{}: {reason}", path.display());
    let mut document = document::read(&path).map_err(|reason| match &other {
        Some(path) if path.is_relative() => {
            at(format!("{reason} ({OTHER_DOCUMENT} is relative to the crate's folder, or absolute)"))
        }
        _ => at(reason),
    })?;
    let corrections = match &overlay {
        Some(overlay) => apply_overlay(&mut document, overlay)
            .map_err(|reason| format!("{}: {reason}", overlay.display()))?,
        None => Vec::new(),
    };
    let mut left_out = Vec::new();
    if let Some(only) = &only {
        let selected = Selection::parse(only).and_then(|selection| selection.apply(&mut document));
        left_out = selected.map_err(|reason| format!("{ONLY}={only}: {reason}"))?;
    }
    // The generator panics on some documents. The build's last line reports the panic, so the hook prints
    // nothing.
    std::panic::set_hook(Box::new(|_| {}));
    let settings = Settings {
        schemars: env::var_os("CARGO_FEATURE_SCHEMARS").is_some(),
        strict: is_strict()?,
        ..Settings::default()
    };
    let generated = generate::generate_with(document, settings);
    let _ = std::panic::take_hook();
    let mut generated = generated.map_err(at)?;
    generated.report.left_out.splice(0..0, left_out);
    generated.report.changes.splice(0..0, corrections);
    let whole = other.is_none() && only.is_none();
    let prepared = out.join("prepared.tsv");
    output.aloud(!whole);
    output.report(&path, &generated, &prepared, ONLY);
    choose_domains(&generated, whole, output).map_err(at)?;
    write(&out.join("raw.rs"), &generated.code)?;
    write(&out.join("methods.rs"), &generated.methods)?;
    write(&out.join("methods.md"), &generated.table)?;
    write(&out.join("changes.md"), &changes::markdown(&generated.report, ONLY))?;
    write(&prepared, &generated.report.to_string())
}

#[cfg(feature = "overlay")]
fn apply_overlay(document: &mut Value, path: &Path) -> Result<Vec<Change>, String> {
    let text = std::fs::read_to_string(path).map_err(|error| match path.is_relative() {
        true => format!("{error} ({OTHER_OVERLAY} is relative to the crate's folder, or absolute)"),
        false => error.to_string(),
    })?;
    crate::overlay::apply(document, &text)
}

/// An overlay that isn't applied would silently lose its corrections.
#[cfg(not(feature = "overlay"))]
fn apply_overlay(_: &mut Value, _: &Path) -> Result<Vec<Change>, String> {
    Err("the overlay isn't applied: enable the feature `overlay` of synapse-backend-client".to_owned())
}

fn is_strict() -> Result<bool, String> {
    match env::var(STRICT).unwrap_or_default().as_str() {
        "" | "0" => Ok(false),
        "1" => Ok(true),
        other => Err(format!("{STRICT}={other}: it is neither `1` nor `0`")),
    }
}

/// Includes each part of the handwritten layer that the document serves. The project's own serves all.
fn choose_domains(generated: &Generated, whole: bool, output: &mut Stdout) -> Result<(), String> {
    for domain in domains::DOMAINS.iter().filter(|domain| !generated.absent.contains_key(domain.name)) {
        output.domain(domain.name);
    }
    if whole && !generated.absent.is_empty() {
        let lines = generated.absent.iter().map(|(name, missing)| {
            format!("the document no longer has what `{name}` in src/ needs: {missing}")
        });
        return Err(Vec::from_iter(lines).join("; "));
    }
    for (name, missing) in &generated.absent {
        output.line(&format!("handwritten part `{name}` is left out: it needs {missing}"));
    }
    for id in &generated.reserved {
        output.line(&format!(
            "`{id}` has no method of `BackendClient`, which needs the name: call `client.call(|raw| raw.{}(…))`",
            crate::prepare::naming::parameter_name(id)
        ));
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}
