//! [`PageLink`]: a page's `next` or `previous`, including the forms in which servers mark the end of a list.

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
