//! Methods of [`BackendClient`](crate::BackendClient): those generated from the API's document, and those for
//! one domain that send several requests.

#[cfg(api = "annotation")]
pub(crate) mod annotation;
mod exists;
mod item_problems;
pub(crate) mod methods;
#[cfg(api = "models")]
pub(crate) mod models;
