//! What a generator can't give for one domain: methods of [`BackendClient`](crate::BackendClient) that take
//! several requests, and those that have defaults of their own.

#[cfg(api = "ground_truth")]
pub(crate) mod ground_truth;
#[cfg(api = "models")]
pub(crate) mod models;
