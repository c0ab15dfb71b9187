//! [`CallOptions`]: the options of calls as a value, and the trait of the types that have them.

use std::fmt;
use std::time::{Duration, Instant};

use reqwest::header::{HeaderName, HeaderValue};

use super::option_setters::option_setters;
use crate::client::Settings;
use crate::error::Result;
use crate::transport::is_transport_header;
use crate::transport::retry_policy::RetryPolicy;
use crate::transport::timeouts::Timeouts;
use crate::url_conversion::Conversions;

/// The options of calls: time-outs, retries, headers, parameters and conversions.
///
/// Calls have the same setters. A value of this type holds options that several calls share.
///
/// ```no_run
/// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
/// use std::time::Duration;
/// use synapse_backend_client::CallOptions;
///
/// let patient = CallOptions::new().timeout(Duration::from_secs(600)).max_retries(10);
/// let model = client.get_model(456).with_options(patient.clone()).await?;
/// let version = client.get_ground_truth_version(123).with_options(patient).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
#[must_use = "options do nothing until a call has them"]
pub struct CallOptions {
    pub(super) params: Vec<(String, Vec<String>)>,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    connect_timeout: Option<Duration>,
    read_timeout: Option<Duration>,
    pub(super) timeout: Option<Duration>,
    retries: Option<u32>,
    retry: Option<RetryPolicy>,
    pub(super) idempotent: bool,
    /// No other host may respond instead of the backend.
    pub(super) backend_only: bool,
    pub(super) conversions: Conversions,
    /// Invalid options, reported when the call is sent.
    problems: Vec<String>,
}

/// A type with options of requests.
pub(crate) trait HasOptions {
    fn options_mut(&mut self) -> &mut CallOptions;
}

impl HasOptions for CallOptions {
    fn options_mut(&mut self) -> &mut CallOptions {
        self
    }
}

impl CallOptions {
    option_setters!();

    /// Returns options of which none is set.
    pub fn new() -> Self {
        CallOptions::default()
    }

    pub(crate) fn set_param(&mut self, name: String, values: Vec<String>) {
        self.params.retain(|(other, _)| *other != name);
        self.params.push((name, values));
    }

    pub(crate) fn set_header(
        &mut self,
        shown: &str,
        name: Result<HeaderName, http::Error>,
        value: Result<HeaderValue, http::Error>,
    ) {
        match (name, value) {
            (Ok(name), _) if is_transport_header(&name) => {
                self.problems.push(format!("header `{shown}`: the client sets it itself"));
            }
            (Ok(name), Ok(value)) => self.headers.push((name, value)),
            (Err(_), _) => self.problems.push(format!("header `{shown}`: it is not a valid header name")),
            (Ok(_), Err(_)) => self
                .problems
                .push(format!("header `{shown}`: its value contains a character not allowed in headers")),
        }
    }

    pub(crate) fn set_connect_timeout(&mut self, timeout: Duration) {
        self.connect_timeout = Some(timeout);
    }

