//! The generated client: one builder an operation and the types of the API, made by `build.rs` from the
//! OpenAPI document in `openapi/`. Nothing here is written by hand.
//!
//! [`BackendClient::call`](crate::BackendClient::call) takes a [`Client`] and sends what its methods build.

// A document may leave descriptions out, and those that it has weren't written for rustdoc.
#![allow(missing_docs, rustdoc::bare_urls, rustdoc::broken_intra_doc_links, rustdoc::invalid_html_tags)]
#![allow(
    rustdoc::invalid_codeblock_attributes,
    rustdoc::private_intra_doc_links,
    rustdoc::unescaped_backticks
)]

include!(concat!(env!("OUT_DIR"), "/raw.rs"));
