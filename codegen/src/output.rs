//! Prints the output of the build script. Cargo reads each line that begins with `cargo:` as an
//! instruction. Most of the printed text comes from a document, so it is always escaped.

use std::io::Write;
use std::path::Path;

use crate::domains::DISABLED;
use crate::generate::Generated;
use crate::prepare::{ROUTINE, one_line};

/// The longest printed text, in characters.
const MOST: usize = 1_000;
/// The longest path, in characters. A truncated path would name another file.
const LONGEST_PATH: usize = 1 << 16;

/// The output of the build.
pub struct Output<W> {
    to: W,
    /// For the project's own document, only changes that aren't routine are warnings. The others are in
    /// `cargo build -vv` and in `prepared.tsv`.
    aloud: bool,
}

impl<W: Write> Output<W> {
    pub fn new(to: W) -> Self {
        Output { to, aloud: false }
    }

    /// Sets whether routine lines are warnings.
    pub fn aloud(&mut self, aloud: bool) {
        self.aloud = aloud;
    }

    /// The only place that prints. Each line begins with a fixed text of this script.
    fn print(&mut self, start: &'static str, text: &str, most: usize) {
        // A closed output needs no line.
        let _ = writeln!(self.to, "{start}{}", one_line(text, most));
    }

    pub fn rerun_if_changed(&mut self, path: &Path) {
        self.print("cargo::rerun-if-changed=", &path.display().to_string(), LONGEST_PATH);
    }

    pub fn rerun_if_env_changed(&mut self, variable: &'static str) {
        self.print("cargo::rerun-if-env-changed=", variable, MOST);
    }

    /// Declares the values that `cfg(api = "…")` may have.
    pub fn domains(&mut self, names: impl Iterator<Item = &'static str>) {
        let names: Vec<String> = names.map(|name| format!("{name:?}")).collect();
        self.print("cargo::rustc-check-cfg=", &format!("cfg(api, values({}))", names.join(", ")), MOST);
    }

    /// Sets a value of `cfg(api = "…")`.
    pub fn domain(&mut self, name: &'static str) {
        self.print("cargo::rustc-cfg=", &format!("api={name:?}"), MOST);
    }

    pub fn error(&mut self, reason: &str) {
        self.print("cargo::error=", reason, MOST);
    }

    pub fn warning(&mut self, text: &str) {
        self.print("cargo::warning=", text, MOST);
    }

    /// Prints a routine line.
    pub fn line(&mut self, text: &str) {
        self.say(self.aloud, text);
    }

    fn say(&mut self, aloud: bool, text: &str) {
        match aloud {
            true => self.warning(text),
            false => self.print("note: ", text, MOST),
        }
    }

    /// Reports the document at `path`: the generated code, the changes, and the operations that are left
    /// out. `unselected` marks the reason of operations that the user didn't select.
    pub fn report(&mut self, path: &Path, generated: &Generated, prepared: &Path, unselected: &str) {
        let report = &generated.report;
        let (operations, lines) = (generated.operations.len(), generated.code.lines().count());
        let (path, prepared) = (path.display(), prepared.display());
        self.line(&format!("{path}: {operations} operations, {lines} lines; every change is in {prepared}"));
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
        let is_disabled = |why: &str| why.starts_with(DISABLED);
        for left_out in &report.left_out {
            // The operations that the user didn't select are counted in one line. Each other one has its own
            // warning.
            if !is_unselected(&left_out.why) && !is_disabled(&left_out.why) {
                self.warning(&format!("left out: {}: {}", left_out.operation, left_out.why));
            }
        }
        let count = report.left_out.iter().filter(|left_out| is_unselected(&left_out.why)).count();
        if count > 0 {
            self.line(&format!("left out: {count} operations that {unselected} doesn't select"));
        }
        let count = report.left_out.iter().filter(|left_out| is_disabled(&left_out.why)).count();
        if count > 0 {
            self.line(&format!("left out: {count} operations of disabled features"));
        }
    }
}
