//! The generated client: one builder for each operation, and the types of the API. `build.rs` generates it
//! from the OpenAPI document in `openapi/`; nothing in it is handwritten.
//!
//! [`BackendClient::call`](crate::BackendClient::call) passes a [`Client`] to its closure and sends the
//! operation that the closure builds.
//!
#![doc = include_str!(concat!(env!("OUT_DIR"), "/changes.md"))]
// Which of these the code uses depends on the document.
#![allow(unused_imports)]
// A document may lack descriptions, and its descriptions aren't written for rustdoc.
#![allow(missing_docs, rustdoc::bare_urls, rustdoc::broken_intra_doc_links, rustdoc::invalid_html_tags)]
#![allow(
    rustdoc::invalid_codeblock_attributes,
    rustdoc::private_intra_doc_links,
    rustdoc::unescaped_backticks
)]

include!(concat!(env!("OUT_DIR"), "/raw.rs"));
