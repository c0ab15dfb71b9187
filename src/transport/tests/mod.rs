//! The transport's behaviour on failures: how often a request is sent, after which waits, over which
//! connections, and with which result. The tests use real sockets, and a clock that only moves with the waits
//! for retries.

mod at_most_once;
mod cancellation;
mod compressed;
mod connections;
mod credential_scope;
mod fault_matrix;
mod in_flight;
mod paths;
mod redirects;
mod reports;
mod response_heads;
mod responses;
mod retries;
mod streams;
mod wait_limits;

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use synapse_test_backend::{Backend, BackendBuilder};

use crate::error::{Error, Result};
use crate::marker::{self, Failure, MARKER, TOKEN, secret};
use crate::runtime::clock::TestClock;
use crate::support::soon::soon;
use crate::support::tcp_server::{self as server, refusing};
use crate::{BackendClient, BackendClientBuilder, ModelFile, RetryPolicy, json as json_value};

const MODEL: &str = r#"{"id": 1, "name": "n", "model_type": "detection"}"#;

/// Returns a builder of a client with two retries, and its clock.
fn builder(url: &str) -> (BackendClientBuilder, Arc<TestClock>) {
    marker::watch();
    let clock = TestClock::new();
    let builder = BackendClient::builder(url)
        .access_token(TOKEN)
        .retry(RetryPolicy::new().max_retries(2))
        .clock(clock.clone());
    (builder.http(http), clock)
}

/// HTTP settings without the system's certificates: loading them takes long and blocks the test's only
/// thread.
fn http() -> reqwest::ClientBuilder {
    let http = reqwest::ClientBuilder::new();
    #[cfg(any(feature = "rustls", feature = "rustls-no-provider"))]
    let http = http.tls_certs_only([]);
    http
}

fn client(url: &str) -> (BackendClient, Arc<TestClock>) {
    let (builder, clock) = builder(url);
    (builder.build().unwrap(), clock)
}

/// Returns a builder of the embedded backend, with secrets that contain the marker.
fn backend() -> BackendBuilder {
    marker::watch();
    Backend::builder().token(TOKEN).signature_prefix(MARKER)
}

/// The operations to which every fault is applied.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Op {
    Get,
    List,
    Delete,
    Patch,
    Create,
}

impl Op {
    const ALL: [Op; 5] = [Op::Get, Op::List, Op::Delete, Op::Patch, Op::Create];

    async fn send(self, client: &BackendClient) -> Result<()> {
        soon(self.send_to(client)).await
    }

    async fn send_to(self, client: &BackendClient) -> Result<()> {
        match self {
            Op::Get => client.get_model(1).await.map(drop),
            Op::List => client.list_models().await.map(drop),
            Op::Delete => client.request(Method::DELETE, "/models/1/").await.map(drop),
            Op::Patch => client
                .request(Method::PATCH, "/models/1/")
                .params(|p| p.json(&json_value!({"name": "m"})))
                .await
                .map(drop),
            Op::Create => create(client).await,
        }
    }

    fn line(self) -> &'static str {
        match self {
            Op::Get => "GET /models/1/",
            Op::List => "GET /models/",
            Op::Delete => "DELETE /models/1/",
            Op::Patch => "PATCH /models/1/",
            Op::Create => "POST /models/",
        }
    }

    fn body(self) -> &'static str {
        match self {
            Op::Get | Op::List | Op::Delete => "",
            Op::Patch => r#"{"name":"m"}"#,
            Op::Create => r#"{"chunked_upload":"a-uuid","model_type":"detection","name":"n","project":1}"#,
        }
    }

    /// The body of a successful response.
    fn whole(self) -> String {
        match self {
            Op::Get | Op::Patch | Op::Create => MODEL.to_owned(),
            Op::List => format!(r#"{{"count": 1, "next": null, "previous": null, "results": [{MODEL}]}}"#),
            Op::Delete => r#"{"deleted": 1}"#.to_owned(),
        }
    }

    fn response(self) -> Vec<u8> {
        server::json(self.status(), self.whole())
    }

    fn status(self) -> u16 {
        if self == Op::Create { 201 } else { 200 }
    }
}

/// Creates a model from a file that is already uploaded.
async fn create(client: &BackendClient) -> Result<()> {
    client
        .create_model(ModelFile::uploaded("a-uuid"), |m| m.name("n").model_type("detection").project(1))
        .await
        .map(drop)
}

fn status_of(error: &Error) -> Option<u16> {
    error.status().map(|status| status.as_u16())
}
