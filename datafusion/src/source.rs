//! [`Source`]: where a table's list comes from.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use datafusion::common::{Result, exec_err, plan_err};
use synapse_backend_client::{BackendClient, Call, DynamicList};

use crate::connections::Connections;
use crate::errors;

/// Where a table's list comes from: a call, or a named connection of the process that reads it.
#[derive(Clone)]
pub(crate) enum Source {
    Call(Call<DynamicList>),
    Named { name: Named, list: DynamicList, connections: Arc<dyn Connections> },
}

/// A connection that a plan names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) connection: String,
    /// The base URL that the connection must have in each process, if the table says so.
    pub(crate) base_url: Option<String>,
}

impl Named {
    /// Returns the connection's client.
    ///
    /// # Errors
    /// Returns an error if there is no such connection, or if it has another base URL.
    pub(crate) fn client(&self, connections: &dyn Connections) -> Result<BackendClient> {
        let client = connections.client(&self.connection)?;
        match &self.base_url {
            Some(expected) if expected.trim_end_matches('/') != client.base_url() => exec_err!(
                "connection `{}`: its base URL in this process isn't the table's: set the same one in all processes",
                self.connection
            ),
            _ => Ok(client),
        }
    }
}

impl Source {
    pub(crate) fn list(&self) -> &DynamicList {
        match self {
            Source::Call(call) => call.operation(),
            Source::Named { list, .. } => list,
        }
    }

    pub(crate) fn name(&self) -> Option<&Named> {
        match self {
            Source::Call(_) => None,
            Source::Named { name, .. } => Some(name),
        }
    }

    /// Returns the list's call, which takes at most `deadline`.
    ///
    /// # Errors
    /// Returns an error if the connection is unknown.
    pub(crate) fn call(&self, deadline: Option<Duration>) -> Result<Call<DynamicList>> {
        let call = match self {
            Source::Call(call) => call.clone(),
            Source::Named { name, list, connections } => {
                name.client(connections.as_ref())?.call(|_| list.clone())
            }
        };
        Ok(match deadline {
            Some(deadline) => call.timeout(deadline),
            None => call,
        })
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Call(call) => call.fmt(f),
            Source::Named { name, list, .. } => f.debug_tuple("Named").field(name).field(list).finish(),
        }
    }
}

/// Parameters that select a page: a table reads all of them.
const PAGE_PARAMETERS: [&str; 3] = ["page", "cursor", "offset"];

/// Checks that no parameter of a list selects a page.
///
/// # Errors
/// Returns an error that names the parameter.
pub(crate) fn check_pages(list: &DynamicList) -> Result<()> {
    let id = list.operation().id();
    if let Some((parameter, _)) =
        list.parameters().find(|(parameter, _)| PAGE_PARAMETERS.contains(&parameter.wire))
    {
        return plan_err!(
            "{id}: `{}` selects a page, but a table has all of them: leave it out",
            parameter.wire
        );
    }
    Ok(())
}

/// Checks a list's parameters without a connection.
///
/// # Errors
/// Returns an error if the list lacks a parameter, if a value is invalid, or if a parameter selects a page.
pub(crate) fn validate(list: &DynamicList) -> Result<()> {
    check_pages(list)?;
    // Nothing is sent: the client only makes the request.
    let client = BackendClient::builder("http://localhost").build().map_err(errors::of_client)?;
    client.call(|_| list.clone()).request().map(drop).map_err(errors::of_client)
}
