//! Descriptions as documentation. Their authors didn't write them for rustdoc, which runs code as tests.

use syn::visit_mut::VisitMut;
use syn::{Attribute, File, parse_quote};

use super::reading::doc_text;
use crate::prepare::is_invisible;

/// Ensures that no description is a test or breaks the documentation.
pub(super) fn make_harmless(file: &mut File) {
    Descriptions.visit_file_mut(file);
}

struct Descriptions;

impl VisitMut for Descriptions {
    fn visit_attribute_mut(&mut self, attribute: &mut Attribute) {
        if let Some(text) = doc_text(attribute) {
            *attribute = doc_attribute(&text);
        }
    }
}

/// Returns a description as documentation that is no test.
pub(super) fn doc_attribute(text: &str) -> Attribute {
    let text = harmless(text);
    match may_hold_code(&text) {
        // Lists and quotations may also contain fences, which this module doesn't look for there.
        true => parse_quote!(#[cfg_attr(not(doctest), doc = #text)]),
        false => parse_quote!(#[doc = #text]),
    }
}

fn may_hold_code(text: &str) -> bool {
    ["```", "~~~", "    ", "\t"].iter().any(|mark| text.contains(mark))
}

/// rustdoc reads a fence without a language, and text that is indented by four, as Rust. Both are plain
/// text here. Carriage returns are removed, because a comment can't contain them.
pub(super) fn harmless(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    // The marks of the open fence. A fence of the same length or longer, with nothing after it, closes it
    // (CommonMark, 4.5).
    let mut fence: Option<String> = None;
    let mut after_blank = true;
    let mut text = text.replace("\r\n", "\n").replace('\r', "\n");
    // The compiler rejects comments with marks that change the text direction. The other marks are
    // invisible.
    text.retain(|letter| matches!(letter, '\n' | '\t') || !(letter.is_control() || is_invisible(letter)));
    for line in text.lines() {
        let bare = line.trim_start();
        let indented = line.starts_with("    ") || line.starts_with('\t');
        let marks = marks(bare);
        let line = match &fence {
            Some(open) => {
                if marks.starts_with(open.as_str()) && bare[marks.len()..].trim().is_empty() {
                    fence = None;
                }
                line.to_owned()
            }
            // Text between three marks on one line is inline code.
            None if marks.len() >= 3 && !(marks.starts_with('`') && bare[marks.len()..].contains('`')) => {
                fence = Some(marks.to_owned());
                format!("{marks}text")
            }
            None if indented && after_blank => format!("   {bare}"),
            None => line.to_owned(),
        };
        after_blank = bare.is_empty() || (after_blank && indented);
        lines.push(line);
    }
    lines.extend(fence);
    lines.join("\n")
}

/// Returns the fence marks at the beginning of a line.
fn marks(line: &str) -> &str {
    let first = line.chars().next().filter(|first| matches!(first, '`' | '~'));
    let end = line.find(|letter| Some(letter) != first).unwrap_or(line.len());
    first.map_or("", |_| &line[..end])
}
