//! Finds the URLs of a file field in a response's JSON text.

use std::num::NonZeroUsize;

use crate::error::json_text::members::name;
use crate::error::json_text::scan::{Lexeme, Scanner, Token};
use crate::url_conversion::{ItemsPath, PageItems};
use crate::values::file_shapes::Shapes;

/// Calls `item` with the first token of each item of a response: the response itself, or each element of the list at
/// the path in `items`.
///
/// `item` must read the item to its end.
pub(super) fn each_item<'t>(
    text: &str,
    shapes: &mut Shapes<'t>,
    items: ItemsPath,
    mut item: impl FnMut(&mut Shapes<'t>, Lexeme),
) {
    let Some(first) = shapes.scanner.next() else { return };
    let Some(PageItems { path, or_array, or_item }) = items else { return item(shapes, first) };
    match first.token {
        _ if path.is_empty() => in_list(shapes, first, &mut item),
        Token::List if or_array => in_list(shapes, first, &mut item),
        Token::Object if or_item && value_start(text, first, path).is_none() => item(shapes, first),
        _ => in_object(shapes, first, path, &mut item),
    }
}

type EachItem<'i, 't> = &'i mut dyn FnMut(&mut Shapes<'t>, Lexeme);

fn in_list<'t>(shapes: &mut Shapes<'t>, list: Lexeme, item: EachItem<'_, 't>) {
    if list.token != Token::List {
        shapes.scanner.skip(list);
        return;
    }
    while let Some(first) = shapes.scanner.next().filter(|lexeme| lexeme.token != Token::End) {
        item(shapes, first);
    }
}

/// It is called once for each name of the path at most, so deep texts don't matter.
fn in_object<'t>(shapes: &mut Shapes<'t>, object: Lexeme, path: &str, item: EachItem<'_, 't>) {
    if object.token != Token::Object {
        shapes.scanner.skip(object);
        return;
    }
    while let Some((key, value)) = shapes.scanner.entry() {
        let key = name(shapes.scanner.text(key));
        match path.strip_prefix(&*key) {
            Some("") => in_list(shapes, value, item),
            Some(rest) if rest.starts_with('.') => in_object(shapes, value, &rest[1..], item),
            _ => shapes.scanner.skip(value),
        }
    }
}

/// Returns where the literal of an item's `id` begins, if the item is an object with an `id`.
pub(super) fn id_of(text: &str, item: Lexeme) -> Option<NonZeroUsize> {
    value_start(text, item, "id")
}

/// Returns where the value of an object's field begins.
fn value_start(text: &str, item: Lexeme, field: &str) -> Option<NonZeroUsize> {
    let mut scanner = Scanner::from(text, item.start);
    scanner.next().filter(|first| first.token == Token::Object)?;
    while let Some((key, value)) = scanner.entry() {
        if name(scanner.text(key)) == field {
            return NonZeroUsize::new(value.start);
        }
        scanner.skip(value);
    }
    None
}

/// What contains a value on the path to the field, and the index of the next name on the path.
enum Nesting {
    /// Nested lists, each of which is searched: their number, and whether the innermost is empty so far.
    Lists {
        depth: usize,
        empty: bool,
        next: usize,
    },
    /// A list from which one element is selected: the number of elements before it.
    Nth {
        before: Option<usize>,
        next: usize,
    },
    Object {
        next: usize,
    },
}

/// What to do with the next value of a level.
enum NextValue {
    /// The value is on the path.
    Into(Lexeme, usize),
    /// The value is not on the path.
    Past(Lexeme),
    Stay,
    /// The level has ended.
    Out,
}

/// Searches items for a dotted path. Lists on the path are searched element by element, or a number in the
/// path selects one element.
pub(super) struct Search<'p> {
    names: Vec<&'p str>,
    /// Each level uses up one of the names, except nested lists, which are counted in one level: there are
    /// never more than twice as many levels as names.
    levels: Vec<Nesting>,
}

impl<'p> Search<'p> {
    pub(super) fn new(path: &'p str) -> Self {
        Search { names: path.split('.').collect(), levels: Vec::new() }
    }

    /// Searches an item, and reads it to its end.
    pub(super) fn read(&mut self, shapes: &mut Shapes<'_>, item: Lexeme) {
        let mut step = NextValue::Into(item, 0);
        loop {
            match step {
                NextValue::Into(value, next) => self.levels.extend(enter(shapes, value, &self.names, next)),
                NextValue::Past(value) => shapes.scanner.skip(value),
                NextValue::Stay => {}
                NextValue::Out => drop(self.levels.pop()),
            }
            let Some(level) = self.levels.last_mut() else { return };
            step = level.step(shapes, &self.names);
        }
    }
}

/// Enters a value on the path; the names from `next` on are still to be found. Returns the level of its
/// content.
fn enter(shapes: &mut Shapes<'_>, value: Lexeme, names: &[&str], next: usize) -> Option<Nesting> {
    let Some(name) = names.get(next) else {
        shapes.field(value);
        return None;
    };
    match value.token {
        Token::List => Some(match name.parse() {
            Ok(number) => Nesting::Nth { before: Some(number), next: next + 1 },
            Err(_) => Nesting::Lists { depth: 1, empty: true, next },
        }),
        Token::Object if *name == "url" && next + 1 == names.len() => {
            shapes.parent();
            None
        }
        Token::Object => Some(Nesting::Object { next }),
        Token::Null => {
            shapes.present = true;
            None
        }
        _ => None,
    }
}

impl Nesting {
    fn step(&mut self, shapes: &mut Shapes<'_>, names: &[&str]) -> NextValue {
        match self {
            Nesting::Lists { depth, empty, next } => match shapes.scanner.next() {
                Some(Lexeme { token: Token::List, .. }) => {
                    (*depth, *empty) = (*depth + 1, true);
                    NextValue::Stay
                }
                Some(Lexeme { token: Token::End, .. }) => {
                    // It is unknown whether the items of an empty list would have such a field.
                    shapes.present |= *empty;
                    (*depth, *empty) = (*depth - 1, false);
                    if *depth == 0 { NextValue::Out } else { NextValue::Stay }
                }
                Some(value) => {
                    *empty = false;
                    NextValue::Into(value, *next)
                }
                None => NextValue::Out,
            },
            Nesting::Nth { before, next } => {
                let number = *before;
                *before = number.and_then(|number| number.checked_sub(1));
                match shapes.scanner.next() {
                    None | Some(Lexeme { token: Token::End, .. }) => NextValue::Out,
                    Some(value) if number == Some(0) => NextValue::Into(value, *next),
                    Some(value) => NextValue::Past(value),
                }
            }
            Nesting::Object { next } => match shapes.scanner.entry() {
                None => NextValue::Out,
                Some((key, value)) => {
                    let wanted =
                        names.get(*next).is_some_and(|wanted| name(shapes.scanner.text(key)) == *wanted);
                    if wanted { NextValue::Into(value, *next + 1) } else { NextValue::Past(value) }
                }
            },
        }
    }
}
