//! Reads the handwritten layer to find which public methods use which operation.
//!
//! An operation that no handwritten function calls has a generated method, which touches it, unless the
//! method's name is reserved.
//!
//! A handwritten function *calls* an operation if it calls a method of that name on a closure's parameter
//! (`|raw| raw.create_model(…)`). It *touches* the operations that it calls, and those that the following
//! touch:
//!
//! - functions that it calls by path (`upload(..)`, `Engine::new(..)`), if they are visible there, and methods of
//!   its own type that it calls on `self`;
//! - methods that it calls on anything else, if only one type of the crate has a method of that name that can
//!   be called from there;
//! - all methods of a type of the crate that it returns, except the client: the caller will call or await
//!   them. Such methods are reported under the function that returns the type;
//! - macros of the crate that it calls.
//!
//! This follows names, not types. So it may report a method too many, or miss one with a common name.

mod built;
mod calls;
pub mod modules;
mod touches;

pub use touches::Touches;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::project;
use calls::Functions;

/// The layer's functions and their calls.
pub struct Handwritten {
    functions: Functions,
}

impl Handwritten {
    /// Reads the layer from its root. The default is the project's own.
    pub fn read(root: Option<&Path>, operations: &BTreeSet<&str>) -> Result<Self, String> {
        let root = root.map_or_else(|| project::root().join("src/lib.rs"), PathBuf::from);
        let mut functions = Functions::default();
        for file in modules::files(&root)? {
            functions.add(&file, operations);
        }
        Ok(Handwritten { functions })
    }

    /// Returns which public methods touch which operation.
    pub fn touches(&self) -> Touches {
        Touches::of(&self.functions)
    }
}
