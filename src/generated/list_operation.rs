//! [`ListOperation`]: what the API's document says about a list, for programs that choose lists at run time.

use std::fmt;

use super::description::{OperationInfo, ParameterInfo};

/// A list operation of the API's document that can be read with parameters alone: a GET request without a body, whose
/// pages name the next one. [`raw::LISTS`](crate::raw::LISTS) has all of these;
/// [`BackendClient::list`](crate::BackendClient::list) reads one.
///
/// ```
/// use synapse_backend_client::raw::LISTS;
///
/// for list in LISTS {
///     let filters: Vec<_> = list.parameters().iter().map(|parameter| parameter.wire).collect();
///     println!("{} ({}): {}", list.id(), list.path(), filters.join(", "));
/// }
/// ```
pub struct ListOperation {
    pub(crate) info: &'static OperationInfo,
    tag: &'static str,
    fields: &'static [ListField],
    narrower: &'static [&'static str],
    /// The list operations of the same document.
    lists: fn() -> &'static [ListOperation],
}

impl ListOperation {
    #[doc(hidden)]
    pub const fn new(
        info: &'static OperationInfo,
        tag: &'static str,
        fields: &'static [ListField],
        narrower: &'static [&'static str],
        lists: fn() -> &'static [ListOperation],
    ) -> Self {
        ListOperation { info, tag, fields, narrower, lists }
    }

    /// Returns the `operationId`.
    pub fn id(&self) -> &'static str {
        self.info.id
    }

    /// Returns the path's template, such as `/models/`.
    pub fn path(&self) -> &'static str {
        self.info.path
    }

    /// Returns the operation's first tag; empty if it has none.
    pub fn tag(&self) -> &'static str {
        self.tag
    }

    /// Returns the parameters, those of the path first.
    pub fn parameters(&self) -> &'static [ParameterInfo] {
        self.info.parameters
    }

    /// Returns the fields of an item.
    pub fn fields(&self) -> &'static [ListField] {
        self.fields
    }

    /// Returns the fields that tell items apart, in order of preference; none if nothing does.
    pub fn identity(&self) -> &'static [&'static str] {
        self.info.pagination.map_or(&[], |pagination| pagination.identity)
    }

    /// Returns the operations that list the same items with fewer fields.
    pub fn narrower(&self) -> impl Iterator<Item = &'static ListOperation> + use<> {
        let (narrower, lists) = (self.narrower, (self.lists)());
        narrower.iter().filter_map(|id| lists.iter().find(|list| list.id() == *id))
    }
}

impl fmt::Debug for ListOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListOperation")
            .field("id", &self.id())
            .field("path", &self.path())
            .finish_non_exhaustive()
    }
}

/// A field of a list's items.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct ListField {
    /// Its name in the JSON text.
    pub name: &'static str,
    /// The kind of its values.
    pub kind: ValueKind,
    /// Whether it may be null or missing.
    pub nullable: bool,
    /// The words of an enumeration; none of any other field. The server may send a word that isn't among them.
    pub words: &'static [&'static str],
    /// Other names that a server may use in place of the name.
    pub aliases: &'static [&'static str],
    /// Whether its values are secrets, such as tokens.
    pub secret: bool,
}

impl ListField {
    /// Describes a field that is never missing.
    #[doc(hidden)]
    pub const fn new(name: &'static str, kind: ValueKind) -> Self {
        ListField { name, kind, nullable: false, words: &[], aliases: &[], secret: false }
    }

    /// Makes the field nullable.
    #[doc(hidden)]
    #[must_use]
    pub const fn nullable(self) -> Self {
        ListField { nullable: true, ..self }
    }

    /// Sets the words of an enumeration.
    #[doc(hidden)]
    #[must_use]
    pub const fn enumerated(self, words: &'static [&'static str]) -> Self {
        ListField { words, ..self }
    }

    /// Sets other names of the field.
    #[doc(hidden)]
    #[must_use]
    pub const fn aliases(self, aliases: &'static [&'static str]) -> Self {
        ListField { aliases, ..self }
    }

    /// Marks the values as secrets.
    #[doc(hidden)]
    #[must_use]
    pub const fn secret(self) -> Self {
        ListField { secret: true, ..self }
    }
}

/// The kind of a parameter's or field's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ValueKind {
    /// Text, also a URL or a word of an enumeration.
    Text,
    /// An integer.
    Integer,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// An ISO 8601 time.
    Time,
    /// Free-form JSON, an object or a list.
    Json,
    /// An id, or the object with this id.
    IdOrObject,
}
