//! The generated client: one builder an operation and the types of the API, made by `build.rs` from the OpenAPI document
//! in `openapi/`. Nothing here is written by hand.
//!
//! [`BackendClient::call`](crate::BackendClient::call) takes a [`Client`] and sends what its methods build.

// A document may leave descriptions out.
#![allow(missing_docs)]

include!(concat!(env!("OUT_DIR"), "/raw.rs"));
