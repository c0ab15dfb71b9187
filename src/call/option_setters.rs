//! The setters of options, one text for everything that sends requests: each has a field `options`.

/// The setters of everything that sends requests, one or several, into its field `options`.
macro_rules! sending_setters {
    () => {
        /// Sets a header of each request of this call.
        ///
        /// `Authorization`, `Cookie`, `Proxy-Authorization`, the platform's own headers (`Synapse-…`) and
        /// those that the client has as [`sensitive_header`](crate::BackendClientBuilder::sensitive_header)
        /// stay at the origin (scheme, host and port) that the call is for: once a redirect leads to another
        /// one, they are not sent any more, not even on the way back. Any other header goes wherever the
        /// request goes, so it is no place for a token.
        pub fn header(mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
            self.options.set_header(name.as_ref(), value.as_ref());
            self
        }

        /// How long making a connection for this call may take. A connect time-out that differs from the
        /// client's uses a connection pool of its own; a client keeps the pools of the last few time-outs.
        pub fn connect_timeout(mut self, timeout: std::time::Duration) -> Self {
            self.options.set_connect_timeout(timeout);
            self
        }

        /// Idle time-out: the call fails if no byte is sent or received for this long.
        pub fn read_timeout(mut self, timeout: std::time::Duration) -> Self {
            self.options.set_read_timeout(timeout);
            self
        }

        /// How long this call may take as a whole: all of its requests, waits and answers included, and what
        /// is done on this machine: conversions, decoding, files, waiting for a thread where that may block.
        pub fn timeout(mut self, timeout: std::time::Duration) -> Self {
            self.options.set_timeout(timeout);
            self
        }

        /// How often a request of this call is sent again at most.
        pub fn max_retries(mut self, retries: u32) -> Self {
            self.options.set_retries(retries);
            self
        }

        /// How often a request of this call is sent again, and after which waits, in the place of the
        /// client's policy.
        pub fn retry(mut self, policy: $crate::RetryPolicy) -> Self {
            self.options.set_retry(policy);
            self
        }
    };
}
pub(crate) use sending_setters;

/// The setters of everything that calls, into its field `options`.
macro_rules! option_setters {
    () => {
        $crate::call::option_setters::sending_setters!();

        /// Replaces or adds a query parameter, whether the API's document names it or not: servers accept
        /// more filters than it knows.
        pub fn param(self, name: impl Into<String>, value: impl ToString) -> Self {
            self.param_list(name, [value])
        }

        /// As `param`, with the parameter repeated for each value; without values it is taken out.
        pub fn param_list<V: ToString>(
            mut self,
            name: impl Into<String>,
            values: impl IntoIterator<Item = V>,
        ) -> Self {
            self.options.set_param(name.into(), values.into_iter().map(|value| value.to_string()).collect());
            self
        }

        /// Sends the request again also where the server may have acted on it: for a caller who knows that
        /// acting on it twice does no harm.
        pub fn idempotent(mut self, retry: bool) -> Self {
            self.options.set_retry_unknown_outcome(retry);
            self
        }

        /// Maps the URLs in a file field by a function, before the answer is decoded.
        ///
        /// `field` is a dotted path (`file`, `files`, `data_unit.files`); lists on the way are walked
        /// through. The field may hold a URL, an object of name -> URL, of name -> object with `url`, or a
        /// list of such objects. Null and absent fields are left alone. The function gets the server's
        /// string, and what it gives takes the string's place.
        ///
        /// Several conversions are applied in the order in which they are set: each finds what those before
        /// it wrote, and what one wrote in the place of a URL is a URL to the next one. So several of the
        /// same `field` are a chain: the next one gets what the one before gave, of
        /// [`download_to`](crate::BackendClient::download_to) the local path. A field's paths may be written
        /// in several ways (`files`, `files.url`, `files.0`) and given to `url_conversion` and
        /// `url_conversion_with`.
        ///
        /// The function is called where requests are driven: one that waits is a converter for
        /// `url_conversion_with`.
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
            self.options.conversions().plain(field.as_ref(), convert);
            self
        }

        /// As `url_conversion`, with a converter that may be asynchronous and may fail: one of yours, or a
        /// [provided one](crate::conversions).
        pub fn url_conversion_with(
            mut self,
            field: impl AsRef<str>,
            converter: impl $crate::UrlConverter,
        ) -> Self {
            self.options.conversions().with(field.as_ref(), converter);
            self
        }

        /// A path of a conversion that leads to no file field is an error: one that is in no item of an
        /// answer, or that holds what can't be a file, or a text that is no URL. A file's URL is absolute
        /// (`https://host/x.png`), a path on a host (`/media/x.png`, `//host/x.png`), or a `data:` URI; a
        /// timestamp and `media/x.png` are none. Null, and what is missing from some of the items, are left
        /// alone all the same, and so is what an earlier conversion wrote.
        ///
        /// Unless set, conversions are given every text that stands where a URL is expected.
        ///
        /// ```no_run
        /// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
        /// let call = client.get_model(456).url_conversion("created_at", |url| format!("https://cdn.example.com{url}"));
        /// // `created_at` of item 456 is no file field: it holds `2026-01-01T00:00:00Z`, which is no URL, …
        /// assert!(call.strict_conversions(true).await.is_err());
        /// # Ok(())
        /// # }
        /// ```
        pub fn strict_conversions(mut self, strict: bool) -> Self {
            self.options.conversions().strict = strict;
            self
        }

        /// Leaves a URL whose conversion fails as it was; a list
        /// [reports](crate::ListReport::conversion_failures) it. Otherwise it ends the call.
        pub fn skip_failed_conversions(mut self, skip: bool) -> Self {
            self.options.conversions().skip_failed = skip;
            self
        }

        /// Told of each conversion that fails, whether it ends the call or not. It must not block.
        pub fn on_failed_conversion(
            mut self,
            callback: impl Fn(&$crate::ConversionFailure) + Send + Sync + 'static,
        ) -> Self {
            self.options.conversions().on_failure = Some(std::sync::Arc::new(callback));
            self
        }
    };
}
pub(crate) use option_setters;
