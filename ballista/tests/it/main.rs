//! Tests of the scheduler and the executors, as processes.

mod clients;
mod codec;
mod copies;
mod failures;
#[cfg(feature = "cloud")]
mod object_stores;
mod pages;
mod processes;
mod queries;
mod secrets;
mod support;
