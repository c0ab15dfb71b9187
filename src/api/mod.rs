//! Methods of [`BackendClient`](crate::BackendClient) for one domain that can't be generated: those that send
//! several requests, and those with their own defaults.

#[cfg(api = "ground_truth")]
pub(crate) mod ground_truth;
#[cfg(api = "models")]
pub(crate) mod models;
