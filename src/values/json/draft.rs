//! The JSON writer of [`json!`](crate::json!). It keeps the order of the keys.

use serde::Serialize;
use serde_json::value::RawValue;

use super::finite::{SEPARATOR, Unwritable, unwritable};
use super::{Json, JsonError};

/// JSON text that is being written, and the problems so far. Only the macro uses it.
#[doc(hidden)]
#[derive(Debug, Default)]
pub struct Draft {
    text: String,
    /// The keys and indices of the next value.
    place: Vec<String>,
    /// The number of items written so far, for each open level.
    written: Vec<usize>,
    problems: Vec<String>,
}

impl Draft {
    pub fn new() -> Self {
        Draft::default()
    }

    pub fn begin(&mut self, bracket: char) {
        self.text.push(bracket);
        self.written.push(0);
    }

    pub fn end(&mut self, bracket: char) {
        self.written.pop();
        self.text.push(bracket);
    }

    /// Must be called before an object's value.
    pub fn key(&mut self, key: impl AsRef<str>) {
        self.comma();
        self.value_of(key.as_ref());
        self.text.push(':');
        self.place.push(key.as_ref().to_owned());
    }

    /// Must be called before a list's item.
    pub fn item(&mut self) {
        let index = self.comma();
        self.place.push(format!("[{index}]"));
    }

    /// Must be called after a value or an item.
    pub fn done(&mut self) {
        self.place.pop();
    }

    fn comma(&mut self) -> usize {
        let Some(written) = self.written.last_mut() else { return 0 };
        let index = *written;
        *written += 1;
        if index > 0 {
            self.text.push(',');
        }
        index
    }

    /// Writes a user's value.
    pub fn leaf<T: Serialize + ?Sized>(&mut self, value: &T) {
        let mut place = String::new();
        for step in &self.place {
            if !place.is_empty() && !step.starts_with('[') {
                place.push('.');
            }
            place.push_str(step);
        }
        let problems = unwritable(value);
        if problems.is_empty()
            && let Some(problem) = self.value_of(value)
        {
            self.problems.push(Unwritable { place, problem }.to_string());
            return;
        }
        for found in problems {
            let joint = if place.is_empty() || found.place.is_empty() || found.place.starts_with('[') {
                ""
            } else {
                "."
            };
            self.problems
                .push(Unwritable { place: format!("{place}{joint}{}", found.place), ..found }.to_string());
        }
    }

    fn value_of<T: Serialize + ?Sized>(&mut self, value: &T) -> Option<String> {
        match serde_json::to_string(value) {
            Ok(text) => {
                self.text.push_str(&text);
                None
            }
            Err(error) => {
                self.text.push_str("null");
                Some(error.to_string())
            }
        }
    }

    pub fn finish(self) -> Json {
        if !self.problems.is_empty() {
            return Json::from_problem(JsonError::unwritable(&self.problems.join(SEPARATOR)));
        }
        match RawValue::from_string(self.text) {
            Ok(raw) => Json::from(raw),
            Err(error) => Json::from_problem(JsonError::unwritable(&error.to_string())),
        }
    }
}

/// Makes a [`Json`](crate::Json) from a JSON literal with embedded Rust expressions. The keys keep their
/// order.
///
/// JSON has no NaN and no infinity. Unlike `serde_json::json!`, this macro doesn't turn them into null:
/// sending such a `Json` is an error that names the path (`metrics.accuracy: NaN is not a JSON number`),
/// before anything is sent.
///
/// ```
/// use synapse_backend_client::json;
///
/// let size = 640;
/// let configuration = json!({"input_size": [size, size], "framework": "pytorch", "layers": null, "nested": {"on": true}});
/// assert_eq!(
///     configuration.text(),
///     r#"{"input_size":[640,640],"framework":"pytorch","layers":null,"nested":{"on":true}}"#
/// );
/// ```
#[macro_export]
macro_rules! json {
    ($($value:tt)+) => {{
        let mut draft = $crate::__private::Draft::new();
        $crate::__json!(draft, $($value)+);
        draft.finish()
    }};
}

/// One value of `json!`. `@items` and `@pairs` process the rest step by step.
#[doc(hidden)]
#[macro_export]
macro_rules! __json {
    ($draft:ident, null) => { $draft.leaf(&()) };
    ($draft:ident, [ $($items:tt)* ]) => {
        $draft.begin('[');
        $crate::__json!(@items $draft, $($items)*);
        $draft.end(']');
    };
    ($draft:ident, { $($pairs:tt)* }) => {
        $draft.begin('{');
        $crate::__json!(@pairs $draft, $($pairs)*);
        $draft.end('}');
    };
    ($draft:ident, $value:expr) => { $draft.leaf(&$value) };

    (@items $draft:ident,) => {};
    (@items $draft:ident, null $(, $($rest:tt)*)?) => { $crate::__json!(@item $draft, [null] $($($rest)*)?) };
    (@items $draft:ident, [ $($inner:tt)* ] $(, $($rest:tt)*)?) => { $crate::__json!(@item $draft, [[ $($inner)* ]] $($($rest)*)?) };
    (@items $draft:ident, { $($inner:tt)* } $(, $($rest:tt)*)?) => { $crate::__json!(@item $draft, [{ $($inner)* }] $($($rest)*)?) };
    (@items $draft:ident, $value:expr $(, $($rest:tt)*)?) => {
        $draft.item();
        $draft.leaf(&$value);
        $draft.done();
        $crate::__json!(@items $draft, $($($rest)*)?);
    };
    (@item $draft:ident, [ $value:tt ] $($rest:tt)*) => {
        $draft.item();
        $crate::__json!($draft, $value);
        $draft.done();
        $crate::__json!(@items $draft, $($rest)*);
    };

    (@pairs $draft:ident,) => {};
    (@pairs $draft:ident, $key:tt : null $(, $($rest:tt)*)?) => { $crate::__json!(@pair $draft, $key [null] $($($rest)*)?) };
    (@pairs $draft:ident, $key:tt : [ $($inner:tt)* ] $(, $($rest:tt)*)?) => { $crate::__json!(@pair $draft, $key [[ $($inner)* ]] $($($rest)*)?) };
    (@pairs $draft:ident, $key:tt : { $($inner:tt)* } $(, $($rest:tt)*)?) => { $crate::__json!(@pair $draft, $key [{ $($inner)* }] $($($rest)*)?) };
    (@pairs $draft:ident, $key:tt : $value:expr $(, $($rest:tt)*)?) => {
        $draft.key($key);
        $draft.leaf(&$value);
        $draft.done();
        $crate::__json!(@pairs $draft, $($($rest)*)?);
    };
    (@pair $draft:ident, $key:tt [ $value:tt ] $($rest:tt)*) => {
        $draft.key($key);
        $crate::__json!($draft, $value);
        $draft.done();
        $crate::__json!(@pairs $draft, $($rest)*);
    };
}