    pub(crate) fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = Some(timeout);
    }

    pub(crate) fn set_read_timeout(&mut self, timeout: Duration) {
        self.read_timeout = Some(timeout);
    }

    /// Sets the read time-out, unless the call has its own.
    #[cfg(api = "data-files")]
    pub(crate) fn default_read_timeout(&mut self, timeout: Duration) {
        self.read_timeout.get_or_insert(timeout);
    }

    pub(crate) fn set_retries(&mut self, retries: u32) {
        self.retries = Some(retries);
    }

    pub(crate) fn set_retry(&mut self, policy: RetryPolicy) {
        self.retry = Some(policy);
    }

    pub(crate) fn set_idempotent(&mut self, retry: bool) {
        self.idempotent = retry;
    }

    pub(crate) fn conversions(&mut self) -> &mut Conversions {
        &mut self.conversions
    }

    /// Returns the deadline of an operation that starts now.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        // A time beyond the clock's range is no limit.
        self.timeout.and_then(|timeout| Instant::now().checked_add(timeout))
    }

    /// Sets the time-out to the time that is left until `deadline`.
    pub(crate) fn end_by(&mut self, deadline: Option<Instant>) {
        if let Some(deadline) = deadline {
            // If no time is left, the call times out; a time-out of zero would be an invalid option instead.
            let left = deadline.saturating_duration_since(Instant::now());
            self.timeout = Some(left.max(Duration::from_nanos(1)));
        }
    }

    pub(crate) fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.headers
    }

    pub(crate) fn keep_headers(&mut self, keep: impl Fn(&HeaderName) -> bool) {
        self.headers.retain(|(name, _)| keep(name));
    }

    /// Returns the time-outs of a request; those that aren't set are the client's. `of_operation` is the read
    /// time-out that the API's document names, in seconds.
    pub(crate) fn timeouts(&self, settings: &Settings, of_operation: Option<u32>, list: bool) -> Timeouts {
        Timeouts {
            connect: self.connect_timeout.unwrap_or(settings.connect_timeout),
            idle: self.read_timeout.unwrap_or_else(|| settings.read_timeout(of_operation, list)),
            total: self.timeout.or(settings.timeout),
            deadline: None,
        }
    }

    /// Returns the options that apply to each of a call's requests: headers, time-outs per request, and
    /// retries.
    pub(crate) fn of_each_request(&self) -> Self {
        CallOptions {
            headers: self.headers.clone(),
            connect_timeout: self.connect_timeout,
            read_timeout: self.read_timeout,
            retries: self.retries,
            retry: self.retry.clone(),
            backend_only: true,
            ..CallOptions::default()
        }
    }

    /// Returns the call's retry policy, based on the client's `policy`.
    pub(crate) fn retry_policy(&self, policy: &RetryPolicy) -> RetryPolicy {
        let mut policy = self.retry.as_ref().unwrap_or(policy).clone();
        policy.retries = self.retries.unwrap_or(policy.retries);
        policy
    }

    /// Returns all invalid options.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems = self.problems.clone();
        problems.extend(self.conversions.problems());
        for (name, timeout) in [
            ("timeout", self.timeout),
            ("connect_timeout", self.connect_timeout),
            ("read_timeout", self.read_timeout),
        ] {
            if timeout.is_some_and(|timeout| timeout.is_zero()) {
                problems.push(format!("{name}: it is zero"));
            }
        }
        problems
    }
}

impl fmt::Debug for CallOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Custom parameters and headers may contain anything, even a token, so only their names are shown.
        let names: Vec<_> = self.params.iter().map(|(name, _)| name).collect();
        let headers: Vec<_> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("CallOptions")
            .field("params", &names)
            .field("headers", &headers)
            .field("timeout", &self.timeout)
            .field("connect_timeout", &self.connect_timeout)
            .field("read_timeout", &self.read_timeout)
            .field("retries", &self.retries)
            .field("retry", &self.retry)
            .field("idempotent", &self.idempotent)
            .field("conversions", &self.conversions)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_timeout_of_operation_is_a_default() {
        let settings = |read_timeout: Option<u64>| Settings {
            connect_timeout: Duration::from_secs(5),
            read_timeout: read_timeout.map(Duration::from_secs),
            timeout: None,
            url_host: None,
            retry: RetryPolicy::default(),
        };
        let idle = |options: &CallOptions, client: Option<u64>, of_operation: Option<u32>, list: bool| {
            options.timeouts(&settings(client), of_operation, list).idle.as_secs()
        };
        let (unset, set) = (CallOptions::new(), CallOptions::new().read_timeout(Duration::from_secs(7)));
        assert_eq!((idle(&unset, None, None, false), idle(&unset, None, None, true)), (15, 60));
        for list in [false, true] {
            assert_eq!(idle(&unset, None, Some(300), list), 300);
            assert_eq!(idle(&unset, Some(20), Some(300), list), 20);
            assert_eq!(idle(&set, Some(20), Some(300), list), 7);
        }
    }
}
