//! The generated client, and what its code and its callers meet in.

pub(crate) mod choices;
pub(crate) mod operation;
pub(crate) mod page_link;
pub mod raw;
pub(crate) mod raw_body;
