//! `public-api`: compares the crate's public API with its committed text.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use similar::{ChangeTag, TextDiff};

use crate::{Outcome, project, rustdoc};

/// Compares the API, or writes the text with `bless`.
pub fn run(bless: bool, file: Option<PathBuf>) -> Result<Outcome, String> {
    let file = file.unwrap_or_else(|| project::root().join("xtask/public-api.txt"));
    let now = listing()?;
    if bless {
        std::fs::write(&file, &now).map_err(|error| format!("{}: {error}", file.display()))?;
        println!("{}: {} lines written", file.display(), now.lines().count());
        return Ok(Outcome::Well);
    }
    let committed = std::fs::read_to_string(&file).map_err(|error| {
        format!("{}: {error}; `cargo xtask public-api --bless` writes it", file.display())
    })?;
    let changes = changes(&committed, &now);
    if changes.is_empty() {
        println!("the public API matches the committed text: {} lines", now.lines().count());
        return Ok(Outcome::Well);
    }
    print!("{changes}");
    println!(
        "The public API differs from the committed text. If this is intended, run: cargo xtask public-api --bless"
    );
    Ok(Outcome::Findings)
}

/// Lists one item per line. Omits what the compiler and blanket implementations add to every type. For a
/// derive, lists the implementation but not its methods, which are always the same.
fn listing() -> Result<String, String> {
    let json = rustdoc::json()?;
    let items = |derived: bool| {
        let api = public_api::Builder::from_rustdoc_json(&json)
            .omit_blanket_impls(true)
            .omit_auto_trait_impls(true)
            .omit_auto_derived_impls(!derived)
            .build();
        let api = api.map_err(|error| {
            format!("{}: {error}; check that the toolchain is the project's", json.display())
        })?;
        Ok::<Vec<String>, String>(api.items().map(ToString::to_string).collect())
    };
    let written: BTreeSet<String> = items(false)?.into_iter().collect();
    let listed = items(true)?.into_iter().filter(|item| item.starts_with("impl") || written.contains(item));
    Ok(listed.map(|item| item + "\n").collect())
}

/// Returns the lines that differ: removed ones with `-`, added ones with `+`.
fn changes(committed: &str, now: &str) -> String {
    let mut text = String::new();
    for change in TextDiff::from_lines(committed, now).iter_all_changes() {
        let sign = match change.tag() {
            ChangeTag::Delete => '-',
            ChangeTag::Insert => '+',
            ChangeTag::Equal => continue,
        };
        let _ = writeln!(text, "{sign}{}", change.value().trim_end_matches('\n'));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::changes;

    #[test]
    fn only_differing_lines_are_reported() {
        assert_eq!(changes("a\nb\nc\n", "a\nc\nd\n"), "-b\n+d\n");
        assert_eq!(changes("a\n", "a\n"), "");
    }
}
