//! Runs the linter, redocly. npm installs it into the target directory on first use.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde::Deserialize;

use crate::{document, project};

/// The version is pinned because other versions may have other rules.
pub const VERSION: &str = "2.77.0";

/// redocly's report about a document.
#[derive(Deserialize)]
struct LintReport {
    problems: Vec<Problem>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Problem {
    rule_id: String,
    message: String,
    severity: String,
    location: Vec<Location>,
}

#[derive(Deserialize)]
struct Location {
    pointer: Option<String>,
    start: Option<Start>,
}

#[derive(Deserialize)]
struct Start {
    line: u64,
    col: u64,
}

/// Returns everything that the linter finds, including warnings. `redocly.yaml` switches rules off, each with
/// a reason.
pub fn findings(source: &str) -> Result<Vec<String>, String> {
    if source.starts_with("git:") {
        return Err(format!("{source}: the linter needs a file; use --no-lint to skip it"));
    }
    let program = installed()?;
    let document = match Path::new(source) {
        path if path.exists() => path.to_path_buf(),
        path => project::root().join(path),
    };
    let document = if document.is_dir() { joined(source)? } else { document };
    let config = project::root().join("xtask/redocly.yaml");
    let output = Command::new(&program)
        .arg("lint")
        .arg(&document)
        .arg("--config")
        .arg(config)
        .args(["--format", "json", "--max-problems", "10000"])
        .env("REDOCLY_TELEMETRY", "off")
        .env("REDOCLY_SUPPRESS_UPDATE_NOTICE", "true")
        .output()
        .map_err(|error| format!("lint: {}: {error}", program.display()))?;
    let report: LintReport = match output.status.code() {
        Some(0 | 1) => serde_json::from_slice(&output.stdout).map_err(|_| failed("redocly", &output))?,
        _ => return Err(failed("redocly", &output)),
    };
    Ok(report.problems.iter().map(|problem| line(source, problem)).collect())
}

/// Writes a document of several files as one file, and returns its path.
fn joined(source: &str) -> Result<PathBuf, String> {
    let place = project::target().join("xtask-tools");
    let path = place.join("joined.json");
    let text = format!("{:#}", document::joined(source)?);
    let written = std::fs::create_dir_all(&place).and_then(|()| std::fs::write(&path, text));
    written.map_err(|error| format!("lint: {}: {error}", path.display()))?;
    Ok(path)
}

fn line(source: &str, problem: &Problem) -> String {
    let Problem { rule_id, message, severity, location } = problem;
    let place = location.first();
    let start = place.and_then(|place| place.start.as_ref());
    let at = start.map(|start| format!(":{}:{}", start.line, start.col)).unwrap_or_default();
    let pointer = place.and_then(|place| place.pointer.as_deref()).unwrap_or_default();
    format!("lint: {source}{at}: {severity} {rule_id}: {} ({pointer})", message.replace('\n', " "))
}

/// Returns the path of the linter, and installs it if necessary. The installation is renamed to its final
/// path when it is complete, so an existing one always works.
fn installed() -> Result<PathBuf, String> {
    let place = project::target().join("xtask-tools").join(format!("redocly-{VERSION}"));
    let program = place.join("node_modules/.bin/redocly");
    if program.exists() {
        return Ok(program);
    }
    let fail = |error: std::io::Error| format!("lint: {}: {error}", place.display());
    let unfinished = place.with_extension(format!("{}.part", std::process::id()));
    std::fs::create_dir_all(&unfinished).map_err(fail)?;
    eprintln!("lint: installing @redocly/cli {VERSION} with npm into {}", place.display());
    let npm = Command::new("npm")
        .args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error", "--prefix"])
        .arg(&unfinished)
        .arg(format!("@redocly/cli@{VERSION}"))
        .output();
    let outcome = match npm {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err("lint: npm isn't installed, and it installs the linter; install npm, or use --no-lint to skip the linter"
                .to_owned())
        }
        Err(error) => Err(format!("lint: can't run npm: {error}")),
        Ok(output) if !output.status.success() => Err(failed("npm", &output)),
        Ok(_) => match std::fs::rename(&unfinished, &place) {
            // Another process installed it first.
            Err(_) if program.exists() => Ok(program),
            renamed => renamed.map(|()| program).map_err(fail),
        },
    };
    let _ = std::fs::remove_dir_all(&unfinished);
    outcome
}

fn failed(what: &str, output: &Output) -> String {
    let said = [&output.stderr, &output.stdout]
        .map(|bytes| String::from_utf8_lossy(bytes).trim().to_owned())
        .join("\n");
    format!("lint: {what} failed ({}):\n{}", output.status, said.trim())
}
