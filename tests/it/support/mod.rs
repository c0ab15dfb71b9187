//! Shared by the tests.

pub mod backend;
pub mod child;
pub mod file_server;
pub mod ids;
pub mod list_server;
pub mod marker;
pub mod predicates;
#[cfg(feature = "rustls")]
pub mod proxy;
pub mod server;
pub mod soon;
pub mod tcp_server;
#[cfg(feature = "rustls")]
pub mod tls_server;
pub mod uploads;
