//! [`ItemProblem`]: why an item can't become a row.

use std::fmt;

/// The maximum length of a column's name in messages, in bytes.
const MAX_NAME: usize = 100;

/// Why an item can't become a row. The message has less than 300 bytes and none of the item's values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ItemProblem {
    /// The item isn't UTF-8 from this byte on.
    NotUtf8(usize),
    /// The item isn't JSON.
    NotJson {
        /// The line of the problem, from 1 on.
        line: usize,
        /// The column of the problem, in bytes from 1 on.
        column: usize,
        /// Whether the item ends too early.
        incomplete: bool,
    },
    /// The item is JSON, but no object.
    NotAnObject,
    /// The batch would hold more text than Arrow's offsets count.
    BatchFull,
    /// A column that isn't nullable has no value.
    Required {
        /// The column's name.
        column: String,
        /// What the item has in its place.
        found: Found,
    },
}

/// What an item has in place of a required value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// The key is missing.
    Missing,
    /// The value is null.
    Null,
    /// The value isn't an integer of 64 bits.
    NotAnInteger,
    /// The value isn't a string, or has half a surrogate pair.
    NotText,
    /// The value doesn't fit the column.
    Misfit,
}

impl fmt::Display for ItemProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ItemProblem::NotUtf8(offset) => write!(f, "the item is not UTF-8 from byte {offset} on"),
            ItemProblem::NotJson { incomplete: true, .. } => f.write_str("the item is incomplete JSON"),
            ItemProblem::NotJson { line, column, .. } => {
                write!(f, "the item is not JSON: line {line}, column {column}")
            }
            ItemProblem::NotAnObject => f.write_str("the item is not a JSON object"),
            ItemProblem::BatchFull => f.write_str("the batch has no room for the item"),
            ItemProblem::Required { column, found } => {
                let end = column.floor_char_boundary(MAX_NAME);
                let name: String =
                    column.get(..end).unwrap_or_default().escape_debug().take(MAX_NAME).collect();
                write!(f, "the required column \"{name}\" has no value: {found}")
            }
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Found::Missing => "the item does not have the field",
            Found::Null => "the field is null",
            Found::NotAnInteger => "the field is not an integer of 64 bits",
            Found::NotText => "the field is not a valid string",
            Found::Misfit => "the field is of another type",
        })
    }
}

impl std::error::Error for ItemProblem {}
