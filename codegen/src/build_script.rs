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

use crate::document_build::{DocumentBuild, Input};
use crate::generate::{Generated, Settings};
use crate::output::Output;
use crate::{document, domains};

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
    let named = |variable: &str| env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from);
    let (other, other_overlay) = (named(OTHER_DOCUMENT), named(OTHER_OVERLAY));
    let only = env::var(ONLY).ok().filter(|only| !only.is_empty());
    for input in [&other, &other_overlay].into_iter().flatten() {
        output.rerun_if_changed(input);
    }
    let path = match &other {
        Some(path) => path.clone(),
        None => document::in_folder(Path::new(FOLDER))?,
    };
    let overlay = match &other_overlay {
        // The overlay in the folder is that of the project's own document.
        None if other.is_none() => document::overlay_in(Path::new(FOLDER))?,
        named => named.clone(),
    };
    let of_overlay = other_overlay.as_ref().map(|_| OTHER_OVERLAY);
    let whole = other.is_none() && only.is_none();
    output.aloud(!whole);
    let off = disabled_features();
    let build = DocumentBuild {
        document: Input { path: &path, setting: other.as_ref().map(|_| OTHER_DOCUMENT) },
        overlay: overlay.as_deref().map(|path| Input { path, setting: of_overlay }),
        only: only.as_deref().map(|only| (ONLY, only)),
        selects_features: other.is_none(),
        settings: Settings {
            off: &off,
            schemars: env::var_os("CARGO_FEATURE_SCHEMARS").is_some(),
            strict: is_strict()?,
            ..Settings::default()
        },
    };
    let generated = build.generate(output)?;
    choose_domains(&generated, whole, &off, output).map_err(|reason| format!("{}: {reason}", path.display()))
}

/// Returns the features of the crate that select operations and are disabled.
fn disabled_features() -> Vec<&'static str> {
    let is_off = |feature: &&str| {
        env::var_os(format!("CARGO_FEATURE_{}", feature.to_uppercase().replace('-', "_"))).is_none()
    };
    domains::FEATURES.into_iter().filter(is_off).collect()
}

fn is_strict() -> Result<bool, String> {
    match env::var(STRICT).unwrap_or_default().as_str() {
        "" | "0" => Ok(false),
        "1" => Ok(true),
        other => Err(format!("{STRICT}={other}: it is neither `1` nor `0`")),
    }
}

/// Includes each part of the handwritten layer that the document serves. The project's own serves all.
fn choose_domains(
    generated: &Generated,
    whole: bool,
    off: &[&str],
    output: &mut Stdout,
) -> Result<(), String> {
    for domain in domains::DOMAINS.iter().filter(|domain| !generated.absent.contains_key(domain.name)) {
        output.domain(domain.name);
    }
    let needed = domains::DOMAINS.iter().filter(|domain| domains::is_enabled(domain, off));
    let lines = needed.filter_map(|domain| {
        let (name, missing) = (domain.name, generated.absent.get(domain.name)?);
        Some(format!("the document no longer has what `{name}` in src/ needs: {missing}"))
    });
    let lines = Vec::from_iter(lines);
    if whole && !lines.is_empty() {
        return Err(lines.join("; "));
    }
    for (name, missing) in &generated.absent {
        output.line(&format!("handwritten part `{name}` is left out: it needs {missing}"));
    }
    Ok(())
}
