//! The handwritten layer, as far as it says which public method leads to which operation.
//!
//! A function *calls* an operation where it calls a method of that name on a closure's parameter (`|raw|
//! raw.list_models()`). It *touches* what it calls, and what those touch that it leads to:
//!
//! - functions that it calls by path (`upload(..)`, `Engine::new(..)`) and methods of its own type that it
//!   calls on `self`;
//! - methods that it calls on anything else, where only one type of the crate has a method of that name that
//!   can be called from there;
//! - all methods of a type of the crate that it returns, the client itself excepted: what it makes is there
//!   to be called or awaited, and is told by its maker alone;
//! - macros of the crate that it calls.
//!
//! So names are followed, not types: it may tell a method too many, and one too few where a name is common.

mod calls;
pub mod modules;
mod touches;

pub use touches::Touches;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::project;
use calls::Functions;

/// The layer's functions, of which each knows what it calls.
pub struct Handwritten {
    functions: Functions,
}

impl Handwritten {
    /// Reads the layer from its root, the project's own unless another is named.
    pub fn read(root: Option<&Path>, operations: &BTreeSet<&str>) -> Result<Self, String> {
        let root = root.map_or_else(|| project::root().join("src/lib.rs"), PathBuf::from);
        let mut functions = Functions::default();
        for file in modules::files(&root)? {
            functions.add(&file, operations);
        }
        Ok(Handwritten { functions })
    }

    /// The operations that are called anywhere in it.
    pub fn called(&self) -> BTreeSet<&str> {
        self.functions.all.iter().flat_map(|function| &function.operations).map(String::as_str).collect()
    }

    /// Which public methods touch which operation.
    pub fn touches(&self) -> Touches {
        Touches::of(&self.functions)
    }
}
