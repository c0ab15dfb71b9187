//! What is shown of types with secret fields: only generated code calls this module.

use std::fmt;

use super::support::{Field, HIDDEN, Shown};
use crate::error::redact::marked::hide_fields;

impl Shown for &'static str {
    fn shown(&self) -> Result<serde_json::Value, &str> {
        Ok((*self).into())
    }
}

/// A value that is shown without the fields of these names, at any depth.
pub struct Masked<'a, T: ?Sized>(pub &'a T, pub &'static [&'static str]);

impl<T: Shown + ?Sized> Shown for Masked<'_, T> {
    fn shown(&self) -> Result<serde_json::Value, &str> {
        let mut value = self.0.shown()?;
        mask(&mut value, self.1);
        Ok(value)
    }
}

/// Shows a value that is JSON, or the unknown fields of a type, where values of another shape are kept.
impl<T: fmt::Debug> fmt::Debug for Masked<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = if f.alternate() { format!("{:#?}", self.0) } else { format!("{:?}", self.0) };
        f.write_str(&hide_fields(&text, self.1))
    }
}

fn mask(value: &mut serde_json::Value, names: &[&str]) {
    match value {
        serde_json::Value::Array(values) => values.iter_mut().for_each(|value| mask(value, names)),
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                match names.contains(&name.as_str()) {
                    true => *value = HIDDEN.into(),
                    false => mask(value, names),
                }
            }
        }
        _ => {}
    }
}

/// Shows the fields of a type.
///
/// # Errors
/// Returns an error if the text can't be written.
pub fn show_fields(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    fields: &[(&str, &dyn fmt::Debug)],
) -> fmt::Result {
    let mut shown = f.debug_struct(name);
    for (name, value) in fields {
        shown.field(name, value);
    }
    shown.finish()
}

/// Replaces what is wrong with a secret field: the problem may quote the value.
pub fn hide_problem<T>(field: &mut Field<T>, name: &str) {
    if let Err(problem) = field {
        *problem = hidden_problem(name);
    }
}

/// Returns the problem of a secret field whose value can't be sent.
pub(super) fn hidden_problem(name: &str) -> String {
    format!("`{name}`: the value can't be sent (it is secret, so it isn't shown)")
}
