//! [`Timestamp`]: a time as the server sent it, parsed on request.

use std::fmt;
#[cfg(feature = "jiff")]
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::error::redact::excerpt;

/// An ISO 8601 time, kept as text: a time in another format, without an offset or empty, never makes decoding
/// a response fail.
///
/// Two are equal if their texts are. They have no order, since `09:00+09:00` is earlier than `08:00Z`: compare
/// what [`to_jiff`](Timestamp::to_jiff), [`to_system_time`](Timestamp::to_system_time) or `to_chrono` returns.
///
/// Filters accept `&str`, `String`, with the feature `jiff` (a default one) also
/// [`SystemTime`](std::time::SystemTime) and that crate's types, and with the feature `chrono` those of `chrono`.
///
#[cfg_attr(feature = "jiff", doc = "```")]
#[cfg_attr(not(feature = "jiff"), doc = "```ignore")]
/// use std::time::{Duration, SystemTime};
/// use synapse_backend_client::Timestamp;
///
/// let time = Timestamp::from("2025-01-31T09:00:00.5+09:00");
/// assert_eq!(time.as_str(), "2025-01-31T09:00:00.5+09:00");
/// let parsed = time.to_system_time()?;
/// assert_eq!(parsed, SystemTime::UNIX_EPOCH + Duration::from_millis(1_738_281_600_500));
/// assert_eq!(Timestamp::from(parsed).as_str(), "2025-01-31T00:00:00.5Z");
/// # Ok::<(), synapse_backend_client::TimestampError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(String);

/// The maximum length of a text in messages, in bytes; a valid time is shorter.
const MAX_SHOWN: usize = 256;

/// A text that isn't a valid time: its beginning, and the problem.
#[cfg(feature = "jiff")]
#[cfg_attr(docsrs, doc(cfg(feature = "jiff")))]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimestampError {
    text: String,
    problem: String,
}

#[cfg(feature = "jiff")]
#[cfg_attr(docsrs, doc(cfg(feature = "jiff")))]
impl fmt::Display for TimestampError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a time in ISO 8601: {}", self.text, self.problem)
    }
}

#[cfg(feature = "jiff")]
#[cfg_attr(docsrs, doc(cfg(feature = "jiff")))]
impl std::error::Error for TimestampError {}

impl Timestamp {
    /// Returns the unchanged text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the time as a [`SystemTime`]. A text without an offset is read as UTC.
    ///
    /// # Errors
    /// Returns an error if the text is empty or isn't an ISO 8601 date-time.
    #[cfg(feature = "jiff")]
    #[cfg_attr(docsrs, doc(cfg(feature = "jiff")))]
    pub fn to_system_time(&self) -> Result<SystemTime, TimestampError> {
        self.to_jiff().and_then(|time| SystemTime::try_from(time).map_err(|error| self.no_time(&error)))
    }

    #[cfg(feature = "jiff")]
    fn no_time(&self, error: &jiff::Error) -> TimestampError {
        TimestampError { text: excerpt(&self.0, MAX_SHOWN), problem: excerpt(&error.to_string(), MAX_SHOWN) }
    }

    /// Returns the time as a [`jiff::Timestamp`]. A text without an offset is read as UTC.
    ///
    /// # Errors
    /// Returns an error if the text is empty or isn't an ISO 8601 date-time.
    #[cfg(feature = "jiff")]
    #[cfg_attr(docsrs, doc(cfg(feature = "jiff")))]
    pub fn to_jiff(&self) -> Result<jiff::Timestamp, TimestampError> {
        self.to_jiff_with(jiff::tz::Offset::UTC)
    }

