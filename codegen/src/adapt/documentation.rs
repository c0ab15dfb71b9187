//! Descriptions as documentation: they were written for readers, not for rustdoc, which takes code for tests.

use syn::visit_mut::VisitMut;
use syn::{Attribute, Expr, File, Lit, parse_quote};

use crate::prepare::is_invisible;

/// Keeps every description from being a test, or no documentation at all.
pub(super) fn make_harmless(file: &mut File) {
    Descriptions.visit_file_mut(file);
}

struct Descriptions;

impl VisitMut for Descriptions {
    fn visit_attribute_mut(&mut self, attribute: &mut Attribute) {
        if let syn::Meta::NameValue(pair) = &attribute.meta
            && pair.path.is_ident("doc")
            && let Expr::Lit(literal) = &pair.value
            && let Lit::Str(text) = &literal.lit
        {
            let text = harmless(&text.value());
            *attribute = match may_hold_code(&text) {
                // Also in a list or a quotation, where fences aren't looked for here, there may be some.
                true => parse_quote!(#[cfg_attr(not(doctest), doc = #text)]),
                false => parse_quote!(#[doc = #text]),
            };
        }
    }
}

fn may_hold_code(text: &str) -> bool {
    ["```", "~~~", "    ", "\t"].iter().any(|mark| text.contains(mark))
}

/// A fence without a language is Rust to rustdoc, and so is what is indented by four: neither is meant. A
/// carriage return can't stand in a comment.
fn harmless(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    // What the open fence begins with: one as long or longer, with nothing after it, closes it (CommonMark,
    // 4.5).
    let mut fence: Option<String> = None;
    let mut after_blank = true;
    let mut text = text.replace("\r\n", "\n").replace('\r', "\n");
    // The compiler refuses comments with marks that turn the direction, and nobody sees the others.
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
            // What is within three marks on one line is code within the text.
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

/// The marks of a fence that a line begins with.
fn marks(line: &str) -> &str {
    let first = line.chars().next().filter(|first| matches!(first, '`' | '~'));
    let end = line.find(|letter| Some(letter) != first).unwrap_or(line.len());
    first.map_or("", |_| &line[..end])
}
