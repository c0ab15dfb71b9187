//! The changes of a document as documentation of the generated module. Cargo shows the warnings of a build only
//! to those who build the crate itself, not to those who depend on it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::domains::DISABLED;
use crate::prepare::{ROUTINE, Report, one_line};

/// The most lines of the documentation. `prepared.tsv` has all changes.
const MOST_LINES: usize = 400;
/// The most lines about an operation or a type.
const MOST_OF_ONE: usize = 8;
/// The longest line, in characters of the document.
const LONGEST: usize = 300;

/// Returns the changes of each operation and type as Markdown. Changes that every document has are left out, and
/// operations whose reason is that the user didn't select them (`unselected`) are only counted.
pub fn markdown(report: &Report, unselected: &str) -> String {
    let mut operations: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut types: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let (mut not_selected, mut disabled) = (0, 0);
    for left_out in &report.left_out {
        match left_out.why.as_str() {
            why if why.starts_with(DISABLED) => disabled += 1,
            why if why.contains(unselected) => not_selected += 1,
            _ => {
                operations.entry(&left_out.operation).or_default().push(format!("left out: {}", left_out.why))
            }
        }
    }
    for change in report.changes.iter().filter(|change| !ROUTINE.contains(&change.rule)) {
        let (group, line) = match (id_of(&change.place).is_some(), change.place.split_once('.')) {
            (false, Some((component, rest))) if !component.contains('/') => {
                (types.entry(component), format!("{rest}: {}", change.what))
            }
            (false, None) => (types.entry(&change.place), change.what.clone()),
            _ => (operations.entry(&change.place), change.what.clone()),
        };
        group.or_default().push(line);
    }
    // The report tells what isn't sent. A reader looks for what is.
    let places =
        report.changes.iter().filter_map(|change| Some((id_of(&change.place)?, change.place.as_str())));
    let places: BTreeMap<&str, &str> = places.collect();
    for (id, types) in &report.notes.raw_types {
        let line = format!("the body isn't JSON, but content of type `{}`", types.join("` or `"));
        operations.entry(places.get(id.as_str()).copied().unwrap_or(id)).or_default().push(line);
    }
    let mut text = String::new();
    let mut lines = 0;
    for (heading, groups) in [("Operations", &operations), ("Types", &types)] {
        let before = text.len();
        let mut omitted = 0;
        for (place, changes) in groups {
            let shown = changes.len().min(MOST_OF_ONE);
            if lines + shown >= MOST_LINES {
                omitted += 1;
                continue;
            }
            lines += 1 + shown;
            let _ = writeln!(text, "- {}", harmless_line(place));
            for change in &changes[..shown] {
                let _ = writeln!(text, "  - {}", harmless_line(change));
            }
            if changes.len() > shown {
                let _ = writeln!(text, "  - … and {} more", changes.len() - shown);
            }
        }
        if omitted > 0 {
            let _ = writeln!(text, "- … and {omitted} more");
        }
        if text.len() > before {
            text.insert_str(before, &format!("\n## {heading}\n\n"));
        }
    }
    if not_selected > 0 {
        let _ =
            write!(text, "\n{not_selected} operations aren't selected ({}).\n", harmless_line(unselected));
    }
    if disabled > 0 {
        let _ = write!(text, "\n{disabled} operations belong to disabled features of the crate.\n");
    }
    if text.is_empty() {
        return text;
    }
    format!(
        "# Changes of the document\n\nThe build left out or changed these parts of the API's document, which the \
         code can't express. `prepared.tsv` in `OUT_DIR` lists every change.\n{text}"
    )
}

/// Returns the id of an operation's place, such as `GET /things/ (list_things)`. `None` for the place of a type.
fn id_of(place: &str) -> Option<&str> {
    let (method, rest) = place.split_once(' ')?;
    let is_operation = !method.is_empty() && method.bytes().all(|letter| letter.is_ascii_uppercase());
    rest.strip_suffix(')')?.split_once(" (").filter(|_| is_operation).map(|(_, id)| id)
}

/// Returns a text of the document as Markdown without any effect: one line, with its marks escaped. Text between
/// two backticks is code.
fn harmless_line(text: &str) -> String {
    const MARKS: &str = "\\`*_[]<>#|~&$!";
    let line = one_line(text, LONGEST);
    let line = line.trim();
    let is_code = line.matches('`').count().is_multiple_of(2) && !line.contains("``");
    let mut escaped = String::new();
    let mut within = false;
    for letter in line.chars() {
        within ^= letter == '`' && is_code;
        if MARKS.contains(letter) && !within && !(letter == '`' && is_code) {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}
