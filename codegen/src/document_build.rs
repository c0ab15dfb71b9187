//! The build of a document: reads it, corrects it, selects operations, generates the client, reports the changes and
//! writes the files into `OUT_DIR`.

use std::env;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::generate::{self, Generated, Settings, Target};
use crate::output::Output;
use crate::prepare::Change;
use crate::prepare::naming::parameter_name;
use crate::selection::Selection;
use crate::{changes, document, domains};

/// A file that is read, and what messages call its setting; `None` if it isn't set.
pub(crate) struct Input<'a> {
    pub path: &'a Path,
    pub setting: Option<&'static str>,
}

/// What is generated from a document.
pub(crate) struct DocumentBuild<'a> {
    pub document: Input<'a>,
    pub overlay: Option<Input<'a>>,
    /// Tags and path prefixes, as in [`Selection`], after what messages call their setting.
    pub only: Option<(&'static str, &'a str)>,
    /// Whether only the operations of enabled features are generated.
    pub selects_features: bool,
    pub settings: Settings<'a>,
}

impl DocumentBuild<'_> {
    /// Writes the generated files and reports the changes.
    ///
    /// # Errors
    /// Returns an error if a file can't be read or written, or if the document can't be generated from. The error
    /// begins with the file or the setting.
    pub fn generate<W: Write>(&self, output: &mut Output<W>) -> Result<Generated, String> {
        let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
        let path = self.document.path;
        let at = |reason: String| format!("{}: {reason}", path.display());
        let mut document = document::read(path).map_err(|reason| at(self.document.explained(reason)))?;
        let corrections = match &self.overlay {
            Some(overlay) => self
                .correct(&mut document, overlay)
                .map_err(|reason| format!("{}: {reason}", overlay.path.display()))?,
            None => Vec::new(),
        };
        let mut left_out = Vec::new();
        if let Some((setting, only)) = self.only {
            let selected =
                Selection::parse(only).and_then(|selection| selection.apply(&mut document, setting));
            left_out = selected.map_err(|reason| format!("{setting}={only}: {reason}"))?;
        }
        if self.selects_features {
            left_out.extend(domains::leave_out_disabled(&mut document, self.settings.off).map_err(at)?);
        }
        // The generator panics on some documents. The build's last line reports the panic, so the hook prints
        // nothing.
        std::panic::set_hook(Box::new(|_| {}));
        let generated = generate::generate_with(document, self.settings);
        let _ = std::panic::take_hook();
        let mut generated = generated.map_err(at)?;
        generated.report.left_out.splice(0..0, left_out);
        generated.report.changes.splice(0..0, corrections);
        let prepared = out.join("prepared.tsv");
        // Without a selection, no reason names the setting.
        let only = self.only.map_or("SYNAPSE_OPENAPI_ONLY", |(setting, _)| setting);
        output.report(path, &generated, &prepared, only);
        let call = match self.settings.target {
            Target::Client => "|raw| raw",
            Target::Dependent { .. } => "|_| raw::Client::default()",
        };
        for id in &generated.reserved {
            output.warning(&format!(
                "`{id}` has no method of `BackendClient`, which needs the name: call `client.call({call}.{}(…))`",
                parameter_name(id)
            ));
        }
        write(&out.join("raw.rs"), &generated.code)?;
        write(&out.join("methods.rs"), &generated.methods)?;
        write(&out.join("methods.md"), &generated.table)?;
        write(&out.join("changes.md"), &changes::markdown(&generated.report, only))?;
        write(&prepared, &generated.report.to_string())?;
        Ok(generated)
    }

    #[cfg(feature = "overlay")]
    fn correct(&self, document: &mut Value, overlay: &Input<'_>) -> Result<Vec<Change>, String> {
        let text = std::fs::read_to_string(overlay.path);
        let text = text.map_err(|error| overlay.explained(error.to_string()))?;
        crate::overlay::apply(document, &text)
    }

    /// An overlay that isn't applied would silently lose its corrections.
    #[cfg(not(feature = "overlay"))]
    fn correct(&self, _: &mut Value, _: &Input<'_>) -> Result<Vec<Change>, String> {
        let package = match self.settings.target {
            Target::Client => "synapse-backend-client",
            Target::Dependent { .. } => "synapse-codegen",
        };
        Err(format!("the overlay isn't applied: enable the feature `overlay` of {package}"))
    }
}

impl Input<'_> {
    /// Adds what a relative path is relative to.
    fn explained(&self, reason: String) -> String {
        match self.setting {
            Some(setting) if self.path.is_relative() => {
                format!("{reason} ({setting} is relative to the crate's folder, or absolute)")
            }
            _ => reason,
        }
    }
}

/// Writes a file of the build.
///
/// # Errors
/// Returns an error if it can't be written. The error begins with its path.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}
