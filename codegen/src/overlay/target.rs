//! The limits of a target, which is a JSONPath query (RFC 9535). A query can cost far more than the document has
//! values: each `..` in a filter searches everything again for each value, and a parser tries nested filters
//! repeatedly.

/// The longest query, in bytes.
const LONGEST: usize = 1_000;
/// The most parentheses.
const MOST_PARENTHESES: usize = 8;
/// The most combinations of listed selectors: `['a', 'b']['get', 'put']` has four.
const MOST_COMBINATIONS: usize = 16;

/// Returns an error if the cost of a query isn't proportional to the document.
pub(super) fn check(query: &str) -> Result<(), String> {
    if query.len() > LONGEST {
        return Err(format!("it is longer than {LONGEST} bytes"));
    }
    let mut scan = Scan::default();
    let mut before = "";
    for (index, letter) in query.char_indices() {
        if !scan.quoted(letter) {
            scan.take(letter, before)?;
        }
        before = &query[..index + letter.len_utf8()];
    }
    Ok(())
}

#[derive(Default)]
struct Scan {
    /// The mark that ends the current text, and whether the next letter of the text is escaped.
    quote: Option<(char, bool)>,
    brackets: usize,
    /// The brackets around the current filter.
    filter: Option<usize>,
    parentheses: usize,
    descents: usize,
    /// The selectors in the current brackets, and the combinations of all before.
    selectors: usize,
    combinations: usize,
}

impl Scan {
    /// Returns whether a letter is part of a text in quotation marks.
    fn quoted(&mut self, letter: char) -> bool {
        let was_open = self.quote.is_some();
        self.quote = match (self.quote, letter) {
            (Some((_, false)), '\\') => self.quote.map(|(mark, _)| (mark, true)),
            (Some((mark, false)), letter) if letter == mark => None,
            (Some((mark, _)), _) => Some((mark, false)),
            (None, '\'' | '"') => Some((letter, false)),
            (None, _) => None,
        };
        was_open || self.quote.is_some()
    }

    fn take(&mut self, letter: char, before: &str) -> Result<(), String> {
        match letter {
            '[' => {
                self.brackets += 1;
                if self.filter.is_none() {
                    self.selectors = 1;
                }
            }
            ']' => {
                if self.filter.is_none() {
                    self.combinations = self.combinations.max(1) * self.selectors.max(1);
                }
                self.filter = self.filter.filter(|around| *around < self.brackets);
                self.brackets = self.brackets.saturating_sub(1);
            }
            '(' if before.ends_with("match") || before.ends_with("search") => {
                return Err("`match` and `search` aren't supported: compare with `==`".to_owned());
            }
            '(' => self.parentheses += 1,
            '.' if before.ends_with('.') => {
                self.descents += 1;
                if self.descents > 1 || self.filter.is_some() {
                    return Err(
                        "it has `..` twice or in a filter: one outside of filters is supported".to_owned()
                    );
                }
            }
            '*' | '?' | ':' | ',' if self.filter.is_some() => {
                return Err(format!("`{letter}` in a filter isn't supported: compare single values"));
            }
            '?' if self.selectors > 1 => {
                return Err("a filter beside other selectors isn't supported: use several actions".to_owned());
            }
            '?' => self.filter = Some(self.brackets),
            ',' => self.selectors += 1,
            _ => {}
        }
        if self.parentheses > MOST_PARENTHESES {
            return Err(format!("it has more than {MOST_PARENTHESES} parentheses"));
        }
        if self.combinations > MOST_COMBINATIONS || self.selectors > MOST_COMBINATIONS {
            return Err(format!("it lists more than {MOST_COMBINATIONS} selectors: use several actions"));
        }
        Ok(())
    }
}
