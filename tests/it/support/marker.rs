//! A marker in every token, password and signature of the tests. The tests fail if it is shown: a guard
//! checks everything that the process traces and logs, and each error is checked.

use std::error::Error as StdError;
use std::fmt::{self, Debug, Write as _};
use std::io::Write as _;
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::child;

macro_rules! marker {
    () => {
        "m4rk3r"
    };
}

/// In lower case, because some tests compare heads in lower case.
pub const MARKER: &str = marker!();

/// The access token of the tests.
pub const TOKEN: &str = concat!(marker!(), "-token");

/// Returns a secret that differs from the others.
pub fn secret(name: &str) -> String {
    format!("{MARKER}-{name}")
}

pub fn shows_secret(text: &str) -> bool {
    text.contains(MARKER)
}

#[track_caller]
pub fn assert_hidden(what: &str, text: &str) {
    assert!(!shows_secret(text), "{what} shows a secret: {text}");
}

#[track_caller]
pub fn assert_debug_hidden(what: &str, value: &(impl Debug + ?Sized)) {
    assert_hidden(what, &format!("{value:?}"));
    assert_hidden(what, &format!("{value:#?}"));
}

/// Asserts that neither the error nor its sources show a secret.
#[track_caller]
pub fn assert_error_hidden(error: &(dyn StdError + 'static)) {
    let mut next = Some(error);
    while let Some(error) = next {
        assert_hidden("an error's Display", &error.to_string());
        assert_debug_hidden("an error's Debug", error);
        next = error.source();
    }
}

/// Returns the error of a result, like `unwrap_err`, and asserts that it shows no secret.
pub trait Failure {
    type Error;

    fn failure(self) -> Self::Error;

    /// Like `expect_err`.
    fn failure_of(self, what: &str) -> Self::Error;
}

impl<T: Debug, E: StdError + 'static> Failure for Result<T, E> {
    type Error = E;

    #[track_caller]
    fn failure(self) -> E {
        self.failure_of("it succeeded")
    }

    #[track_caller]
    fn failure_of(self, what: &str) -> E {
        let error = self.expect_err(what);
        assert_error_hidden(&error);
        error
    }
}

// ---- traces and logs

/// From now on the process ends, and its tests fail, if a span, an event or a log record shows a secret. A
/// panic is not enough: in a detached task it fails nothing.
pub fn watch() {
    static WATCHING: Once = Once::new();
    static GUARD: Guard = Guard::new(end_process);
    WATCHING.call_once(|| {
        tracing::subscriber::set_global_default(Guard::new(end_process))
            .expect("there is another subscriber");
        // reqwest and wiremock log instead of tracing.
        log::set_logger(&GUARD).expect("there is another logger");
        log::set_max_level(log::LevelFilter::Trace);
    });
}

fn end_process(text: &str) {
    // The test harness captures the output of `eprintln!`.
    let thread = std::thread::current();
    let _ = writeln!(
        std::io::stderr(),
        "\na secret is shown, on thread {:?}: {text}",
        thread.name().unwrap_or_default()
    );
    std::process::exit(101);
}

/// Checks every span, event and record, of any level and target.
pub struct Guard {
    spans: AtomicU64,
    on_secret: fn(&str),
}

impl Guard {
    const fn new(on_secret: fn(&str)) -> Self {
        Guard { spans: AtomicU64::new(0), on_secret }
    }

    /// A guard that ends the process, to be placed before another subscriber.
    #[allow(dead_code, reason = "only a unit test of the library does so")]
    pub const fn ending_the_process() -> Self {
        Guard::new(end_process)
    }

    fn look_at(&self, metadata: &Metadata<'_>, record: impl FnOnce(&mut Fields<'_>)) {
        let mut text = format!("{} {} {}", metadata.level(), metadata.target(), metadata.name());
        record(&mut Fields(&mut text));
        self.look_at_text(&text);
    }

    fn look_at_text(&self, text: &str) {
        if shows_secret(text) {
            (self.on_secret)(text);
        }
    }
}

/// Writes each field as ` name=value`.
pub struct Fields<'t>(pub &'t mut String);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, " {}={value:?}", field.name());
    }
}

