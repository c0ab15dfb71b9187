//! The cost of the generation, counted in allocations, which don't depend on a clock.

mod support;

use std::alloc::System;
use std::sync::{Mutex, PoisonError};

use serde_json::{Map, Value, json};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use support::{both_ways, document};
use synapse_codegen::generate::generate;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Only one measurement at a time may run, because the allocations of all threads are counted.
static RUNNING: Mutex<()> = Mutex::new(());

/// Fails if a document of twice the size costs more than two and a half times as much.
fn assert_linear(document: impl Fn(usize) -> Value, size: usize) {
    let _alone = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    let cost = |size| {
        let document = document(size);
        let region = Region::new(ALLOCATOR);
        let _ = generate(document);
        region.change().allocations
    };
    let (one, two) = (cost(size), cost(2 * size));
    assert!(2 * two <= 5 * one, "{one} allocations for {size}, {two} for {}", 2 * size);
}

#[test]
fn many_fields_are_adapted_in_one_pass() {
    let fields = |count: usize| {
        let of = |index: usize| {
            let field = json!({"type": "string", "nullable": true});
            [(format!("field_{index}"), field.clone()), (format!("field{index}"), field)]
        };
        let properties: Map<String, Value> = (0..count).flat_map(of).collect();
        both_ways(json!({"type": "object", "properties": properties}))
    };
    assert_linear(fields, 200);
}

#[test]
fn many_parameters_are_adapted_in_one_pass() {
    let parameters = |count: usize| {
        let parameter = |index: usize| {
            let holder = if index.is_multiple_of(2) { "path" } else { "query" };
            json!({"name": format!("P{index}"), "in": holder, "required": true, "schema": {"type": "string"}})
        };
        let list: Vec<Value> = (0..count).map(parameter).collect();
        let path: String = (0..count).step_by(2).map(|index| format!("/{{P{index}}}")).collect();
        let mut document = document(json!({"parameters": list}), json!({}));
        let item = document["paths"]["/things/"].take();
        document["paths"] = json!({path: item});
        document
    };
    assert_linear(parameters, 200);
}

#[test]
fn culprit_of_many_operations_is_bisected() {
    let operations = |count: usize| {
        let mut document = document(json!({}), json!({"type": "string"}));
        let operation = document["paths"]["/things/"].take();
        let mut paths: Map<String, Value> = Map::new();
        for index in 0..count {
            paths.insert(format!("/{index:04}/"), operation.clone());
        }
        paths[&format!("/{:04}/", count - 1)]["get"]["responses"]["200"]["content"]["application/json"] =
            json!({"schema": {"type": "string", "externalDocs": 5}});
        document["paths"] = paths.into();
        document
    };
    let error = generate(operations(3)).err().unwrap();
    assert!(error.starts_with("GET /0002/ (list_things_3): "), "{error}");
    assert_linear(operations, 300);
}
