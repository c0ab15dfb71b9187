//! Times as microseconds since 1970.

use synapse_backend_client::Timestamp;

/// The maximum length of a time, in bytes.
const MAX_TIME: usize = 256;

const SECONDS_A_DAY: i64 = 86_400;

/// Returns the microseconds since 1970-01-01T00:00:00Z. A time without an offset is read as UTC.
///
/// `None` if the text isn't a time or has a fraction of a microsecond.
pub(super) fn microseconds(text: &str) -> Option<i64> {
    usual_form(text.as_bytes()).or_else(|| any_form(text))
}

/// Reads every form of a time.
fn any_form(text: &str) -> Option<i64> {
    if text.len() > MAX_TIME {
        return None;
    }
    let nanoseconds = Timestamp::from(text).to_jiff().ok()?.as_nanosecond();
    if nanoseconds % 1000 != 0 {
        return None;
    }
    i64::try_from(nanoseconds / 1000).ok()
}

/// Reads `YYYY-MM-DDThh:mm:ss`, with up to 6 digits of a fraction, and `Z`, `±hh:mm` or nothing at its end. `None`
/// says only that [`any_form`] has to read the text.
fn usual_form(text: &[u8]) -> Option<i64> {
    let (date_time, rest) = text.split_first_chunk::<19>()?;
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T', h1, h2, b':', n1, n2, b':', s1, s2] = *date_time
    else {
        return None;
    };
    let year = two_digits(y1, y2)? * 100 + two_digits(y3, y4)?;
    let (month, day) = (two_digits(m1, m2)?, two_digits(d1, d2)?);
    let (hour, minute, second) = (two_digits(h1, h2)?, two_digits(n1, n2)?, two_digits(s1, s2)?);
    // The last year isn't all in range, and a leap second has a rule of its own.
    let valid = (1..9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=days_of_month(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    if !valid {
        return None;
    }
    let (fraction, rest) = fraction(rest)?;
    let offset = match *rest {
        [] | [b'Z'] => 0,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (two_digits(h1, h2)?, two_digits(m1, m2)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let seconds = hours * 3600 + minutes * 60;
            if sign == b'-' { -seconds } else { seconds }
        }
        _ => return None,
    };
    let seconds =
        days_since_1970(year, month, day) * SECONDS_A_DAY + hour * 3600 + minute * 60 + second - offset;
    Some(seconds * 1_000_000 + fraction)
}

/// Reads a fraction of a second as microseconds; zero if there is none.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some((b'.', digits)) = text.split_first() else { return Some((0, text)) };
    let length = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !(1..=6).contains(&length) {
        return None;
    }
    let (digits, rest) = digits.split_at_checked(length)?;
    let value = digits.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0'));
    Some(((length..6).fold(value, |value, _| value * 10), rest))
}

fn two_digits(tens: u8, ones: u8) -> Option<i64> {
    (tens.is_ascii_digit() && ones.is_ascii_digit())
        .then(|| i64::from(tens - b'0') * 10 + i64::from(ones - b'0'))
}

fn days_of_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Counts the days from 1970-01-01 on. The year is positive.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March, so that the leap day is the last one.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year / 4 - year / 100 + year / 400;
    // The months from March on have 31, 30, 31, 30, 31 days, and again.
    let days_before_month = (153 * month + 2) / 5;
    year * 365 + leap_days + days_before_month + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn expected(text: &str) -> Option<i64> {
        let nanoseconds = Timestamp::from(text).to_jiff().ok()?.as_nanosecond();
        (nanoseconds % 1000 == 0).then(|| i64::try_from(nanoseconds / 1000).unwrap())
    }

    #[test]
    fn usual_times_are_read_by_fast_path() {
        for (text, microseconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1969-12-31T23:59:59.999999Z", -1),
            ("2025-01-31T09:00:00.5+09:00", 1_738_281_600_500_000),
            ("2025-01-31T00:00:00.000001", 1_738_281_600_000_001),
            ("2024-02-29T00:00:00-00:30", 1_709_166_600_000_000),
        ] {
            assert_eq!(usual_form(text.as_bytes()), Some(microseconds), "{text}");
            assert_eq!(any_form(text), Some(microseconds), "{text}");
        }
    }

    #[test]
    fn odd_times_are_read_by_slow_path() {
        for text in [
            "2025-01-31 00:00:00Z",
            " 2025-01-31T00:00:00z ",
            "2025-01-31T00:00Z",
            "20250131T000000Z",
            "2025-01-31T00:00:00.123456000Z",
            "2025-01-31T00:00:60Z",
            "-000001-01-31T00:00:00Z",
            "2025-01-31T00:00:00+24:00",
        ] {
            assert_eq!(usual_form(text.as_bytes()), None, "{text}");
            assert!(microseconds(text).is_some(), "{text}");
            assert_eq!(microseconds(text), expected(text), "{text}");
        }
    }

    #[test]
    fn invalid_times_have_no_value() {
        let long = format!("2025-01-31T00:00:00Z{}", " ".repeat(300));
        for text in [
            "",
            "yesterday",
            "2025-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2025-13-01T00:00:00Z",
            "2025-01-31T24:00:00Z",
            "2025-01-31T00:00:00.0000001Z",
            "9999-12-31T23:59:59Z",
            &long,
        ] {
            assert_eq!(microseconds(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn fast_path_agrees_with_jiff(
            year in prop_oneof![0_u32..=9999, 1960_u32..2040],
            month in 0_u32..=13,
            day in prop_oneof![0_u32..=32, 28_u32..=31],
            (hour, minute, second) in (0_u32..=24, 0_u32..=60, 0_u32..=60),
            fraction in "|\\.[0-9]{1,9}",
            offset in "|Z|[+-]([01][0-9]|2[0-6]):[0-6][0-9]",
        ) {
            let text =
                format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}{offset}");
            let expected = expected(&text);
            if let Some(microseconds) = usual_form(text.as_bytes()) {
                prop_assert_eq!(Some(microseconds), expected, "{}", text);
            }
            prop_assert_eq!(microseconds(&text), expected, "{}", text);
        }

        #[test]
        fn one_changed_byte_agrees_with_jiff(index in 0_usize..32, byte in b' '..=b'~') {
            let mut text = b"2024-02-29T23:59:59.123456+09:30".to_vec();
            text[index] = byte;
            let text = String::from_utf8(text).unwrap();
            prop_assert_eq!(microseconds(&text), expected(&text), "{}", text);
        }
    }
}
