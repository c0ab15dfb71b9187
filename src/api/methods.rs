//! The methods that `build.rs` generates from the API's document: one for each operation that no handwritten
//! method takes over.

// A document may lack descriptions, and its descriptions aren't written for rustdoc.
#![allow(rustdoc::bare_urls, rustdoc::broken_intra_doc_links, rustdoc::invalid_html_tags)]
#![allow(
    rustdoc::invalid_codeblock_attributes,
    rustdoc::private_intra_doc_links,
    rustdoc::unescaped_backticks
)]
#![allow(unused_imports, reason = "which types the methods name depends on the document")]

use crate::__generated as rt;
use crate::call::Call;
use crate::client::BackendClient;
use crate::generated::raw::{builder, types};

include!(concat!(env!("OUT_DIR"), "/methods.rs"));
