//! [`PageLink`] and [`PageKey`]: a page's `next` or `previous`, including the forms in which servers mark the end of a
//! list.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, Unexpected, Visitor};

/// A link to another page. Null, false and an empty string mean that there is no other page.
#[derive(Default)]
pub struct PageLink(pub Option<String>);

impl<'de> Deserialize<'de> for PageLink {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OtherPage { takes_numbers: false }).map(PageLink)
    }
}

/// A value that selects another page, such as a page number or a cursor, as the text of a parameter. Null, false and
/// an empty string mean that there is no other page.
pub(crate) struct PageKey(pub(crate) Option<String>);

impl<'de> Deserialize<'de> for PageKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OtherPage { takes_numbers: true }).map(PageKey)
    }
}

/// Reads what leads to another page; `None` if there is none.
struct OtherPage {
    takes_numbers: bool,
}

impl OtherPage {
    fn number<E: Error>(
        &self,
        number: impl fmt::Display,
        found: Unexpected<'_>,
    ) -> Result<Option<String>, E> {
        match self.takes_numbers {
            true => Ok(Some(number.to_string())),
            false => Err(E::invalid_type(found, self)),
        }
    }
}

impl Visitor<'_> for OtherPage {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.takes_numbers {
            true => "a page number, a cursor, null or false",
            false => "a link, null or false",
        })
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Option<String>, E> {
        Ok((!text.is_empty()).then(|| text.to_owned()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Option<String>, E> {
        self.number(number, Unexpected::Unsigned(number))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Option<String>, E> {
        self.number(number, Unexpected::Signed(number))
    }

    fn visit_unit<E: Error>(self) -> Result<Option<String>, E> {
        Ok(None)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Option<String>, E> {
        match value {
            false => Ok(None),
            true => Err(E::invalid_type(Unexpected::Bool(true), &self)),
        }
    }
}
