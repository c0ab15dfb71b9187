//! Logged warnings.

use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::*;

/// Collects the warnings of a thread.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

struct Fields<'t>(&'t mut String);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::WARN
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = String::new();
        event.record(&mut Fields(&mut text));
        self.0.lock().unwrap().push(text);
    }

    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[test]
fn many_files_of_path_warn_once() {
    let dir = directory();
    let warnings = Warnings::default();
    let _watching = tracing::subscriber::set_default(warnings.clone());
    let reported = || std::mem::take(&mut *warnings.0.lock().unwrap());
    let fill = |cache: &FileCache, url: &str| assert!(cache.release(download(cache, url, b"1")));
    let cache = FileCache::open(dir.path()).unwrap();
    for number in 0..300 {
        fill(&cache, &format!("https://h/a{number}.png?X-Amz-Expires=1&X-Amz-Signature={number}"));
        fill(&cache, &format!("https://u:SECRET@h/get?token=SECRET{number}"));
    }
    let messages = reported();
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert!(messages[0].contains("https://…@h/get") && messages[0].contains("key_by_path"), "{messages:?}");
    assert!(!messages[0].contains("SECRET"), "{messages:?}");
    // With a custom key there is no warning.
    let own = FileCache::builder(dir.path()).namespace("own").key(str::to_owned).open().unwrap();
    (0..300).for_each(|number| fill(&own, &format!("https://h/get?token={number}")));
    assert_eq!(reported(), [""; 0]);
}