    /// Returns the time as a [`jiff::Timestamp`]. A text without an offset is read as a time with `offset`.
    ///
    /// ```
    /// use synapse_backend_client::Timestamp;
    ///
    /// let local = Timestamp::from("2025-01-31T09:00:00");
    /// assert_eq!(local.to_jiff_with(jiff::tz::offset(9))?.to_string(), "2025-01-31T00:00:00Z");
    /// # Ok::<(), synapse_backend_client::TimestampError>(())
    /// ```
    ///
    /// # Errors
    /// Returns an error if the text is empty or isn't an ISO 8601 date-time.
    #[cfg(feature = "jiff")]
    #[cfg_attr(docsrs, doc(cfg(feature = "jiff")))]
    pub fn to_jiff_with(&self, offset: jiff::tz::Offset) -> Result<jiff::Timestamp, TimestampError> {
        self.to_jiff_strict().or_else(|error| {
            // A text with an offset or a zone that isn't a time would be read without them.
            let local = |text: &&str| {
                let time = text.split_once(['T', 't', ' ']).map(|(_, time)| time);
                time.is_some_and(|time| !time.contains(['+', '-', '[', 'Z', 'z']))
            };
            let Some(text) = Some(self.0.trim()).filter(local) else { return Err(error) };
            let civil: jiff::civil::DateTime = text.parse().map_err(|_| error)?;
            offset.to_timestamp(civil).map_err(|error| self.no_time(&error))
        })
    }

    /// Returns the time as a [`jiff::Timestamp`].
    ///
    /// # Errors
    /// Returns an error if the text is empty, isn't an ISO 8601 date-time, or has no offset.
    #[cfg(feature = "jiff")]
    #[cfg_attr(docsrs, doc(cfg(feature = "jiff")))]
    pub fn to_jiff_strict(&self) -> Result<jiff::Timestamp, TimestampError> {
        self.0.trim().parse().map_err(|error| self.no_time(&error))
    }

    /// Returns the time as a `chrono::DateTime`. A text without an offset is read as UTC.
    ///
    /// # Errors
    /// Returns an error if the text is empty or isn't an ISO 8601 date-time.
    #[cfg(feature = "chrono")]
    #[cfg_attr(docsrs, doc(cfg(feature = "chrono")))]
    pub fn to_chrono(&self) -> Result<chrono::DateTime<chrono::Utc>, TimestampError> {
        self.to_system_time().map(Into::into)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Timestamp({:?})", excerpt(&self.0, MAX_SHOWN))
    }
}

impl From<&str> for Timestamp {
    fn from(text: &str) -> Self {
        Timestamp(text.to_owned())
    }
}

impl From<String> for Timestamp {
    fn from(text: String) -> Self {
        Timestamp(text)
    }
}

impl From<&String> for Timestamp {
    fn from(text: &String) -> Self {
        Timestamp(text.clone())
    }
}

impl From<&Timestamp> for Timestamp {
    fn from(time: &Timestamp) -> Self {
        time.clone()
    }
}

#[cfg(feature = "jiff")]
#[cfg_attr(docsrs, doc(cfg(feature = "jiff")))]
impl From<SystemTime> for Timestamp {
    /// Formats the time in UTC. A time after the year 9999 or before -9999 becomes the nearest one that can
    /// be written.
    fn from(time: SystemTime) -> Self {
        let nearest = if time > SystemTime::UNIX_EPOCH { jiff::Timestamp::MAX } else { jiff::Timestamp::MIN };
        Timestamp(jiff::Timestamp::try_from(time).unwrap_or(nearest).to_string())
    }
}

#[cfg(feature = "jiff")]
#[cfg_attr(docsrs, doc(cfg(feature = "jiff")))]
impl From<jiff::Timestamp> for Timestamp {
    fn from(time: jiff::Timestamp) -> Self {
        Timestamp(time.to_string())
    }
}

#[cfg(feature = "jiff")]
#[cfg_attr(docsrs, doc(cfg(feature = "jiff")))]
impl From<&jiff::ZonedDateTime> for Timestamp {
    /// Keeps the zone's offset but not its name, since ISO 8601 has no zone names.
    fn from(time: &jiff::ZonedDateTime) -> Self {
        // ISO 8601 has no offsets with seconds.
        let offset = time.offset().round(jiff::Unit::Minute).unwrap_or(jiff::tz::Offset::UTC);
        Timestamp(time.timestamp().display_with_offset(offset).to_string())
    }
}

#[cfg(feature = "jiff")]
#[cfg_attr(docsrs, doc(cfg(feature = "jiff")))]
impl From<jiff::ZonedDateTime> for Timestamp {
    fn from(time: jiff::ZonedDateTime) -> Self {
        Timestamp::from(&time)
    }
}

