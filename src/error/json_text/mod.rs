//! JSON texts that a server sent: read in linear time and to a bounded depth, whatever they hold.

pub(crate) mod decode;
pub(crate) mod json_path;
pub(crate) mod members;
mod private_keys;
pub(crate) mod scan;
mod surrogates;
