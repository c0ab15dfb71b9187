//! Checks that each operation can have a method: that the method's name isn't reserved.

use synapse_codegen::generate::can_have_method;
use synapse_codegen::prepare::naming::parameter_name;

use crate::document::Place;

/// Returns the operations whose method's name is reserved.
pub fn findings(operations: &[Place<'_>]) -> Vec<String> {
    let reserved = operations.iter().filter(|place| !can_have_method(place.id));
    reserved
        .map(|place| {
            let (id, method, path) = (place.id, place.method.to_uppercase(), place.path);
            let name = parameter_name(id);
            format!(
                "reserved: {id} ({method} {path}): its method's name is reserved: call it by `client.call(|raw| raw.{name}(…))`"
            )
        })
        .collect()
}
