//! The report of the changes.

use std::collections::BTreeSet;
use std::fmt;

use crate::handwritten::Touches;

/// Reports are sorted in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    Breaking,
    Fine,
}

impl Verdict {
    pub fn breaking_if(breaks: bool) -> Self {
        if breaks { Verdict::Breaking } else { Verdict::Fine }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    Added,
    Removed,
    Changed,
    Renamed,
    Moved,
}

/// A change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    pub verdict: Verdict,
    /// `operation`, `parameter`, `body-field` and so on.
    pub kind: &'static str,
    /// The location, such as `list_models?project`.
    pub place: String,
    pub what: What,
    pub detail: String,
    /// The operations that it affects.
    pub operations: BTreeSet<String>,
}

/// All changes.
#[derive(Default)]
pub struct Report {
    changes: BTreeSet<Change>,
}

impl Report {
    pub fn add(&mut self, change: Change) {
        self.changes.insert(change);
    }

    pub fn breaks(&self) -> bool {
        self.changes.iter().any(|change| change.verdict == Verdict::Breaking)
    }

    /// Formats one line per change, with columns separated by at least two spaces, and a line of counts.
    pub fn text(&self, touches: &Touches) -> String {
        let rows: Vec<[String; 6]> = self.changes.iter().map(|change| row(change, touches)).collect();
        let mut widths = [0; 5];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let mut text = String::new();
        for row in &rows {
            for (cell, width) in row.iter().zip(widths) {
                // Omits the details' column if no line has details.
                if width > 0 {
                    text.push_str(&format!("{cell:width$}  "));
                }
            }
            text.push_str(&row[5]);
            text.push('\n');
        }
        let breaking = self.changes.iter().filter(|change| change.verdict == Verdict::Breaking).count();
        let plural = if rows.len() == 1 { "" } else { "s" };
        text.push_str(&format!("{} change{plural}, {breaking} breaking\n", rows.len()));
        text
    }
}

fn row(change: &Change, touches: &Touches) -> [String; 6] {
    let methods: Vec<String> = touches.methods(&change.operations).into_iter().collect();
    let touched = if methods.is_empty() { "nothing".to_owned() } else { methods.join(", ") };
    [
        change.verdict.to_string(),
        change.what.to_string(),
        change.kind.to_owned(),
        change.place.clone(),
        change.detail.clone(),
        format!("touches {touched}"),
    ]
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::Breaking => "breaking",
            Verdict::Fine => "ok",
        })
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            What::Added => "added",
            What::Removed => "removed",
            What::Changed => "changed",
            What::Renamed => "renamed",
            What::Moved => "moved",
        })
    }
}
