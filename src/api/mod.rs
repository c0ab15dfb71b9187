//! Methods of [`BackendClient`](crate::BackendClient): those generated from the API's document, and those for
//! one domain that send several requests.

#[cfg(api = "annotation")]
pub(crate) mod annotation;
#[cfg(api = "console-logs")]
pub(crate) mod console_logs;
#[cfg(api = "data-files")]
pub(crate) mod data_files;
mod exists;
mod item_problems;
#[cfg(api = "logs")]
mod log_file;
#[cfg(api = "logs")]
pub(crate) mod logs;
pub(crate) mod methods;
#[cfg(api = "models")]
pub(crate) mod models;
#[cfg(api = "storages")]
pub(crate) mod storages;
