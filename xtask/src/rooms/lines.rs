//! Counts the lines of code of each room, without tests, comments and blank lines.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens as _;

use crate::handwritten::modules::SourceFile;

/// The largest number of lines of a file outside its tests.
const LONGEST: usize = 450;

/// The counts.
pub struct Lines {
    rooms: BTreeMap<String, usize>,
    files: BTreeMap<String, usize>,
}

impl Lines {
    pub fn of(files: &[SourceFile]) -> Self {
        let mut lines = Lines { rooms: BTreeMap::new(), files: BTreeMap::new() };
        for file in files {
            let path = file.name.strip_prefix("src/").unwrap_or(&file.name);
            let room = path.split_once('/').map_or("(root)", |(room, _)| room);
            let mut code = BTreeSet::new();
            for item in &file.items {
                count(item.to_token_stream(), &mut code);
            }
            *lines.rooms.entry(room.to_owned()).or_default() += code.len();
            lines.files.insert(file.name.clone(), file.lines);
        }
        lines
    }

    pub fn long_files(&self) -> Vec<String> {
        let long = self.files.iter().filter(|(_, lines)| **lines > LONGEST);
        long.map(|(name, lines)| {
            format!("{name} has {lines} lines outside its tests; the limit is {LONGEST}")
        })
        .collect()
    }
}

impl fmt::Display for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (room, lines) in &self.rooms {
            writeln!(f, "{lines:>6} {room}")?;
        }
        writeln!(f, "{:>6} total", self.rooms.values().sum::<usize>())
    }
}

/// Collects the lines that have a token. A doc comment is an attribute and doesn't count.
fn count(tokens: TokenStream, lines: &mut BTreeSet<usize>) {
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        if let (TokenTree::Punct(punct), Some(TokenTree::Group(group))) = (&token, tokens.peek())
            && punct.as_char() == '#'
            && group.delimiter() == Delimiter::Bracket
            && group.stream().into_iter().next().is_some_and(|first| first.to_string() == "doc")
        {
            tokens.next();
            continue;
        }
        match token {
            TokenTree::Group(group) => {
                lines.extend([group.span_open().start().line, group.span_close().end().line]);
                count(group.stream(), lines);
            }
            token => lines.extend(token.span().start().line..=token.span().end().line),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_lines_are_counted() {
        let text = "//! About.\n\n/// Doc.\nfn f() {\n    // Why.\n    g(\"a\n b\");\n}\n";
        let mut file = SourceFile::parse("src/a/b.rs", vec!["a".into(), "b".into()], text).unwrap();
        file.lines = 451;
        let lines = Lines::of(&[file]);
        assert_eq!(lines.to_string(), "     4 a\n     4 total\n");
        assert_eq!(lines.long_files(), ["src/a/b.rs has 451 lines outside its tests; the limit is 450"]);
    }
}
