//! What the build script prints. Cargo takes each line that begins with `cargo:` for an instruction, and most
//! of what is told comes from a document: nothing of it is printed as it stands there.

use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;

use crate::generate::Generated;
use crate::prepare::{ROUTINE, one_line};

/// The longest text that is told, in characters.
const MOST: usize = 1_000;
/// The longest path, in characters: one that is cut is another.
const LONGEST_PATH: usize = 1 << 16;

/// What the build says, and to whom.
pub struct Output<W> {
    to: W,
    /// Of the project's own document only what isn't routine is told aloud; the rest is in `cargo build -vv`
    /// and in `prepared.tsv`.
    aloud: bool,
}

impl<W: Write> Output<W> {
    pub fn new(to: W) -> Self {
        Output { to, aloud: false }
    }

    /// Tells what is routine aloud, or not.
    pub fn aloud(&mut self, aloud: bool) {
        self.aloud = aloud;
    }

    /// The one place where something is printed: a line that begins as this script wants it to.
    fn print(&mut self, start: &'static str, text: &str, most: usize) {
        // Who doesn't listen needs no line.
        let _ = writeln!(self.to, "{start}{}", one_line(text, most));
    }

    pub fn rerun_if_changed(&mut self, path: &Path) {
        self.print("cargo::rerun-if-changed=", &path.display().to_string(), LONGEST_PATH);
    }

    pub fn rerun_if_env_changed(&mut self, variable: &'static str) {
        self.print("cargo::rerun-if-env-changed=", variable, MOST);
    }

    /// Which values `cfg(api = "…")` may have.
    pub fn domains(&mut self, names: impl Iterator<Item = &'static str>) {
        let names: Vec<String> = names.map(|name| format!("{name:?}")).collect();
        self.print("cargo::rustc-check-cfg=", &format!("cfg(api, values({}))", names.join(", ")), MOST);
    }

    /// A value that it has.
    pub fn domain(&mut self, name: &'static str) {
        self.print("cargo::rustc-cfg=", &format!("api={name:?}"), MOST);
    }

    pub fn error(&mut self, reason: &str) {
        self.print("cargo::error=", reason, MOST);
    }

    pub fn warning(&mut self, text: &str) {
        self.print("cargo::warning=", text, MOST);
    }

    /// A line that is routine.
    pub fn line(&mut self, text: &str) {
        self.say(self.aloud, text);
    }

    fn say(&mut self, aloud: bool, text: &str) {
        match aloud {
            true => self.warning(text),
            false => self.print("note: ", text, MOST),
        }
    }

    /// What was generated from the document at `path`, and what was changed or left out, of which
    /// `unselected` tells that nobody asked for it.
    pub fn report(&mut self, path: &Path, generated: &Generated, prepared: &Path, unselected: &str) {
        let report = &generated.report;
        let mut line = format!("{}: {} operations", path.display(), generated.operations.len());
        let _ = write!(
            line,
            ", {} lines; every change is in {}",
            generated.code.lines().count(),
            prepared.display()
        );
        self.line(&line);
        let mut rules: Vec<(&str, usize, String)> = Vec::new();
        for change in &report.changes {
            match rules.iter_mut().find(|(rule, ..)| *rule == change.rule) {
                Some((_, count, _)) => *count += 1,
                None => rules.push((change.rule, 1, format!("{}: {}", change.place, change.what))),
            }
        }
        for (rule, count, first) in rules {
            self.say(self.aloud || !ROUTINE.contains(&rule), &format!("{rule} ({count}), such as {first}"));
        }
        let is_unselected = |why: &str| why.contains(unselected);
        for left_out in &report.left_out {
            match self.aloud {
                // One line for what was asked for, one each for what wasn't.
                true if is_unselected(&left_out.why) => {}
                _ => self.warning(&format!("left out: {}: {}", left_out.operation, left_out.why)),
            }
        }
        let count = report.left_out.iter().filter(|left_out| is_unselected(&left_out.why)).count();
        if count > 0 {
            self.line(&format!("left out: {count} operations that {unselected} doesn't select"));
        }
    }
}
