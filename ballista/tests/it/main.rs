//! Tests of the scheduler and the executors, as processes.

mod pages;
mod support;
