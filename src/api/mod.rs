//! Methods of [`BackendClient`](crate::BackendClient): those generated from the API's document, and those for
//! one domain that send several requests.

#[cfg(api = "data-files")]
pub(crate) mod data_files;
mod exists;
pub(crate) mod methods;
#[cfg(api = "models")]
pub(crate) mod models;
