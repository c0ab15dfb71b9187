//! Reads and changes the keywords of schemas, operations and other objects.

use serde_json::{Map, Value};

/// An object of the document, or a value that may be one. A keyword of another type counts as missing.
pub trait Keywords {
    /// The keywords. `None` if the value isn't an object.
    fn keywords(&self) -> Option<&Map<String, Value>>;

    fn keywords_mut(&mut self) -> Option<&mut Map<String, Value>>;

    fn text(&self, key: &str) -> Option<&str> {
        self.keywords()?.get(key)?.as_str()
    }

    /// Returns a text, or an empty one if it is missing.
    fn string(&self, key: &str) -> String {
        self.text(key).unwrap_or_default().to_owned()
    }

    /// Returns the items of a list. A missing list has none.
    fn list(&self, key: &str) -> &[Value] {
        self.keywords().and_then(|object| object.get(key)?.as_array()).map_or(&[], Vec::as_slice)
    }

    fn list_mut(&mut self, key: &str) -> Option<&mut Vec<Value>> {
        self.keywords_mut()?.get_mut(key)?.as_array_mut()
    }

    fn object(&self, key: &str) -> Option<&Map<String, Value>> {
        self.keywords()?.get(key)?.as_object()
    }

    fn object_mut(&mut self, key: &str) -> Option<&mut Map<String, Value>> {
        self.keywords_mut()?.get_mut(key)?.as_object_mut()
    }

    /// Returns an object, and adds it if it is missing. `None` if another type is there.
    fn object_or_new(&mut self, key: &str) -> Option<&mut Map<String, Value>> {
        self.keywords_mut()?.entry(key).or_insert_with(|| Map::new().into()).as_object_mut()
    }

    /// Returns a list, and adds it if it is missing. `None` if another type is there.
    fn list_or_new(&mut self, key: &str) -> Option<&mut Vec<Value>> {
        self.keywords_mut()?.entry(key).or_insert_with(|| Value::Array(Vec::new())).as_array_mut()
    }

    /// Returns whether a keyword is `true`.
    fn says(&self, key: &str) -> bool {
        self.keywords().and_then(|object| object.get(key)) == Some(&Value::Bool(true))
    }

    fn has_any(&self, keys: &[&str]) -> bool {
        self.keywords().is_some_and(|object| keys.iter().any(|key| object.contains_key(*key)))
    }

    /// Sets a keyword. Another value than an object stays as it is.
    fn put(&mut self, key: &str, value: impl Into<Value>) {
        if let Some(object) = self.keywords_mut() {
            object.insert(key.to_owned(), value.into());
        }
    }

    /// Adds the keywords that are missing.
    fn fill(&mut self, more: &impl Keywords) {
        if let Some(object) = self.keywords_mut() {
            for (key, value) in more.keywords().into_iter().flatten() {
                object.entry(key.clone()).or_insert_with(|| value.clone());
            }
        }
    }

    /// Sets the listed keywords that another object has.
    fn copy(&mut self, from: &impl Keywords, keys: &[&str]) {
        for key in keys {
            if let Some(value) = from.keywords().and_then(|object| object.get(*key)) {
                self.put(key, value.clone());
            }
        }
    }

    /// Removes the listed keywords.
    fn drop_keywords(&mut self, keys: &[&str]) {
        if let Some(object) = self.keywords_mut() {
            object.retain(|key, _| !keys.contains(&key.as_str()));
        }
    }

    /// Removes the keywords that aren't listed.
    fn keep(&mut self, keys: &[&str]) {
        if let Some(object) = self.keywords_mut() {
            object.retain(|key, _| keys.contains(&key.as_str()));
        }
    }
}

impl Keywords for Map<String, Value> {
    fn keywords(&self) -> Option<&Map<String, Value>> {
        Some(self)
    }

    fn keywords_mut(&mut self) -> Option<&mut Map<String, Value>> {
        Some(self)
    }
}

impl Keywords for Value {
    fn keywords(&self) -> Option<&Map<String, Value>> {
        self.as_object()
    }

    fn keywords_mut(&mut self) -> Option<&mut Map<String, Value>> {
        self.as_object_mut()
    }
}
