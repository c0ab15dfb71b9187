//! The console logs of a job: lines, whatever the shape of the server's answer.

use std::fmt;
use std::future::IntoFuture;

use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::call::{CallOptions, ResponseFuture};
use crate::client::BackendClient;
use crate::error::Result;
use crate::generated::raw::types;
use crate::values::json::Json;
use crate::values::timestamp::Timestamp;

impl BackendClient {
    /// Returns the lines that a job has written to its console, all of them at once. Servers respond with texts or
    /// objects, in an array or in an object around it: each becomes a [`ConsoleLine`].
    ///
    /// Operation `list_job_console_logs` of the API's document.
    ///
    /// # Errors
    /// Returns an error if the server responds with an error, or if it doesn't respond. A 404
    /// ([`is_not_found`](crate::Error::is_not_found)) may only mean that there are no lines yet.
    ///
    /// ```no_run
    /// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
    /// match client.list_job_console_logs("0b9a9a1e-7c1d-4c0e-9b57-2b1f0a6f3c11").await {
    ///     Ok(lines) => lines.iter().for_each(|line| println!("{}", line.text)),
    ///     Err(error) if error.is_not_found() => println!("no lines yet"),
    ///     Err(error) => return Err(error),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn list_job_console_logs(&self, id: impl Into<types::JobId>) -> ListJobConsoleLogs {
        ListJobConsoleLogs { client: self.clone(), id: id.into(), options: CallOptions::default() }
    }
}

/// A line of a job's console.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ConsoleLine {
    /// The line's text. If the server sends something that has none, its JSON text.
    pub text: String,
    /// When it was written, if the server says so.
    pub timestamp: Option<Timestamp>,
    /// Its level, such as `info`, if the server says so.
    pub level: Option<String>,
    /// The line as the server sent it: a text or an object.
    pub raw: Json,
}

impl From<Json> for ConsoleLine {
    fn from(raw: Json) -> Self {
        const TEXTS: [&str; 2] = ["message", "log"];
        const TIMES: [&str; 3] = ["timestamp", "time", "datetime"];
        let part = |names: &[&str]| {
            let mut parts = names.iter().filter_map(|name| raw.get(*name));
            parts.find(|part| !part.is_null()).map(|part| text_of(&part))
        };
        ConsoleLine {
            text: part(&TEXTS).unwrap_or_else(|| text_of(&raw)),
            timestamp: part(&TIMES).map(Timestamp::from),
            level: part(&["level"]),
            raw,
        }
    }
}

/// Returns a text, or the JSON text of another value.
fn text_of(json: &Json) -> String {
    json.value().as_str().unwrap_or_else(|| json.text()).to_owned()
}

/// The lines in a response.
struct Lines(Vec<Json>);

impl<'de> Deserialize<'de> for Lines {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Shapes;
        impl<'de> Visitor<'de> for Shapes {
            type Value = Lines;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of lines, or an object with `results` or `logs`")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Lines, A::Error> {
                let mut lines = Vec::new();
                while let Some(line) = items.next_element()? {
                    lines.push(line);
                }
                Ok(Lines(lines))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Lines, A::Error> {
                let mut lines: Option<Vec<Json>> = None;
                while let Some(name) = fields.next_key::<String>()? {
                    match name.as_str() {
                        "results" | "logs" => {
                            let more: Option<Vec<Json>> = fields.next_value()?;
                            lines.get_or_insert_default().extend(more.unwrap_or_default());
                        }
                        _ => drop(fields.next_value::<IgnoredAny>()?),
                    }
                }
                lines.map(Lines).ok_or_else(|| A::Error::missing_field("results"))
            }
        }
        deserializer.deserialize_any(Shapes)
    }
}

/// Requests the console logs of a job when it is awaited: see
/// [`list_job_console_logs`](BackendClient::list_job_console_logs).
#[must_use = "nothing is requested until it is awaited or sent"]
#[derive(Debug, Clone)]
pub struct ListJobConsoleLogs {
    client: BackendClient,
    id: types::JobId,
    options: CallOptions,
}

impl ListJobConsoleLogs {
    /// Sets the options of the request.
    pub fn with_options(mut self, options: CallOptions) -> Self {
        self.options = options;
        self
    }

    /// Requests the lines. Awaiting does the same.
    ///
    /// # Errors
    /// Returns an error as [`list_job_console_logs`](BackendClient::list_job_console_logs) does.
    pub fn send(self) -> ResponseFuture<Vec<ConsoleLine>> {
        let ListJobConsoleLogs { client, id, options } = self;
        let call = client.call(|raw| raw.list_job_console_logs(id)).with_options(options);
        ResponseFuture::new(async move {
            let Lines(lines) = call.send_as().await?;
            Ok(lines.into_iter().map(ConsoleLine::from).collect())
        })
    }
}

impl IntoFuture for ListJobConsoleLogs {
    type Output = Result<Vec<ConsoleLine>>;
    type IntoFuture = ResponseFuture<Vec<ConsoleLine>>;

    fn into_future(self) -> Self::IntoFuture {
        self.send()
    }
}
