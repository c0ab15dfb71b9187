//! The output of the build is safe, whatever the document contains.

mod support;

use std::path::Path;

use serde_json::{Value, json};
use support::{document, merge};
use syn::visit_mut::{self, VisitMut};
use syn::{Ident, ItemFn};
use synapse_codegen::generate::generate;
use synapse_codegen::output::Output;
use synapse_codegen::prepare::{Change, LeftOut, Report, one_line};

/// Characters that may end a line for cargo or for a terminal, or change how a line is shown.
const BREAKS: [&str; 12] = [
    "\n",
    "\r",
    "\r\n",
    "\u{b}",
    "\u{c}",
    "\u{85}",
    "\u{2028}",
    "\u{2029}",
    "\u{1b}[2K\u{1b}[1A",
    "\u{8}\u{8}",
    "\0",
    "\u{9b}2K",
];

const INSTRUCTION: &str = "cargo::rustc-link-lib=evil";

fn printed(print: impl FnOnce(&mut Output<&mut Vec<u8>>)) -> String {
    let mut to = Vec::new();
    print(&mut Output::new(&mut to));
    String::from_utf8(to).unwrap()
}

/// Asserts that no line is an instruction to cargo, and that each contains only visible characters.
fn assert_harmless(text: &str) {
    for line in text.split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']) {
        assert!(
            !line.trim().starts_with("cargo:rustc-link") && !line.trim().starts_with("cargo::rustc-link"),
            "{text:?}"
        );
        assert!(line.chars().count() < 2_500, "{}", line.len());
    }
    assert!(text.chars().all(|letter| letter == '\n' || letter == '\t' || !letter.is_control()), "{text:?}");
}

#[test]
fn errors_and_warnings_are_one_line() {
    for end in BREAKS {
        let evil = format!("a{end}{INSTRUCTION}{end}b");
        for text in [
            printed(|output| output.error(&evil)),
            printed(|output| output.warning(&evil)),
            printed(|output| output.line(&evil)),
            printed(|output| output.rerun_if_changed(Path::new(&evil))),
            printed(|output| output.line(INSTRUCTION)),
            printed(|output| output.line(&format!("{end} {INSTRUCTION}"))),
        ] {
            assert_harmless(&text);
            assert_eq!(text.matches('\n').count(), 1, "{text:?}");
        }
        assert!(printed(|output| output.error(&evil)).starts_with("cargo::error=a"));
    }
    let text = printed(|output| output.warning(&"x".repeat(1 << 20)));
    assert_eq!(text, format!("cargo::warning={}…\n", "x".repeat(1_000)));
    assert_eq!(
        printed(|output| output.rerun_if_changed(Path::new("a b/ä.yaml"))),
        "cargo::rerun-if-changed=a b/ä.yaml\n"
    );
}

#[test]
fn hostile_report_prints_no_directive() {
    for end in BREAKS {
        for aloud in [false, true] {
            let evil = format!("a{end}{INSTRUCTION}\ta");
            let mut generated = generate(document(json!({}), json!({"type": "object"})))
                .map_err(|error| panic!("{error}"))
                .unwrap();
            generated.report.changes.push(Change {
                rule: "keep_one_response_type",
                place: evil.clone(),
                what: evil.clone(),
            });
            generated.report.left_out.push(LeftOut { operation: evil.clone(), why: evil.clone() });
            let text = printed(|output| {
                output.aloud(aloud);
                output.report(Path::new(&evil), &generated, Path::new(&evil), "SYNAPSE_OPENAPI_ONLY");
            });
            assert_harmless(&text);
            let known = ["cargo::warning=", "note: "];
            assert!(text.lines().all(|line| known.iter().any(|start| line.starts_with(start))), "{text:?}");
        }
    }
}

#[test]
fn each_change_is_one_line() {
    for end in BREAKS {
        let evil = format!("a{end}b\tc");
        let mut report = Report::default();
        report.changes.push(Change { rule: "rule", place: evil.clone(), what: evil.clone() });
        report.left_out.push(LeftOut { operation: evil.clone(), why: evil });
        let text = report.to_string();
        assert_harmless(&text);
        assert_eq!((text.lines().count(), text.matches('\t').count()), (2, 4), "{text:?}");
    }
}

/// Every text of a document stays a comment, a string or a name, even if it contains the end of one.
#[test]
fn hostile_text_stays_text_in_code() {
    let evil = |index: usize| {
        format!(
            "x{index}*/ \" \\\" }} \u{202e} \u{1b}[2K \r */ ] #![feature(evil)] \n*/ fn evil() {{}} /* \n//\n\u{2028} fn evil() {{}} r#\"# '"
        )
    };
    let text = |index| Value::String(evil(index));
    let thing = json!({
        "type": "object", "description": text(0), "title": text(1),
        "properties": {
            "a": {"type": "string", "description": text(2), "enum": ["one", text(3)]},
            (evil(4)): {"type": "string", "description": "x", "default": text(5), "pattern": text(6)},
        },
    });
    let parameters = json!([{"name": text(7), "in": "query", "description": "one \u{202e}line\u{1b}[2K\0", "schema": {"type": "string"}}]);
    let operation = json!({"operationId": text(9), "summary": text(10), "description": text(11), "tags": [text(12)], "parameters": parameters});
    let mut whole = document(operation, thing);
    merge(&mut whole, json!({"info": {"title": text(13), "version": text(14), "description": text(15)}}));
    match generate(whole) {
        Ok(generated) => {
            let mut file = syn::parse_file(&generated.code).unwrap();
            struct Names(Vec<String>);
            impl VisitMut for Names {
                fn visit_ident_mut(&mut self, name: &mut Ident) {
                    self.0.push(name.to_string());
                }
                fn visit_item_fn_mut(&mut self, function: &mut ItemFn) {
                    assert_ne!(function.sig.ident, "evil");
                    visit_mut::visit_item_fn_mut(self, function);
                }
            }
            let mut names = Names(Vec::new());
            names.visit_file_mut(&mut file);
            assert!(!names.0.iter().any(|name| name == "evil" || name == "feature"), "{:?}", names.0);
            assert!(file.attrs.iter().all(|attribute| !attribute.path().is_ident("feature")));
            assert!(!generated.code.contains(['\u{202e}', '\u{1b}', '\r']));
            assert_harmless(&generated.report.to_string());
        }
        Err(reason) => panic!("{}", one_line(&reason, 2_000)),
    }
}

/// Any other module would print the document's text without escaping it.
#[test]
fn only_output_module_prints() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut folders = vec![root.join("codegen/src")];
    let mut files = vec![root.join("build.rs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    assert!(files.len() > 20);
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        for word in ["print!(", "println!(", "dbg!(", "io::stdout().", "io::stderr()"] {
            assert!(!text.contains(word), "{}: {word}", file.display());
        }
    }
}
