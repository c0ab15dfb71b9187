#![doc = include_str!("../README.md")]
//! # Where to begin
//!
//! - [`document::read`] and [`document::parse`] read a document. They reject duplicate keys, which a
//!   parser would silently drop.
//! - [`prepare::prepare`] applies the rules. The source has one function per rule, with its reason and an
//!   example.
//! - [`prepare::Report`] lists every change and every operation that is left out. Its [`prepare::Notes`]
//!   list the properties that the prepared document can't express.
//!
//! [`ClientBuild`] generates the client of a document into a crate that depends on `synapse-backend-client`.
//!
//! All other modules belong to the build of `synapse-backend-client` and change with it.

mod adapt;
#[doc(hidden)]
pub mod build_script;
#[doc(hidden)]
pub mod changes;
mod client_build;
pub mod document;
mod document_build;
#[doc(hidden)]
pub mod domains;
#[doc(hidden)]
pub mod generate;
#[doc(hidden)]
pub mod output;
#[cfg(feature = "overlay")]
#[doc(hidden)]
pub mod overlay;
pub mod prepare;
#[doc(hidden)]
pub mod selection;

pub use client_build::ClientBuild;
