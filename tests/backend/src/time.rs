//! Times in the server's formats: ISO 8601 with microseconds, and HTTP dates.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Serialize, Serializer};

const MICROS: i64 = 1_000_000;
const DAY: i64 = 86_400;
/// The server's time zone. Times without an offset are in this zone, as in Django.
const SEOUL: i64 = 9 * 3600;

/// Microseconds since 1970 in UTC. Formatted with the offset `+09:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Timestamp(i64);

impl Timestamp {
    pub(crate) const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    pub(crate) fn micros(self) -> i64 {
        self.0
    }

    pub(crate) fn now() -> Self {
        Self::from_system(SystemTime::now())
    }

    pub(crate) fn from_system(time: SystemTime) -> Self {
        Self(match time.duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_micros()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |n| -n),
        })
    }

    /// Appends `2025-01-31T09:00:00.123456+09:00`.
    pub(crate) fn write(self, out: &mut Vec<u8>) {
        write_civil(self.0 + SEOUL * MICROS, out);
        out.extend_from_slice(b"+09:00");
    }

    /// Returns the same instant as `2025-01-31T00:00:00.123456Z`.
    pub(crate) fn utc(self) -> String {
        let mut out = Vec::with_capacity(27);
        write_civil(self.0, &mut out);
        out.push(b'Z');
        String::from_utf8(out).unwrap_or_default()
    }

    /// Formats as `Fri, 31 Jan 2025 00:00:00 GMT`, to the second.
    pub(crate) fn http_date(self) -> String {
        const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
        const MONTHS: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let seconds = self.0.div_euclid(MICROS);
        let (days, time) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
        let (year, month, day) = civil_from_days(days);
        format!(
            "{}, {day:02} {} {year:04} {:02}:{:02}:{:02} GMT",
            DAYS[days.rem_euclid(7) as usize],
            MONTHS[month as usize - 1],
            time / 3600,
            time / 60 % 60,
            time % 60
        )
    }

    /// Parses what a Django date-time filter accepts: a date, optionally with a time, a fraction and an
    /// offset.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let mut reader = Reader(text.as_bytes());
        let year = reader.digits(4)?;
        reader.skip(b"-")?;
        let month = reader.digits(2)?;
        reader.skip(b"-")?;
        let day = reader.digits(2)?;
        if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
            return None;
        }
        let midnight = days_from_civil(year, month, day) * DAY;
        if reader.0.is_empty() {
            return Some(Self((midnight - SEOUL) * MICROS));
        }
        reader.skip(b"Tt ")?;
        let hour = reader.digits(2)?;
        reader.skip(b":")?;
        let minute = reader.digits(2)?;
        let (mut second, mut micros) = (0, 0);
        if reader.skip(b":").is_some() {
            second = reader.digits(2)?;
            if reader.skip(b".,").is_some() {
                micros = reader.fraction()?;
            }
        }
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let offset = reader.offset()?.unwrap_or(SEOUL);
        let seconds = midnight + hour * 3600 + minute * 60 + second - offset;
        Some(Self(seconds * MICROS + micros))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::with_capacity(32);
        self.write(&mut out);
        f.write_str(&String::from_utf8_lossy(&out))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn digits(&mut self, count: usize) -> Option<i64> {
        let (digits, rest) = self.0.split_at_checked(count)?;
        if !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        self.0 = rest;
        Some(digits.iter().fold(0, |n, d| n * 10 + i64::from(d - b'0')))
    }

    fn skip(&mut self, any_of: &[u8]) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        any_of.contains(first).then(|| {
            self.0 = rest;
            *first
        })
    }

    /// Parses one or more digits after the point. Digits beyond microseconds are dropped.
    fn fraction(&mut self) -> Option<i64> {
        let length = self.0.iter().take_while(|b| b.is_ascii_digit()).count();
        let (digits, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        let digit = |i: usize| digits.get(i).map_or(0, |d| i64::from(d - b'0'));
        (length > 0).then(|| (0..6).fold(0, |n, i| n * 10 + digit(i)))
    }

    /// Parses `Z`, `+09:00`, `+0900`, `+09` or an empty text. Anything else is invalid.
    fn offset(&mut self) -> Option<Option<i64>> {
        if self.0.is_empty() {
            return Some(None);
        }
        let sign = match self.skip(b"Zz+-")? {
            b'+' => 1,
            b'-' => -1,
            _ => return self.0.is_empty().then_some(Some(0)),
        };
        let hours = self.digits(2)?;
        let _ = self.skip(b":");
        let minutes = if self.0.is_empty() { 0 } else { self.digits(2)? };
        (self.0.is_empty() && minutes < 60).then_some(Some(sign * (hours * 3600 + minutes * 60)))
    }
}

fn write_civil(micros: i64, out: &mut Vec<u8>) {
    let (seconds, fraction) = (micros.div_euclid(MICROS), micros.rem_euclid(MICROS));
    let (days, time) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    let (year, month, day) = civil_from_days(days);
    // Written by hand: a page of events has a hundred times, and `write!` takes ten times as long.
    let mut put = |mut value: i64, width: usize, end: &[u8]| {
        let start = out.len();
        out.resize(start + width, b'0');
        for byte in out[start..].iter_mut().rev() {
            *byte = b'0' + (value % 10) as u8;
            value /= 10;
        }
        out.extend_from_slice(end);
    };
    put(year, 4, b"-");
    put(month, 2, b"-");
    put(day, 2, b"T");
    put(time / 3600, 2, b":");
    put(time / 60 % 60, 2, b":");
    // Like Python's isoformat: no fraction if it is zero.
    put(time % 60, 2, if fraction == 0 { b"" } else { b"." });
    if fraction != 0 {
        put(fraction, 6, b"");
    }
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970 of a Gregorian date (the usual era algorithm of calendar libraries).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::Timestamp;

    #[test]
    fn timestamp_round_trips() {
        for text in [
            "2024-02-29T23:59:59.000001+09:00",
            "1999-12-31T00:00:00.999999+09:00",
            "2025-01-31T09:00:00+09:00",
        ] {
            assert_eq!(Timestamp::parse(text).map(|t| t.to_string()).as_deref(), Some(text));
        }
        let time = Timestamp::parse("2025-01-31T00:00:00Z").unwrap();
        assert_eq!(time.to_string(), "2025-01-31T09:00:00+09:00");
        assert_eq!(time.http_date(), "Fri, 31 Jan 2025 00:00:00 GMT");
    }

    #[test]
    fn accepts_django_time_formats() {
        let expected = Timestamp::parse("2025-01-31T00:00:00+09:00");
        for same in [
            "2025-01-31",
            "2025-01-31 00:00",
            "2025-01-31T00:00:00",
            "2025-01-30T15:00:00Z",
            "2025-01-30T15:00:00.000000+0000",
        ] {
            assert_eq!(Timestamp::parse(same), expected, "{same}");
        }
        for bad in [
            "",
            "yesterday",
            "2025-02-29",
            "2025-13-01",
            "2025-01-31T25:00",
            "2025-01-31T00:00:00 09:00",
            "2025-01-31T",
        ] {
            assert_eq!(Timestamp::parse(bad), None, "{bad}");
        }
    }
}
