//! The console logs of a job: lines, whatever the shape of the server's answer.

use std::fmt;
use std::future::IntoFuture;

use reqwest::Method;
use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::call::option_setters::option_setters;
use crate::call::options::HasOptions;
use crate::call::{CallOptions, ResponseFuture};
use crate::client::BackendClient;
use crate::error::Result;
use crate::generated::alternatives::items;
use crate::generated::pagination::Pagination;
use crate::generated::raw::types;
use crate::transport::IncomingResponse;
use crate::values::json::Json;
use crate::values::timestamp::Timestamp;

impl BackendClient {
    /// Returns the lines that a job has written to its console, all of them at once. Servers respond with texts or
    /// objects, in an array or in an object around it: each becomes a [`ConsoleLine`]. A single text is split into its
    /// lines. A response without a body has no lines.
    ///
    /// If the response has a `next` page, the pages are read from the first one to the last, as a list.
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
#[derive(Default)]
struct Lines {
    lines: Vec<Json>,
    /// The field that has the lines of each page, if the response is one page of several.
    paged: Option<&'static str>,
}

impl<'de> Deserialize<'de> for Lines {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Shapes;
        impl<'de> Visitor<'de> for Shapes {
            type Value = Lines;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of lines, a text, or an object with `results` or `logs`")
            }

            fn visit_unit<E>(self) -> Result<Lines, E> {
                Ok(Lines::default())
            }

            fn visit_str<E>(self, text: &str) -> Result<Lines, E> {
                Ok(Lines { lines: split(text), paged: None })
            }

            fn visit_seq<A: SeqAccess<'de>>(self, lines: A) -> Result<Lines, A::Error> {
                Ok(Lines { lines: items(lines)?, paged: None })
            }

            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Lines, A::Error> {
                // Null and a missing field differ: an object with neither field isn't a response with lines.
                let (mut results, mut logs, mut next) = (None::<Field>, None::<Field>, Json::default());
                while let Some(name) = fields.next_key::<String>()? {
                    match name.as_str() {
                        "results" => results = Some(fields.next_value()?),
                        "logs" => logs = Some(fields.next_value()?),
                        "next" => next = fields.next_value()?,
                        _ => drop(fields.next_value::<IgnoredAny>()?),
                    }
                }
                if results.is_none() && logs.is_none() {
                    return Err(A::Error::missing_field("results"));
                }
                let named = [("results", results), ("logs", logs)];
                let mut set = named.into_iter().filter_map(|(name, field)| Some((name, field?.0?)));
                let (name, lines) = set.next().unwrap_or(("results", Vec::new()));
                let has_next = !matches!(next.text(), "null" | "\"\"");
                Ok(Lines { lines, paged: has_next.then_some(name) })
            }
        }
        deserializer.deserialize_any(Shapes)
    }
}

/// The lines in a field; `None` if it is null.
struct Field(Option<Vec<Json>>);

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Shapes;
        impl<'de> Visitor<'de> for Shapes {
            type Value = Field;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of lines, or a text")
            }

            fn visit_unit<E>(self) -> Result<Field, E> {
                Ok(Field(None))
            }

            fn visit_str<E>(self, text: &str) -> Result<Field, E> {
                Ok(Field(Some(split(text))))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, lines: A) -> Result<Field, A::Error> {
                items(lines).map(Some).map(Field)
            }
        }
        deserializer.deserialize_any(Shapes)
    }
}

/// Returns the lines of a text.
fn split(text: &str) -> Vec<Json> {
    text.lines().map(|line| Json::from(Value::from(line))).collect()
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
    option_setters!();

    /// Replaces all options by `options`, such as those of another call.
    pub fn with_options(mut self, options: CallOptions) -> Self {
        self.options = options;
        self
    }

    /// Requests the lines. Awaiting does the same.
    ///
    /// # Errors
    /// Returns an error as [`list_job_console_logs`](BackendClient::list_job_console_logs) does.
    pub fn send(self) -> ResponseFuture<Vec<ConsoleLine>> {
        ResponseFuture::new(
            async move { Ok(self.lines().await?.into_iter().map(ConsoleLine::from).collect()) },
        )
    }

    async fn lines(self) -> Result<Vec<Json>> {
        let ListJobConsoleLogs { client, id, mut options } = self;
        let deadline = options.deadline();
        let call = client.call(|raw| raw.list_job_console_logs(id.clone())).with_options(options.clone());
        let Lines { lines, paged } = call.fetch(IncomingResponse::json_if_any).await?.unwrap_or_default();
        let Some(field) = paged else { return Ok(lines) };
        let mut url = client.call(|raw| raw.list_job_console_logs(id)).request()?.url().clone();
        url.set_query(None);
        let path = url.as_str().strip_prefix(client.base().url()).unwrap_or_default();
        options.end_by(deadline);
        let pages = Pagination::new().items(field).identified_by(&[]);
        let list = client.request(Method::GET, path).params(|request| request.pagination(pages));
        let lines = list.with_options(options).list_all().try_collect().await;
        lines.map_err(|error| error.during("list_job_console_logs: reading the pages"))
    }
}

impl HasOptions for ListJobConsoleLogs {
    fn options_mut(&mut self) -> &mut CallOptions {
        &mut self.options
    }
}

impl IntoFuture for ListJobConsoleLogs {
    type Output = Result<Vec<ConsoleLine>>;
    type IntoFuture = ResponseFuture<Vec<ConsoleLine>>;

    fn into_future(self) -> Self::IntoFuture {
        self.send()
    }
}
