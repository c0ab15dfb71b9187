//! The integration tests: one module for each behaviour, and one binary for all. Tests run in parallel in one
//! process. A test that needs a separate process starts it with `support::child`.

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

mod annotate_batch;
mod api;
mod batch_streams;
mod bounded_errors;
mod checkpoint_hosts;
mod connections;
mod conversion_leases;
mod data_files;
mod documents;
mod download_dataset;
mod download_digests;
mod download_encodings;
mod download_processes;
mod download_progress;
mod download_targets;
mod downloads;
mod errors;
mod exists;
mod export;
mod file_cache;
mod forms;
mod ground_truth;
mod list_operations;
mod logs;
mod memory;
mod models;
mod no_runtime;
mod pagination;
mod pagination_ends;
mod pagination_identity;
mod pagination_model;
mod pagination_progress;
mod pagination_requests;
mod pagination_responses;
mod pagination_shapes;
mod raw_bodies;
mod secrets;
mod sending_rules;
mod settings;
mod storages;
mod support;
mod types;
mod upload_extremes;
mod upload_faults;
mod upload_kill;
mod upload_offsets;
mod upload_sessions;
mod uploads;
mod url_conversion;
#[cfg(all(feature = "annotation", feature = "hitl", feature = "data-collection", feature = "integration"))]
mod wire;

/// Counts allocations for `bounded_errors`.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;
