//! The generated client, and what its code calls: traits, parameters, conversions and the request that they make.

pub(crate) mod alternatives;
pub(crate) mod argument;
pub(crate) mod array_limits;
pub(crate) mod body;
pub(crate) mod choices;
pub(crate) mod description;
pub(crate) mod form;
pub(crate) mod form_file;
pub(crate) mod form_info;
pub(crate) mod list_operation;
pub(crate) mod object;
pub(crate) mod operation;
pub(crate) mod page_link;
pub(crate) mod pagination;
pub(crate) mod parameters;
pub mod raw;
pub(crate) mod raw_body;
pub(crate) mod request;
pub(crate) mod secrets;
pub(crate) mod sending_rules;
pub(crate) mod support;
