//! The setters of options, as methods of all types that send requests: a caller needs no trait in scope. Each type
//! implements [`HasOptions`](super::options::HasOptions).

/// The setters of all types that send one or several requests.
macro_rules! sending_setters {
    () => {
        /// Sets a header of each request of this call.
        ///
        /// `Authorization`, `Cookie`, `Proxy-Authorization`, the platform's headers (`Synapse-…`) and the
        /// client's [`sensitive_header`](crate::BackendClientBuilder::sensitive_header)s are only sent to the
        /// call's own origin (scheme, host and port). Once a redirect leads to another origin, they are no
        /// longer sent, even if a later redirect leads back. Any other header is sent to every host that the
        /// request reaches, so don't put a token in it.
        ///
        /// It takes what [`reqwest::RequestBuilder::header`] takes.
        pub fn header<K, V>(mut self, name: K, value: V) -> Self
        where
            K: TryInto<http::HeaderName, Error: Into<http::Error>> + std::fmt::Debug,
            V: TryInto<http::HeaderValue, Error: Into<http::Error>>,
        {
            let shown = $crate::error::redact::excerpt(format!("{name:?}").trim_matches('"'), 100);
            let (name, value) = (name.try_into().map_err(Into::into), value.try_into().map_err(Into::into));
            $crate::call::options::HasOptions::options_mut(&mut self).set_header(&shown, name, value);
            self
        }

        /// Sets how long making a connection for this call may take. A connect time-out that differs from the
        /// client's uses a separate connection pool; a client keeps the pools of the last few time-outs.
        pub fn connect_timeout(mut self, timeout: std::time::Duration) -> Self {
            $crate::call::options::HasOptions::options_mut(&mut self).set_connect_timeout(timeout);
            self
        }

        /// Sets the idle time-out: the call fails if no byte is sent or received for this long.
        pub fn read_timeout(mut self, timeout: std::time::Duration) -> Self {
            $crate::call::options::HasOptions::options_mut(&mut self).set_read_timeout(timeout);
            self
        }

        /// Sets how long the whole call may take: all of its requests, waits and responses, and the work on
        /// this machine, such as conversions, decoding, files, and waiting for a thread that may block.
        pub fn timeout(mut self, timeout: std::time::Duration) -> Self {
            $crate::call::options::HasOptions::options_mut(&mut self).set_timeout(timeout);
            self
        }

        /// Sets how often a request of this call is retried at most.
        pub fn max_retries(mut self, retries: u32) -> Self {
            $crate::call::options::HasOptions::options_mut(&mut self).set_retries(retries);
            self
        }

        /// Sets how often a request of this call is retried, and after which waits, instead of the client's
        /// policy.
        pub fn retry(mut self, policy: $crate::RetryPolicy) -> Self {
            $crate::call::options::HasOptions::options_mut(&mut self).set_retry(policy);
            self
        }
    };
}
pub(crate) use sending_setters;

