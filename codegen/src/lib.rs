#![doc = include_str!("../README.md")]
//! # Where to begin
//!
//! - [`document::read`] and [`document::parse`] read a document, and refuse what a parser would silently lose.
//! - [`prepare::prepare`] applies the rules; the source has one function for each rule, with its reason, and what
//!   it makes of what.
//! - [`prepare::Report`] tells every change, every operation that is left out, and, in [`prepare::Notes`], what
//!   the prepared document can't say.
//!
//! Everything else is the build of `synapse-backend-client`, and changes with it.

mod adapt;
#[doc(hidden)]
pub mod build_script;
pub mod document;
#[doc(hidden)]
pub mod domains;
#[doc(hidden)]
pub mod generate;
#[doc(hidden)]
pub mod output;
pub mod prepare;
#[doc(hidden)]
pub mod selection;
