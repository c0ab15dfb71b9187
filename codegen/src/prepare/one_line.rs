//! Formats text of a document as one printable line.

/// Returns at most `limit` characters of `text` as one line. White space becomes a space. Invisible
/// characters (control characters, terminal escapes, direction marks) are escaped.
pub fn one_line(text: &str, limit: usize) -> String {
    let mut line = String::new();
    for (count, character) in text.chars().enumerate() {
        if count == limit {
            line.push('…');
            break;
        }
        match character {
            _ if character.is_whitespace() => line.push(' '),
            _ if character.is_control() || is_invisible(character) => line.extend(character.escape_unicode()),
            _ => line.push(character),
        }
    }
    line
}

/// Returns whether a character is invisible and changes the display of others (Unicode's bidirectional and
/// other format controls).
pub fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    )
}
