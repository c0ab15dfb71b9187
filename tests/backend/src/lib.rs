//! A stateful, embedded Synapse backend for tests, examples and benches of its clients.
//!
//! It implements the wire format of the Synapse backend over real sockets, in the manner of Django REST
//! Framework: machine learning with chunked uploads and files, annotation, assignments, data collections,
//! plugins, jobs, agents, storages and presigned uploads. It stores what it receives, shows tests the requests
//! it received, and injects faults on demand.
//!
//! ```
//! # async fn example() -> std::io::Result<()> {
//! use synapse_test_backend::{Backend, Fault};
//!
//! let backend = Backend::builder().models(20).ground_truth_events(10_000).start().await?;
//! backend.inject(Fault::proxy_page(502).on("GET", "/models/"));
//!
//! // … the client under test uses backend.url() and backend.token() …
//!
//! assert_eq!(backend.requests().len(), 2, "the failed request and its retry");
//! # Ok(()) }
//! ```
//!
//! # The world
//! All data are computed from the seed and are the same at every start. Projects have the ids 123, 124, …,
//! dataset versions 123, 124, …, datasets 7, 8, …, models 456, 457, … and events 1001, 1002, …. The other kinds
//! start at round numbers: tasks at 100001, assignments at 200001, data units at 300001, and so on. No object
//! has the id 999 with the default settings. (See the constants of [`Backend`].) Nothing is stored until a
//! request changes it: events, tasks and the rest are rendered on request, so a million of them take no
//! start-up time, and a page of an unfiltered list costs the same at any position.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod annotation;
mod app;
mod auth;
mod backend;
mod body;
mod connection;
mod data;
mod data_collection;
mod drf;
mod edge;
mod faults;
mod filters;
mod form;
mod form_body;
mod ground_truth;
mod hitl;
mod in_flight;
mod integration;
mod keys;
mod links;
mod listing;
mod log;
mod media;
mod models;
mod pagination;
mod payloads;
mod projection;
mod queries;
mod request_parts;
mod routes;
mod server;
mod service;
mod settings;
mod storages;
mod table;
mod time;
mod uploads;
mod users;
mod versions;

pub use axum::http;
pub use backend::Backend;
pub use faults::{Fault, Injected};
pub use log::RecordedRequest;
pub use settings::{BackendBuilder, ConsoleLogs, TaskBodies};

/// Compiles the README's examples.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