/// The setters of all types that make calls.
macro_rules! option_setters {
    () => {
        $crate::call::option_setters::sending_setters!();

        /// Replaces or adds a query parameter, also one that isn't in the API's document: servers accept more
        /// filters than the document names.
        pub fn param(self, name: impl Into<String>, value: impl ToString) -> Self {
            self.param_list(name, [value])
        }

        /// Like `param`, but repeats the parameter for each value. Without values, the parameter is removed.
        pub fn param_list<V: ToString>(
            mut self,
            name: impl Into<String>,
            values: impl IntoIterator<Item = V>,
        ) -> Self {
            $crate::call::options::HasOptions::options_mut(&mut self)
                .set_param(name.into(), values.into_iter().map(|value| value.to_string()).collect());
            self
        }

        /// Also retries a POST, PUT or PATCH if the server may have acted on it
        /// ([`is_unknown_outcome`](crate::Error::is_unknown_outcome)). Set it only if it does no harm that the
        /// server acts twice.
        pub fn idempotent(mut self, retry: bool) -> Self {
            $crate::call::options::HasOptions::options_mut(&mut self).set_idempotent(retry);
            self
        }

        /// Converts the URLs in a file field with a function, before the response is decoded.
        ///
        /// `field` is a dotted path (`file`, `files`, `data_unit.files`) that also passes through lists. The
        /// field may hold a URL, an object of name -> URL, an object of name -> object with `url`, or a list
        /// of such objects. Null and missing fields are left unchanged. The function receives the server's
        /// string, and its result replaces the string.
        ///
        /// Several conversions are applied in the order in which they are set. Each sees the results of the
        /// earlier ones, and treats such a result as a URL. So several conversions of the same `field` form a
        /// chain: each receives what the previous one returned, which for
        /// [`download_to`](crate::BackendClient::download_to) is the local path. The paths of a field may be
        /// written in different ways (`files`, `files.url`, `files.0`), and passed to both `url_conversion`
        /// and `url_conversion_with`.
        ///
        /// The function runs on the thread that drives the request. If it has to wait, use a converter with
        /// `url_conversion_with` instead.
        ///
        /// ```no_run
        /// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
        /// let model = client.get_model(456).url_conversion("file", |url| format!("https://cdn.example.com{url}")).await?;
        /// # Ok(())
        /// # }
        /// ```
        pub fn url_conversion(
            mut self,
            field: impl AsRef<str>,
            convert: impl Fn(&str) -> String + Send + Sync + 'static,
        ) -> Self {
            $crate::call::options::HasOptions::options_mut(&mut self)
                .conversions()
                .plain(field.as_ref(), convert);
            self
        }

        /// Like `url_conversion`, with a converter that may be asynchronous and may fail: your own, or a
        /// [provided one](crate::conversions).
        pub fn url_conversion_with(
            mut self,
            field: impl AsRef<str>,
            converter: impl $crate::UrlConverter,
        ) -> Self {
            $crate::call::options::HasOptions::options_mut(&mut self)
                .conversions()
                .with(field.as_ref(), converter);
            self
        }

        /// Makes it an error if a conversion's path leads to no file field: if no item of a response has the
        /// path, or if it leads to a value that can't be a file, or to a string that isn't a URL. A file's
        /// URL is absolute (`https://host/x.png`), a path on a host (`/media/x.png`, `//host/x.png`), or a
        /// `data:` URI; a timestamp or `media/x.png` is not. Null values, fields that only some items lack,
        /// and results of earlier conversions are no errors.
        ///
        /// By default, a conversion receives every string at a position where a URL is expected.
        ///
        /// ```no_run
        /// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
        /// let call = client.get_model(456).url_conversion("created_at", |url| format!("https://cdn.example.com{url}"));
        /// // `created_at` isn't a file field: its value `2026-01-01T00:00:00Z` isn't a URL.
        /// assert!(call.strict_conversions(true).await.is_err());
        /// # Ok(())
        /// # }
        /// ```
        pub fn strict_conversions(mut self, strict: bool) -> Self {
            $crate::call::options::HasOptions::options_mut(&mut self).conversions().strict = strict;
            self
        }

        /// Leaves a URL unchanged if its conversion fails; a list
        /// [reports](crate::ListReport::conversion_failures) it. By default, such a failure ends the call.
        pub fn skip_failed_conversions(mut self, skip: bool) -> Self {
            $crate::call::options::HasOptions::options_mut(&mut self).conversions().skip_failed = skip;
            self
        }

        /// Sets a callback for each conversion that fails, whether it ends the call or not. It must not
        /// block.
        pub fn on_failed_conversion(
            mut self,
            callback: impl Fn(&$crate::ConversionFailure) + Send + Sync + 'static,
        ) -> Self {
            $crate::call::options::HasOptions::options_mut(&mut self).conversions().on_failure =
                Some(std::sync::Arc::new(callback));
            self
        }
    };
}
pub(crate) use option_setters;
