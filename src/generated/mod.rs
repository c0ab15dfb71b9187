//! The generated client, and the traits and types that its code and its callers share.

pub(crate) mod choices;
pub(crate) mod operation;
pub(crate) mod page_link;
pub mod raw;
pub(crate) mod raw_body;
