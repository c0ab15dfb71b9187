//! Gets the public API from rustdoc as JSON, which is an unstable option.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use crate::project;

/// The variable that names the real rustdoc to the wrapper.
const REAL: &str = "XTASK_REAL_RUSTDOC";

/// Runs the real rustdoc if this process was started by cargo in its place.
///
/// JSON output is unstable, and `RUSTC_BOOTSTRAP` allows unstable options. Set for all of cargo, the variable
/// would rebuild every dependency that reads it, twice. Set for rustdoc alone, it costs nothing.
pub fn run_as_wrapper() -> Option<ExitCode> {
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

/// Returns the path of the library's JSON, with all features.
///
/// The whole workspace is documented, as with `cargo doc`. For the library alone, some dependencies would
/// have fewer features and would be built a second time.
pub fn json() -> Result<PathBuf, String> {
    let own =
        std::env::current_exe().map_err(|error| format!("can't get this program's own path: {error}"))?;
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
        .map_err(|error| format!("cargo can't be started: {error}"))?;
    if !status.success() {
        return Err("rustdoc failed".to_owned());
    }
    Ok(target.join("doc").join("synapse_backend_client.json"))
}
