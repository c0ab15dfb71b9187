//! Finds values that JSON can't represent. serde_json silently writes a NaN or an infinity as null, and
//! recurses to any depth.

use std::cell::RefCell;
use std::fmt;

use serde::Serialize;
use serde::ser::{self, Serializer};

use super::nesting::MAX_LEVELS;
use crate::error::redact::excerpt;

/// A part of the name of this module's types. [`Json`](crate::Json) uses it to detect that it is only
/// checked.
pub(super) const MODULE: &str = "json::finite";

/// The maximum number of problems that are reported with their paths; the others are only counted.
const MAX_PROBLEMS: usize = 64;

/// The maximum length of a path or a problem, in bytes.
const MAX_LENGTH: usize = 256;

/// The prefix of the names of serde_json's private structs, such as that of a raw value.
const PRIVATE: &str = "$serde_json::private::";

/// Separates the problems of one [`Json`](crate::Json).
pub(super) const SEPARATOR: &str = "; ";

/// A part of a value that JSON can't represent.
#[derive(Debug, PartialEq)]
pub(crate) struct Unwritable {
    /// A path such as `by_class[1].cat`; empty for the value itself.
    pub(crate) place: String,
    pub(crate) problem: String,
}

impl fmt::Display for Unwritable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place.as_str() {
            "" => f.write_str(&self.problem),
            place => write!(f, "{place}: {}", self.problem),
        }
    }
}

/// Returns each number in `value` that isn't finite, each [`Json`](crate::Json) made from such a number, and
/// each part that is nested too deep to be parsed again.
pub(crate) fn unwritable<T: Serialize + ?Sized>(value: &T) -> Vec<Unwritable> {
    let found = RefCell::new(Problems::default());
    let check = Check { at: None, depth: 0, found: &found };
    check.outcome(value.serialize(check));
    let Problems { mut problems, more } = found.into_inner();
    if more > 0 {
        problems.push(Unwritable { place: String::new(), problem: format!("and {more} more") });
    }
    problems
}

#[derive(Default)]
struct Problems {
    problems: Vec<Unwritable>,
    more: usize,
}

/// A path in the value, as a linked list that ends at the root.
#[derive(Clone, Copy)]
enum JsonPlace<'p> {
    Key(Option<&'p JsonPlace<'p>>, &'p str),
    Index(Option<&'p JsonPlace<'p>>, usize),
}

impl fmt::Display for JsonPlace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JsonPlace::Key(None, key) => write!(f, "{key}"),
            JsonPlace::Key(Some(parent), key) => write!(f, "{parent}.{key}"),
            JsonPlace::Index(parent, index) => {
                if let Some(parent) = parent {
                    write!(f, "{parent}")?;
                }
                write!(f, "[{index}]")
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Check<'p> {
    at: Option<&'p JsonPlace<'p>>,
    /// The number of lists and objects around it.
    depth: usize,
    found: &'p RefCell<Problems>,
}

impl<'p> Check<'p> {
    fn number(self, number: f64) -> Result<(), Stop> {
        if !number.is_finite() {
            self.report(&format!("{number} is not a JSON number"));
        }
        Ok(())
    }

    fn report(self, problem: &str) {
        let mut found = self.found.borrow_mut();
        if found.problems.len() == MAX_PROBLEMS {
            found.more += 1;
            return;
        }
        let place = self.at.map(ToString::to_string).unwrap_or_default();
        found
            .problems
            .push(Unwritable { place: excerpt(&place, MAX_LENGTH), problem: excerpt(problem, MAX_LENGTH) });
    }

    /// Enters a list or an object.
    fn open(self) -> Result<Many<'p>, Stop> {
        if self.depth == MAX_LEVELS {
            return Err(Stop(format!("it is nested more than {MAX_LEVELS} levels deep")));
        }
        Ok(Many { check: Check { depth: self.depth + 1, ..self }, index: 0, key: String::new() })
    }

    /// Reports an error at this path; the rest is still checked.
    fn outcome(self, outcome: Result<(), Stop>) {
        if let Err(Stop(problems)) = outcome {
            problems.split(SEPARATOR).for_each(|problem| self.report(problem));
        }
    }

    fn key<T: Serialize + ?Sized>(self, key: &str, value: &T) -> Result<(), Stop> {
        let place = JsonPlace::Key(self.at, key);
        let inner = Check { at: Some(&place), ..self };
        inner.outcome(value.serialize(inner));
        Ok(())
    }
}

