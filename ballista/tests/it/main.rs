//! Tests of the scheduler and the executors, as processes.

mod clients;
mod codec;
mod failures;
mod pages;
mod processes;
mod queries;
mod secrets;
mod support;