#[cfg(feature = "chrono")]
#[cfg_attr(docsrs, doc(cfg(feature = "chrono")))]
impl<Z: chrono::TimeZone> From<chrono::DateTime<Z>> for Timestamp
where
    Z::Offset: fmt::Display,
{
    fn from(time: chrono::DateTime<Z>) -> Self {
        Timestamp(time.to_rfc3339())
    }
}

#[cfg(feature = "schemars")]
#[cfg_attr(docsrs, doc(cfg(feature = "schemars")))]
impl schemars::JsonSchema for Timestamp {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string"})
    }
}

#[cfg(all(test, feature = "jiff"))]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::Timestamp;

    #[test]
    fn every_server_time_format_is_parsed() {
        let nine = SystemTime::UNIX_EPOCH + Duration::from_secs(1_738_281_600);
        for text in [
            "2025-01-31T09:00:00+09:00",
            "2025-01-31T00:00:00Z",
            "2025-01-31T00:00:00.000000Z",
            "2025-01-31T00:00:00",
            "2025-01-31 00:00:00",
            " 2025-01-31T00:00:00Z ",
        ] {
            assert_eq!(Timestamp::from(text).to_system_time(), Ok(nine), "{text}");
        }
    }

    #[test]
    fn offset_is_assumed_only_if_missing() {
        let nine = jiff::tz::offset(9);
        for (text, utc, korean) in [
            ("2025-01-31T09:00:00", "2025-01-31T09:00:00Z", "2025-01-31T00:00:00Z"),
            ("2025-01-31T09:00:00+02:00", "2025-01-31T07:00:00Z", "2025-01-31T07:00:00Z"),
        ] {
            let time = Timestamp::from(text);
            assert_eq!(time.to_jiff().unwrap().to_string(), utc);
            assert_eq!(time.to_jiff_with(nine).unwrap().to_string(), korean);
            assert_eq!(time.to_jiff_strict().is_ok(), text.contains('+'));
        }
        for text in [
            "",
            "yesterday",
            "2025-01-31",
            "2025-01-31T09:00:00[Asia/Seoul]",
            "2025-01-31T09:00:00[+09:00]",
            "9999-12-30T20:00:00-05:00",
        ] {
            assert!(Timestamp::from(text).to_jiff_with(nine).is_err(), "{text}");
        }
    }

    #[test]
    fn invalid_time_is_kept_until_parsed() {
        for text in ["", "yesterday", "2025-13-01T00:00:00Z"] {
            let time: Timestamp = serde_json::from_value(text.into()).unwrap();
            assert_eq!(time.as_str(), text);
            assert!(time.to_system_time().unwrap_err().to_string().contains(&format!("{text:?}")));
        }
    }

    #[test]
    fn messages_of_long_texts_are_short() {
        for text in [
            "9".repeat(1 << 20),
            format!("https://h/p?sig={}", "x".repeat(1 << 20)),
            "2025-01-31T00:00:00\n".repeat(1 << 16),
        ] {
            let time = Timestamp::from(&text);
            let error = time.to_system_time().unwrap_err();
            for shown in [error.to_string(), format!("{error:?}"), format!("{time:?}")] {
                assert!(shown.len() < 1024 && !shown.contains("sig=") && !shown.contains('\n'), "{shown}");
            }
            assert_eq!((time.as_str(), time.to_string()), (text.as_str(), text.clone()));
        }
    }

    #[test]
    fn extreme_years_do_not_panic() {
        for time in [
            SystemTime::UNIX_EPOCH - Duration::from_secs(1),
            SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 45),
        ] {
            assert!(Timestamp::from(time).to_system_time().is_ok());
        }
    }

    #[cfg(all(feature = "jiff", feature = "chrono"))]
    #[test]
    fn jiff_and_chrono_round_trip() {
        let time = Timestamp::from("2025-01-31T09:00:00+09:00");
        assert_eq!(Timestamp::from(time.to_jiff().unwrap()).as_str(), "2025-01-31T00:00:00Z");
        assert_eq!(Timestamp::from(time.to_chrono().unwrap()).as_str(), "2025-01-31T00:00:00+00:00");
        let zoned = time.to_jiff().unwrap().to_zoned_datetime(jiff::tz::TimeZone::fixed(jiff::tz::offset(9)));
        assert_eq!(Timestamp::from(zoned).as_str(), "2025-01-31T09:00:00+09:00");
    }
}
