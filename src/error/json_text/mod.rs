//! JSON texts from a server: they are read in linear time and to a bounded depth, whatever they contain.

pub(crate) mod decode;
pub(crate) mod json_path;
pub(crate) mod leniency;
pub(crate) mod members;
pub(crate) mod nested_path;
mod private_keys;
pub(crate) mod scan;
mod surrogates;
