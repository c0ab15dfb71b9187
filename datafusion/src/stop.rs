//! [`StopReading`]: ends the scans of a task.

use std::sync::Arc;

use tokio::sync::watch;

/// Ends the scans of a task at once: their requests are dropped, and their streams end with an error.
///
/// An engine that doesn't drop the streams of an aborted task sets one as an extension of the task's `SessionConfig`.
///
/// ```
/// use std::sync::Arc;
/// use datafusion::prelude::SessionConfig;
/// use synapse_datafusion::StopReading;
///
/// let stop = StopReading::new();
/// let config = SessionConfig::new().with_extension(Arc::new(stop.clone()));
/// stop.stop();
/// assert!(config.get_extension::<StopReading>().is_some_and(|stop| stop.is_stopped()));
/// ```
#[derive(Debug, Clone)]
pub struct StopReading {
    stopped: Arc<watch::Sender<bool>>,
}

impl StopReading {
    /// Returns a new one. Its clones are the same.
    pub fn new() -> Self {
        StopReading { stopped: Arc::new(watch::Sender::new(false)) }
    }

    /// Ends the scans that have it. Later ones end at their beginning.
    pub fn stop(&self) {
        self.stopped.send_replace(true);
    }

    /// Returns whether [`stop`](StopReading::stop) was called.
    pub fn is_stopped(&self) -> bool {
        *self.stopped.borrow()
    }

    /// Waits until [`stop`](StopReading::stop) is called.
    pub async fn stopped(&self) {
        let mut receiver = self.stopped.subscribe();
        // The sender lives as long as `self`.
        let _ = receiver.wait_for(|stopped| *stopped).await;
    }
}

impl Default for StopReading {
    fn default() -> Self {
        StopReading::new()
    }
}
