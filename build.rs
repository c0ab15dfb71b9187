//! Generates the raw client from an OpenAPI document into `OUT_DIR`, and says which parts of the handwritten
//! layer the document serves.
//!
//! - The document is the one in `openapi/`, or what `SYNAPSE_OPENAPI` names.
//! - `openapi/overlay.yaml`, or what `SYNAPSE_OPENAPI_OVERLAY` names, corrects it, with the feature `overlay`.
//! - `SYNAPSE_OPENAPI_ONLY` takes only operations of some tags or paths: `models,/sdk/`.
//! - `SYNAPSE_OPENAPI_STRICT=1` makes values that don't fit the document errors, and keeps `readOnly` fields required.
//! - `OUT_DIR/prepared.tsv` keeps every change that the preparation made: rule, place, what.

fn main() {
    synapse_codegen::build_script::run();
}
