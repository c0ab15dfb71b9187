//! The public API as rustdoc tells it in JSON, which it does on request only.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use crate::project;

/// Names the real rustdoc to the one that stands in for it.
const REAL: &str = "XTASK_REAL_RUSTDOC";

/// Runs rustdoc in the place of cargo's where this process was started as one.
///
/// JSON is unstable, and what is unstable has to be allowed by `RUSTC_BOOTSTRAP`. Set for all of cargo it
/// would make every dependency that looks at it be built anew, twice; set for rustdoc alone it costs nothing.
pub fn stand_in() -> Option<ExitCode> {
    let real = std::env::var_os(REAL)?;
    let status = Command::new(&real)
        .args(std::env::args_os().skip(1))
        .env_remove(REAL)
        .env("RUSTC_BOOTSTRAP", "1")
        .status();
    Some(match status {
        Ok(status) => {
            status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from)
        }
        Err(error) => {
            eprintln!("xtask: {}: {error}", PathBuf::from(real).display());
            ExitCode::FAILURE
        }
    })
}

/// The JSON of the library with all features.
///
/// The whole workspace is documented, as it is with `cargo doc`: with the library alone some dependencies
/// would have fewer features, and be built once more.
pub fn json() -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| format!("this program's own path: {error}"))?;
    let real = std::env::var_os("RUSTDOC").unwrap_or_else(|| "rustdoc".into());
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let target = project::target();
    let status = Command::new(cargo)
        .current_dir(project::root())
        .args(["doc", "--quiet", "--workspace", "--lib", "--no-deps", "--all-features", "--target-dir"])
        .arg(&target)
        .env("RUSTDOC", own)
        .env("RUSTDOCFLAGS", "-Z unstable-options --output-format json")
        .env(REAL, real)
        .status()
        .map_err(|error| format!("cargo can't be run: {error}"))?;
    if !status.success() {
        return Err("rustdoc failed".to_owned());
    }
    Ok(target.join("doc").join("synapse_backend_client.json"))
}
