//! [`PageLink`] and [`PageKey`]: a page's `next` or `previous`, including the forms in which servers mark the end of a
//! list.

use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};

/// A link to another page. Null, false and an empty string mean that there is no other page.
#[derive(Default)]
pub struct PageLink(pub Option<String>);

impl<'de> Deserialize<'de> for PageLink {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Link;
        impl Visitor<'_> for Link {
            type Value = PageLink;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a link, null or false")
            }

            fn visit_str<E: Error>(self, link: &str) -> Result<PageLink, E> {
                Ok(PageLink((!link.is_empty()).then(|| link.to_owned())))
            }

            fn visit_unit<E: Error>(self) -> Result<PageLink, E> {
                Ok(PageLink(None))
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<PageLink, E> {
                match value {
                    false => Ok(PageLink(None)),
                    true => Err(E::invalid_type(serde::de::Unexpected::Bool(true), &self)),
                }
            }
        }
        deserializer.deserialize_any(Link)
    }
}

/// A value that selects another page, such as a page number or a cursor, as the text of a parameter. Null, false and
/// an empty string mean that there is no other page.
pub(crate) struct PageKey(pub(crate) Option<String>);

impl<'de> Deserialize<'de> for PageKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Value;
        impl Visitor<'_> for Value {
            type Value = PageKey;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a page number, a cursor, null or false")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<PageKey, E> {
                Ok(PageKey((!text.is_empty()).then(|| text.to_owned())))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<PageKey, E> {
                Ok(PageKey(Some(number.to_string())))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<PageKey, E> {
                Ok(PageKey(Some(number.to_string())))
            }

            fn visit_unit<E: Error>(self) -> Result<PageKey, E> {
                Ok(PageKey(None))
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<PageKey, E> {
                match value {
                    false => Ok(PageKey(None)),
                    true => Err(E::invalid_type(serde::de::Unexpected::Bool(true), &self)),
                }
            }
        }
        deserializer.deserialize_any(Value)
    }
}
