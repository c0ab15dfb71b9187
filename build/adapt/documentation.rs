//! Descriptions as documentation: they were written for readers, not for rustdoc, which takes code for tests.

use syn::visit_mut::VisitMut;
use syn::{Attribute, Expr, File, Lit, parse_quote};

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
            let text = text.value();
            let harmless = harmless(&text);
            if harmless != text {
                *attribute = parse_quote!(#[doc = #harmless]);
            }
        }
    }
}

/// A fence without a language is Rust to rustdoc, and so is what is indented by four: neither is meant. A carriage return
/// can't stand in a comment.
fn harmless(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut fence: Option<&str> = None;
    let mut after_blank = true;
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    for line in text.lines() {
        let bare = line.trim_start();
        let opens = ["```", "~~~"].into_iter().find(|mark| bare.starts_with(mark));
        let indented = line.starts_with("    ") || line.starts_with('\t');
        let line = match (fence, opens) {
            (Some(open), Some(mark)) if open == mark => {
                fence = None;
                line.to_owned()
            }
            (Some(_), _) => line.to_owned(),
            (None, Some(mark)) => {
                fence = Some(mark);
                let marks = bare.chars().take_while(|letter| mark.starts_with(*letter)).count();
                format!("{}text", &bare[..marks])
            }
            (None, None) if indented && after_blank => format!("   {bare}"),
            (None, None) => line.to_owned(),
        };
        after_blank = bare.is_empty() || (after_blank && indented);
        lines.push(line);
    }
    lines.extend(fence.map(str::to_owned));
    lines.join("\n")
}
