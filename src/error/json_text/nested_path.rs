//! The paths of problems in texts that are decoded within another decoding: only the outer one knows where such a text
//! is, and only the inner one where in it the problem is.

use std::cell::{Cell, RefCell};

use serde::de::DeserializeOwned;
use serde_path_to_error::Error;

use super::decode::known_path;

thread_local! {
    /// Whether the path of a problem is wanted.
    static TRACKED: Cell<bool> = const { Cell::new(false) };
    /// The message of the last problem in an inner text, and its path there.
    static LAST: RefCell<Option<(String, String)>> = const { RefCell::new(None) };
}

/// Restores whether paths are wanted when it is dropped, also by a panic.
struct Restored(bool);

impl Drop for Restored {
    fn drop(&mut self) {
        TRACKED.set(self.0);
    }
}

/// Decodes a value with the path of a problem, also if it is in an inner text.
///
/// # Errors
/// Returns the path and the problem.
pub(crate) fn track<T, E: std::fmt::Display>(
    decode: impl FnOnce() -> Result<T, Error<E>>,
) -> Result<T, (String, E)> {
    let _restored = Restored(TRACKED.replace(true));
    LAST.take();
    decode().map_err(|error| {
        let outer = known_path(error.path());
        let problem = error.into_inner();
        let last = LAST.take().filter(|(message, _)| problem.to_string().starts_with(message));
        (last.map_or(outer.clone(), |(_, inner)| joined(outer, &inner)), problem)
    })
}

/// Decodes without looking for the paths of problems, which would cost another pass for each inner text.
#[allow(dead_code, reason = "which types have inner texts depends on the document")]
pub(crate) fn untracked<T>(decode: impl FnOnce() -> T) -> T {
    let _restored = Restored(TRACKED.replace(false));
    decode()
}

/// Finds the path of the problem of an inner text, which the outer decoding gets as `message`.
#[allow(dead_code, reason = "which types have inner texts depends on the document")]
pub(crate) fn locate<T: DeserializeOwned>(text: &str, message: &str) {
    if TRACKED.get() {
        let read = || serde_path_to_error::deserialize::<_, T>(&mut serde_json::Deserializer::from_str(text));
        let path = track(read).err().map(|(path, _)| path);
        LAST.set(path.map(|path| (message.to_owned(), path)));
    }
}

fn joined(outer: String, inner: &str) -> String {
    match outer.is_empty() || inner.is_empty() || inner.starts_with('[') {
        true => outer + inner,
        false => format!("{outer}.{inner}"),
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Deserializer};
    use serde_json::value::RawValue;

    use super::{locate, track};

    #[derive(Debug, Deserialize)]
    struct Plain {
        #[allow(dead_code, reason = "only decoded")]
        id: Vec<i64>,
    }

    /// Decodes its own text, like types with a text that is read twice.
    #[derive(Debug)]
    struct Inner;

    impl<'de> Deserialize<'de> for Inner {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let text = Box::<RawValue>::deserialize(deserializer)?;
            serde_json::from_str::<Plain>(text.get()).map(|_| Inner).map_err(|error| {
                let message = super::super::decode::without_position(&error.to_string()).to_owned();
                locate::<Plain>(text.get(), &message);
                serde::de::Error::custom(message)
            })
        }
    }

    #[derive(Debug, Deserialize)]
    struct Outer {
        #[allow(dead_code, reason = "only decoded")]
        inner: Vec<Inner>,
        #[allow(dead_code, reason = "only decoded")]
        other: i64,
    }

    #[test]
    fn path_leads_into_inner_text() {
        for (text, path) in [
            (r#"{"inner": [{"id": []}, {"id": [1, "x"]}], "other": 1}"#, "inner[1].id[1]"),
            (r#"{"inner": [{"id": [1]}], "other": "x"}"#, "other"),
            (r#"{"inner": [{}], "other": 1}"#, "inner[0]"),
        ] {
            let read = || {
                serde_path_to_error::deserialize::<_, Outer>(&mut serde_json::Deserializer::from_str(text))
            };
            assert_eq!(track(read).unwrap_err().0, path);
        }
    }
}
