//! Follows calls between functions to find the public methods that touch an operation. An operation that no
//! function calls touches its generated method.

use std::collections::{BTreeMap, BTreeSet};

use synapse_codegen::generate::can_have_method;
use synapse_codegen::prepare::naming::parameter_name;

use super::calls::{Called, Function, Functions};

/// Almost everything is a method of the client, so a function that returns one touches nothing because of it.
const CLIENT: &str = "BackendClient";

/// The public methods that touch each operation, as shown to people: `BackendClient::create_model
/// (src/api/models.rs)`, `BackendClient::get_model (generated)`.
#[derive(Default)]
pub struct Touches {
    /// By operation, those that handwritten code calls.
    handwritten: BTreeMap<String, BTreeSet<String>>,
}

impl Touches {
    pub(super) fn of(functions: &Functions) -> Self {
        let touched = reached(functions, &leads(functions));
        let called = functions.all.iter().flat_map(|function| &function.operations);
        let mut handwritten: BTreeMap<String, BTreeSet<String>> =
            called.map(|operation| (operation.clone(), BTreeSet::new())).collect();
        for (function, operations) in functions.all.iter().zip(&touched) {
            if is_reported(functions, function) {
                for operation in operations {
                    handwritten.entry(operation.clone()).or_default().insert(label(function));
                }
            }
        }
        Touches { handwritten }
    }

    /// Returns the methods that touch any of the operations.
    pub fn methods<'a>(&self, operations: impl IntoIterator<Item = &'a String>) -> BTreeSet<String> {
        operations.into_iter().flat_map(|operation| self.methods_of(operation)).collect()
    }

    fn methods_of(&self, operation: &str) -> BTreeSet<String> {
        match self.handwritten.get(operation) {
            Some(methods) => methods.clone(),
            None => generated_method(operation).into_iter().collect(),
        }
    }
}

/// Returns the generated method of an operation, unless its name is reserved.
fn generated_method(operation: &str) -> Option<String> {
    can_have_method(operation).then(|| format!("{CLIENT}::{} (generated)", parameter_name(operation)))
}

fn label(function: &Function) -> String {
    match &function.owner {
        Some(owner) => format!("{owner}::{} ({})", function.name, function.file),
        None => format!("{} ({})", function.name, function.file),
    }
}

/// Returns whether a function is public, and isn't a method of a type that another public method returns.
/// In that case, the other method is reported.
fn is_reported(functions: &Functions, function: &Function) -> bool {
    let Some(owner) = &function.owner else { return function.public };
    let makes = |maker: &Function| {
        maker.public
            && maker.owner.as_ref().is_some_and(|other| other != owner)
            && maker.returns.contains(owner)
    };
    let made = owner != CLIENT && functions.all.iter().any(makes);
    function.public && functions.types.get(owner) == Some(&true) && !made
}

/// Returns the functions that each function leads to.
fn leads(functions: &Functions) -> Vec<BTreeSet<usize>> {
    let names = functions.by_name();
    let mut methods: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
    for (index, function) in functions.all.iter().enumerate() {
        if let Some(owner) = function.owner.as_ref().filter(|owner| functions.types.contains_key(*owner)) {
            methods.entry(owner).or_default().insert(index);
        }
    }
    let of = |owner: Option<&str>, name: &str| -> Vec<usize> {
        let all = names.get(name).into_iter().flatten().copied();
        all.filter(|index| functions.all[*index].owner.as_deref() == owner).collect()
    };
    // Skips functions that are private in another module: two modules may each have a `problems`.
    let free = |name: &str, file: &str| -> Vec<usize> {
        let mut all = of(None, name);
        all.retain(|index| !functions.all[*index].private || is_within(file, &functions.all[*index].file));
        all
    };
    // Skips functions that are private in another file: a call of `create` on file options is not a call of
    // ours.
    let only = |name: &str, file: &str| -> Vec<usize> {
        let all = names.get(name).into_iter().flatten().copied();
        let all = all.filter(|index| {
            let function = &functions.all[*index];
            function.owner.is_some() && (!function.private || function.file == file)
        });
        let all: Vec<usize> = all.collect();
        let owners: BTreeSet<_> = all.iter().map(|index| functions.all[*index].owner.as_deref()).collect();
        if owners.len() == 1 { all } else { Vec::new() }
    };
    let leads = functions.all.iter().map(|function| {
        let own = function.owner.as_deref();
        let mut to = BTreeSet::new();
        for called in &function.calls {
            match called {
                Called::Free(name) => to.extend(free(name, &function.file)),
                Called::Macro(name) => to.extend(of(None, name)),
                Called::Of(owner, name) if owner == "Self" => to.extend(of(own, name)),
                Called::Of(owner, name) => to.extend(of(Some(owner), name)),
                Called::Own(name) => to.extend(of(own, name)),
                Called::Method(name) => to.extend(only(name, &function.file)),
            }
        }
        for made in function.returns.iter().filter(|made| Some(made.as_str()) != own && *made != CLIENT) {
            to.extend(methods.get(made.as_str()).into_iter().flatten());
        }
        to
    });
    leads.collect()
}

/// Returns whether a file is the module's file `module`, or one of its submodules.
fn is_within(file: &str, module: &str) -> bool {
    let folder = module.strip_suffix("mod.rs").or_else(|| module.strip_suffix("lib.rs"));
    file == module
        || match (folder, module.strip_suffix(".rs")) {
            (Some(folder), _) => file.starts_with(folder),
            (None, Some(name)) => file.strip_prefix(name).is_some_and(|rest| rest.starts_with('/')),
            (None, None) => false,
        }
}

/// Returns the operations that each function reaches.
fn reached(functions: &Functions, leads: &[BTreeSet<usize>]) -> Vec<BTreeSet<String>> {
    let mut reached: Vec<BTreeSet<String>> =
        functions.all.iter().map(|function| function.operations.clone()).collect();
    let mut grows = true;
    while grows {
        grows = false;
        for (index, to) in leads.iter().enumerate() {
            let more: Vec<String> =
                to.iter().flat_map(|other| reached[*other].difference(&reached[index])).cloned().collect();
            grows |= !more.is_empty();
            reached[index].extend(more);
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::is_within;

    #[test]
    fn private_functions_are_seen_within() {
        for (file, module, within) in [
            ("src/api/models.rs", "src/api/models.rs", true),
            ("src/api/models/file.rs", "src/api/models.rs", true),
            ("src/api/models_more.rs", "src/api/models.rs", false),
            ("src/api/logs.rs", "src/api/models.rs", false),
            ("src/api/logs.rs", "src/api/mod.rs", true),
            ("src/list/mod.rs", "src/api/mod.rs", false),
            ("src/list/mod.rs", "src/lib.rs", true),
        ] {
            assert_eq!(is_within(file, module), within, "{file} in {module}");
        }
    }
}