/// Why a value can't be serialized.
#[derive(Debug)]
struct Stop(String);

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Stop {}

impl ser::Error for Stop {
    fn custom<T: fmt::Display>(problem: T) -> Self {
        Stop(problem.to_string())
    }
}

macro_rules! nothing_to_check {
    ($($method:ident: $type:ty),* $(,)?) => {
        $(fn $method(self, _: $type) -> Result<(), Stop> { Ok(()) })*
    };
}

impl<'p> Serializer for Check<'p> {
    type Ok = ();
    type Error = Stop;
    type SerializeSeq = Many<'p>;
    type SerializeTuple = Many<'p>;
    type SerializeTupleStruct = Many<'p>;
    type SerializeTupleVariant = Many<'p>;
    type SerializeMap = Many<'p>;
    type SerializeStruct = Many<'p>;
    type SerializeStructVariant = Many<'p>;

    nothing_to_check! {
        serialize_bool: bool, serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_i128: i128, serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64,
        serialize_u128: u128, serialize_char: char, serialize_str: &str, serialize_bytes: &[u8],
        serialize_unit_struct: &'static str,
    }

    fn serialize_f32(self, number: f32) -> Result<(), Stop> {
        self.number(number.into())
    }

    fn serialize_f64(self, number: f64) -> Result<(), Stop> {
        self.number(number)
    }

    fn serialize_none(self) -> Result<(), Stop> {
        Ok(())
    }

    fn serialize_unit(self) -> Result<(), Stop> {
        Ok(())
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Result<(), Stop> {
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Stop> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), Stop> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Stop> {
        self.open()?.check.key(variant, value)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Many<'p>, Stop> {
        self.open()
    }

    fn serialize_tuple(self, _: usize) -> Result<Many<'p>, Stop> {
        self.open()
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Many<'p>, Stop> {
        self.open()
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Many<'p>, Stop> {
        self.open()
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Many<'p>, Stop> {
        self.open()
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Many<'p>, Stop> {
        // A raw text doesn't count as a level, whatever its depth.
        if name.starts_with(PRIVATE) { Check { depth: 0, ..self }.open() } else { self.open() }
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Many<'p>, Stop> {
        self.open()
    }
}

/// A list, a map or a struct: its parts are checked with their key or index as the path.
struct Many<'p> {
    check: Check<'p>,
    index: usize,
    key: String,
}

impl Many<'_> {
    fn next<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Stop> {
        let place = JsonPlace::Index(self.check.at, self.index);
        self.index += 1;
        let inner = Check { at: Some(&place), ..self.check };
        inner.outcome(value.serialize(inner));
        Ok(())
    }
}

macro_rules! indexed {
    ($($trait:ident $method:ident),* $(,)?) => {
        $(impl ser::$trait for Many<'_> {
            type Ok = ();
            type Error = Stop;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Stop> {
                self.next(value)
            }

            fn end(self) -> Result<(), Stop> {
                Ok(())
            }
        })*
    };
}

indexed! {
    SerializeSeq serialize_element,
    SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field,
}

macro_rules! keyed {
    ($($trait:ident),* $(,)?) => {
        $(impl ser::$trait for Many<'_> {
            type Ok = ();
            type Error = Stop;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Stop> {
                self.check.key(key, value)
            }

            fn end(self) -> Result<(), Stop> {
                Ok(())
            }
        })*
    };
}

keyed! { SerializeStruct, SerializeStructVariant }

impl ser::SerializeMap for Many<'_> {
    type Ok = ();
    type Error = Stop;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Stop> {
        let text = serde_json::to_string(key).unwrap_or_default();
        self.key = text.trim_matches('"').to_owned();
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Stop> {
        self.check.key(&self.key, value)
    }

    fn end(self) -> Result<(), Stop> {
        Ok(())
    }
}
