//! Failures that the API and its edge are known for.

use super::Fault;

impl Fault {
    /// Responds with a 429, with `Retry-After` in seconds if it is given. The request is not processed.
    ///
    /// ```
    /// # fn example(backend: &synapse_test_backend::Backend) {
    /// use synapse_test_backend::Fault;
    /// backend.inject(Fault::rate_limited(1).on("GET", "/sdk/tasks/"));
    /// backend.inject(Fault::rate_limited(None).on("POST", "/logs/"));
    /// # }
    /// ```
    pub fn rate_limited(retry_after: impl Into<Option<u64>>) -> Self {
        let fault = Self::response(429);
        match retry_after.into() {
            None => fault.json(r#"{"detail":"Request was throttled."}"#),
            Some(seconds) => fault
                .json(format!(
                    r#"{{"detail":"Request was throttled. Expected available in {seconds} seconds."}}"#
                ))
                .header("Retry-After", &seconds.to_string()),
        }
    }

    /// Lets this many matching requests pass, and responds to all others with a 429 without `Retry-After`.
    /// [`Injected::remove`](super::Injected::remove) ends it.
    ///
    /// ```
    /// # fn example(backend: &synapse_test_backend::Backend) {
    /// use synapse_test_backend::Fault;
    /// let quota = backend.inject(Fault::request_quota(100).on("PUT", "/tasks/"));
    /// quota.remove();
    /// # }
    /// ```
    pub fn request_quota(requests: u64) -> Self {
        Self::rate_limited(None).after(requests).always()
    }

    /// Responds to the run of a served action with a 503: no GPU is available. This is a final answer.
    ///
    /// ```
    /// # fn example(backend: &synapse_test_backend::Backend) {
    /// backend.inject(synapse_test_backend::Fault::gpu_unavailable().on("POST", "/plugins/"));
    /// # }
    /// ```
    pub fn gpu_unavailable() -> Self {
        Self::response(503).json(r#"{"error_type":"gpu_unavailable","message":"No GPU is available."}"#)
    }

    /// Responds with an error of an object storage in XML, such as `SlowDown`. The request is not processed.
    ///
    /// # Panics
    /// Panics if `status` is not an HTTP status (100 to 999).
    ///
    /// ```
    /// # fn example(backend: &synapse_test_backend::Backend) {
    /// use synapse_test_backend::Fault;
    /// backend.inject(Fault::storage_error(503, "SlowDown").on("PUT", "/storage/"));
    /// # }
    /// ```
    #[track_caller]
    pub fn storage_error(status: u16, code: &str) -> Self {
        let page = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>Please try again.</Message></Error>"
        );
        Self::response(status).body(page).header("Content-Type", "application/xml")
    }
}