impl Subscriber for Guard {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.look_at(span.metadata(), |fields| span.record(fields));
        Id::from_u64(self.spans.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        let mut text = String::from("a span's");
        values.record(&mut Fields(&mut text));
        self.look_at_text(&text);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        self.look_at(event.metadata(), |fields| event.record(fields));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl log::Log for Guard {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        // The tests' server logs each unmatched request with all its headers, which contain secrets
        // legitimately.
        if record.target().starts_with("wiremock") {
            return;
        }
        self.look_at_text(&fmt::format(format_args!(
            "{} {} {}",
            record.level(),
            record.target(),
            record.args()
        )));
    }

    fn flush(&self) {}
}

// ---- tests of the guard

#[test]
fn guard_detects_only_the_marker() {
    static SEEN: std::sync::Mutex<Vec<String>> = std::sync::Mutex::new(Vec::new());
    let guard = || Guard::new(|text| SEEN.lock().unwrap().push(text.to_owned()));
    let seen = |work: &dyn Fn()| {
        tracing::subscriber::with_default(guard(), work);
        std::mem::take(&mut *SEEN.lock().unwrap()).len()
    };
    let shown = secret("shown");
    assert_eq!(seen(&|| tracing::trace!(token = %shown, "sent")), 1);
    assert_eq!(seen(&|| tracing::debug!(headers = ?[("x-token", &shown)])), 1);
    assert_eq!(seen(&|| tracing::info!("GET /x?sig={shown}")), 1);
    assert_eq!(seen(&|| tracing::warn!(target: "hyper::client", url = shown.as_str())), 1);
    assert_eq!(seen(&|| drop(tracing::trace_span!("sending", token = %shown))), 1);
    let late =
        || _ = tracing::trace_span!("sending", token = tracing::field::Empty).record("token", shown.as_str());
    assert_eq!(seen(&late), 1);
    assert_eq!(seen(&|| tracing::error!(token = "…", "sent")), 0);
    let logged = |target: &str, text: &str| {
        let record = |text: fmt::Arguments<'_>| {
            log::Log::log(
                &guard(),
                &log::Record::builder().level(log::Level::Trace).target(target).args(text).build(),
            );
        };
        record(format_args!("{text}"));
        std::mem::take(&mut *SEEN.lock().unwrap()).len()
    };
    assert_eq!(
        (logged("reqwest::connect", &shown), logged("reqwest::connect", "…"), logged("wiremock", &shown)),
        (1, 0, 0)
    );
}

#[test]
fn marker_found_anywhere_in_error() {
    #[derive(Debug)]
    #[allow(dead_code, reason = "shown by its Debug")]
    struct Shown(&'static str, String, Option<Box<Shown>>);
    impl fmt::Display for Shown {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }
    impl StdError for Shown {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            self.2.as_deref().map(|source| source as _)
        }
    }
    let shows = |error: Shown| std::panic::catch_unwind(move || drop(Err::<(), _>(error).failure())).is_err();
    let kept = || Shown("", secret("kept"), None);
    assert!(shows(Shown(MARKER, String::new(), None)));
    assert!(shows(kept()));
    assert!(shows(Shown(
        "",
        String::new(),
        Some(Box::new(Shown("", String::new(), Some(Box::new(kept())))))
    )));
    assert!(!shows(Shown("", String::new(), Some(Box::new(Shown("", String::new(), None))))));
}

/// The child process of the test below.
#[test]
fn secret_leaking_child() {
    if std::env::var_os("A_LEAKING_CHILD").is_none() {
        return;
    }
    watch();
    match std::env::var("A_LEAKING_CHILD").as_deref() {
        // In a detached thread.
        Ok("traces") => drop(std::thread::spawn(|| tracing::trace!(token = TOKEN))),
        Ok("logs") => drop(std::thread::spawn(|| log::trace!(target: "reqwest", "{TOKEN}"))),
        _ => return,
    }
    std::thread::sleep(std::time::Duration::from_secs(60));
}

#[test]
fn leak_ends_the_process() {
    for (how, code) in [("traces", 101), ("logs", 101), ("nothing", 0)] {
        let child = child::command(secret_leaking_child).env("A_LEAKING_CHILD", how).output().unwrap();
        let printed = String::from_utf8_lossy(&child.stderr);
        assert_eq!(
            (child.status.code(), shows_secret(&printed)),
            (Some(code), code == 101),
            "{how}: {printed}"
        );
        assert!(code == 101 || String::from_utf8_lossy(&child.stdout).contains("1 passed"));
    }
}
