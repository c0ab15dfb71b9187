//! [`Settings`]: the settings of a client that calls use.

use std::time::Duration;

use crate::transport::retry_policy::RetryPolicy;

/// The settings of a client that calls use.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) connect_timeout: Duration,
    pub(crate) read_timeout: Option<Duration>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) url_host: Option<String>,
    pub(crate) retry: RetryPolicy,
}

/// The idle time-out, the same as in the platform's own client.
pub(crate) const READ_TIMEOUT: Duration = Duration::from_secs(15);
/// It is longer because a list's first page counts the whole list.
const LIST_READ_TIMEOUT: Duration = Duration::from_secs(60);

impl Settings {
    /// Returns the read time-out of an operation for which the API's document names one, in seconds, or none.
    pub(crate) fn read_timeout(&self, of_operation: Option<u32>, list: bool) -> Duration {
        let usual = || match of_operation {
            Some(seconds) => Duration::from_secs(seconds.into()),
            None if list => LIST_READ_TIMEOUT,
            None => READ_TIMEOUT,
        };
        self.read_timeout.unwrap_or_else(usual)
    }
}
