//! Counts the instructions of decoding and look-ups, which are exactly reproducible on any machine.
//! `instructions.sh` runs this bench, and also counts the instructions of whole programs.
//!
//! ```text
//! cargo install gungraun-runner --version <that of gungraun in Cargo.lock>
//! cargo bench --manifest-path benches/Cargo.toml --bench instructions
//! ```

use std::hint::black_box;

use gungraun::{library_benchmark, library_benchmark_group, main};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use synapse_backend_client::Json;
use synapse_backend_client::types::GroundTruthEvent;

/// A user's own type with a few fields of an event.
#[derive(Deserialize)]
#[allow(dead_code)]
struct Own {
    id: i64,
    data_type: Option<String>,
    created_at: String,
}

/// Mostly numbers. Measures how fast doubles are parsed exactly, to the last digit.
#[derive(Deserialize)]
#[allow(dead_code)]
struct Doubles {
    scores: Vec<f64>,
}

#[derive(Deserialize)]
struct Page<T> {
    results: Vec<T>,
}

/// A page of 100 events of about 1.3 kB each, like the list's first page.
fn page() -> Vec<u8> {
    let boxes: Vec<_> = (0..10)
        .map(|n| format!(r#"{{"label": "bus", "box": [{n}, 20.5, 300, 400.25], "score": 0.9{n}}}"#))
        .collect();
    let boxes = boxes.join(", ");
    let event = |id: usize| {
        format!(
            r#"{{"id": {id}, "data": {{"label": "bus", "annotations": [{boxes}]}}, "data_unit": {{"id": {id}, "name": "unit {id}", "files": {{"image": {{"url": "https://files.example/media/{id}.png?X-Amz-Signature=0123456789abcdef0123456789abcdef", "size": 123456}}}}}}, "ground_truth_dataset_version": 7, "created_at": "2026-01-01T00:00:00.123456Z", "metadata": {{"camera": "front", "weather": "rain", "note": "a text of some length that nobody ever looks at"}}, "files": {{"image": "https://files.example/media/{id}.png?X-Amz-Signature=0123456789abcdef"}}, "data_type": "image"}}"#
        )
    };
    let events: Vec<_> = (1..=100).map(event).collect();
    format!(
        r#"{{"count": 100000, "next": "https://h/?page=2", "previous": null, "results": [{}]}}"#,
        events.join(",")
    )
    .into_bytes()
}

/// 100 items of 50 doubles of 16 and 17 digits.
fn doubles() -> Vec<u8> {
    let scores: Vec<_> = (1..=50).map(|n| (1.0 / f64::from(n * 7)).to_string()).collect();
    let item = format!(r#"{{"scores": [{}]}}"#, scores.join(", "));
    format!(r#"{{"results": [{}]}}"#, vec![item; 100].join(",")).into_bytes()
}

/// Free-form JSON of about 6 kB. The looked-up key is in the middle.
fn json() -> Json {
    let entries: Vec<_> = (0..100)
        .map(|n| format!(r#""key_{n}": {{"label": "bus", "box": [{n}, 20.5, 300, 400.25]}}"#))
        .collect();
    format!("{{{}}}", entries.join(", ")).parse().unwrap()
}

fn decode<T: DeserializeOwned>(page: &[u8]) -> Vec<T> {
    serde_json::from_slice::<Page<T>>(page).unwrap().results
}

#[library_benchmark]
#[bench::page(page())]
fn typed(page: Vec<u8>) -> Vec<GroundTruthEvent> {
    decode(black_box(&page))
}

#[library_benchmark]
#[bench::page(page())]
fn own(page: Vec<u8>) -> Vec<Own> {
    decode(black_box(&page))
}

#[library_benchmark]
#[bench::page(page())]
fn raw(page: Vec<u8>) -> Vec<Box<RawValue>> {
    decode(black_box(&page))
}

#[library_benchmark]
#[bench::page(doubles())]
fn doubles_own(page: Vec<u8>) -> Vec<Doubles> {
    decode(black_box(&page))
}

#[library_benchmark]
#[bench::middle(json())]
fn json_one_key(json: Json) -> bool {
    black_box(&json)["key_50"]["label"] == "bus"
}

// Like a program that reads a few fields of the same value.
#[library_benchmark]
#[bench::ten(json())]
fn json_ten_keys(json: Json) -> usize {
    (0..10).filter(|n| black_box(&json)[format!("key_{}", n * 10).as_str()]["label"] == "bus").count()
}

library_benchmark_group!(
    name = instructions,
    benchmarks = [typed, own, raw, doubles_own, json_one_key, json_ten_keys]
);

main!(library_benchmark_groups = instructions);
