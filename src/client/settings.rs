//! [`Settings`]: what calls look up of a client.

use std::time::Duration;

use crate::transport::retry_policy::RetryPolicy;

/// What a client was told that calls look up.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) connect_timeout: Duration,
    pub(crate) read_timeout: Option<Duration>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) url_host: Option<String>,
    pub(crate) retry: RetryPolicy,
}

/// While no byte moves: as the platform's own client has it.
pub(crate) const READ_TIMEOUT: Duration = Duration::from_secs(15);
/// A list's first page counts the whole list.
const LIST_READ_TIMEOUT: Duration = Duration::from_secs(60);

impl Settings {
    pub(crate) fn read_timeout(&self, list: bool) -> Duration {
        self.read_timeout.unwrap_or(if list { LIST_READ_TIMEOUT } else { READ_TIMEOUT })
    }
}
