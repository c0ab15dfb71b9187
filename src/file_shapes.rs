//! The shapes of a file field, and where in its JSON text the files stand: a URL; an object of name -> URL or of name -> object
//! with `url`; an object with `url`; or a list of those.
//!
//! The text is read once. Functions call each other at most five deep, whatever the text is: lists within lists are counted.

use std::borrow::Cow;
use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::ops::Range;

use crate::decode::text_of;
use crate::file_url::names_a_url;
use crate::json::scan::{Piece, Scanner, Token};

/// A longer literal is no checksum, in bytes.
const MAX_CHECKSUM: usize = 256;

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Each file once. Of equal keys of an object the last one counts, as for any reader of JSON.
    Files,
    /// Each URL, to be replaced together with its key `url`, which becomes `key`. Of equal keys each one counts, so that no
    /// reader finds a URL that was left.
    Urls { key: &'static str },
}

/// A file or a URL. Offsets are in bytes, from the beginning of the text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    /// The URL's literal; of one in a file's object the key `url` before it.
    pub(crate) at: usize,
    /// The key that names it.
    pub(crate) name: Option<NonZeroUsize>,
    /// Its object, by its place in [`Shapes::objects`].
    pub(crate) object: Option<NonZeroUsize>,
}

/// What a file's object says; of equal keys the last one counts. All are where the literals begin.
#[derive(Debug, Clone, Default)]
pub(crate) struct FileObject {
    pub(crate) url: Option<NonZeroUsize>,
    pub(crate) path: Option<NonZeroUsize>,
    pub(crate) size: Option<NonZeroUsize>,
    pub(crate) checksum: Option<NonZeroUsize>,
    /// Where in [`Shapes::removals`] its entries are that the new key takes the place of.
    pub(crate) removals: Range<usize>,
}

/// Which object it is, of those that a file field may have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// The field itself.
    Field,
    /// An item of a list.
    Item,
    /// An entry of one of those two.
    Entry,
    /// The one that the field is in, which is called `url`.
    Parent,
}

/// What a list or an object holds directly.
#[derive(Default)]
struct Children {
    any: bool,
    null_or_object: bool,
}

impl Children {
    fn see(&mut self, token: Token) {
        self.any = true;
        self.null_or_object |= matches!(token, Token::Null | Token::Object);
    }
}

/// A search through one text.
pub(crate) struct Shapes<'t> {
    pub(crate) scanner: Scanner<'t>,
    pub(crate) wanted: Wanted,
    pub(crate) found: Vec<Found>,
    /// The first one is no object.
    pub(crate) objects: Vec<FileObject>,
    pub(crate) removals: Vec<Range<usize>>,
    /// There is such a field, if only null.
    pub(crate) present: bool,
    /// There is one that holds no file.
    pub(crate) misfit: bool,
}

impl<'t> Shapes<'t> {
    pub(crate) fn new(text: &'t str, wanted: Wanted) -> Self {
        let (scanner, objects) = (Scanner::new(text), vec![FileObject::default()]);
        Shapes { scanner, wanted, found: Vec::new(), objects, removals: Vec::new(), present: false, misfit: false }
    }

    /// A file field's value, of which the first token was read.
    pub(crate) fn field(&mut self, first: Piece) {
        let before = self.found.len();
        let children = match first.token {
            Token::Text => self.bare(first, None),
            Token::List => self.list(None),
            Token::Object => self.object(None, Role::Field),
            _ => Children::default(),
        };
        self.present = true;
        let empty = matches!(first.token, Token::List | Token::Object) && !children.any;
        // A file without a URL is one all the same.
        let fits = self.found.len() > before || empty || children.null_or_object || first.token == Token::Null;
        self.misfit |= !fits;
    }

    /// The object that file fields called `url` are in, of which the bracket was read.
    pub(crate) fn parent(&mut self) {
        self.object(None, Role::Parent);
    }

    fn bare(&mut self, url: Piece, name: Option<NonZeroUsize>) -> Children {
        self.found.push(Found { at: url.start, name, object: None });
        Children::default()
    }

    fn list(&mut self, name: Option<NonZeroUsize>) -> Children {
        let mut children = Children::default();
        let mut depth = 1_usize;
        while depth > 0
            && let Some(piece) = self.scanner.next()
        {
            if depth == 1 && piece.token != Token::End {
                children.see(piece.token);
            }
            match piece.token {
                Token::List => depth += 1,
                Token::End => depth -= 1,
                Token::Text => drop(self.bare(piece, name)),
                Token::Object => drop(self.object(name, Role::Item)),
                Token::Key | Token::Null | Token::Other => {}
            }
        }
        children
    }

    /// An object with a `url` is a file. One without holds files by name: objects with a `url`, lists of them, or (where it
    /// isn't an item of a list, whose objects may be files with texts of other meaning) bare URLs.
    fn object(&mut self, name: Option<NonZeroUsize>, role: Role) -> Children {
        let (found, removals, slot) = (self.found.len(), self.removals.len(), self.objects.len());
        self.objects.push(FileObject::default());
        let (mut this, mut replaced) = (FileObject::default(), Replaced::default());
        let (mut has_url, mut has_own, mut only_urls) = (false, false, true);
        let (mut keys, mut children) = (Vec::new(), Children::default());
        while let Some((key, value)) = self.scanner.entry() {
            children.see(value.token);
            let called = plain(self.scanner.text(key));
            let is_url = called == "url";
            has_url |= is_url && value.token != Token::Object;
            only_urls = only_urls && (role != Role::Item || self.is_url(&called, value));
            this.see(&called, value);
            let key_at = NonZeroUsize::new(key.start);
            match value.token {
                Token::Text if is_url && self.wanted != Wanted::Files => {
                    self.found.push(Found { at: key.start, name, object: NonZeroUsize::new(slot) });
                    self.present |= role == Role::Parent;
                    has_own = true;
                }
                Token::Text if role == Role::Field || (role == Role::Item && only_urls) => drop(self.bare(value, key_at)),
                Token::List if role == Role::Field => drop(self.list(key_at)),
                Token::Object if matches!(role, Role::Field | Role::Item) => drop(self.object(key_at, Role::Entry)),
                _ if role == Role::Parent && is_url => self.field(value),
                _ => self.scanner.skip(value),
            }
            if let Wanted::Urls { key: new } = self.wanted {
                replaced.see(new != "url" && called == new, key.start..self.scanner.position());
            } else if role != Role::Entry {
                keys.push((called, key_at));
            }
        }
        let is_file = match self.wanted {
            Wanted::Files => this.url.is_some() || this.path.is_some(),
            Wanted::Urls { .. } => {
                if role == Role::Parent {
                    has_own
                } else {
                    has_url
                }
            }
        };
        match self.wanted {
            Wanted::Files if is_file => {
                self.found.truncate(found);
                self.found.push(Found { at: 0, name, object: NonZeroUsize::new(slot) });
            }
            Wanted::Urls { .. } if is_file && role != Role::Parent => {
                // What looked like names beside a `url` is something else.
                self.keep(found, |found| found.object.is_some_and(|object| object.get() == slot));
                self.removals.truncate(removals);
            }
            _ if !only_urls => self.keep(found, |found| found.object.is_some()),
            _ => {}
        }
        if is_file {
            let first = self.removals.len();
            self.removals.extend(replaced.places());
            this.removals = first..self.removals.len();
            if role != Role::Parent {
                self.objects.truncate(slot + 1);
            }
            if let Some(object) = self.objects.get_mut(slot) {
                *object = this;
            }
        } else {
            let earlier = superseded(&keys);
            if !earlier.is_empty() {
                self.keep(found, |found| !earlier.contains(&found.name));
            }
            if self.objects.len() == slot + 1 {
                self.objects.pop();
            }
        }
        children
    }

    /// Of all that was found since, what `kept` says.
    fn keep(&mut self, since: usize, kept: impl Fn(&Found) -> bool) {
        // Not `retain`, which would go through all that was found before, too.
        let mut end = since;
        for index in since..self.found.len() {
            if kept(&self.found[index]) {
                self.found.swap(end, index);
                end += 1;
            }
        }
        self.found.truncate(end);
    }

    /// Whether an entry of a list's object can be name -> URL: all that it holds tells, since nothing else does.
    fn is_url(&self, key: &str, value: Piece) -> bool {
        match value.token {
            Token::Null => true,
            Token::Text => text_of(self.scanner.text(value)).is_some_and(|text| names_a_url(key, &text)),
            _ => false,
        }
    }
}

impl FileObject {
    fn see(&mut self, key: &str, value: Piece) {
        let text = || NonZeroUsize::new(value.start).filter(|_| value.token == Token::Text);
        match key {
            "url" => self.url = text(),
            "path" => self.path = text(),
            "size" => self.size = NonZeroUsize::new(value.start).filter(|_| value.token == Token::Other),
            "checksum" => self.checksum = text().filter(|_| value.end - value.start <= MAX_CHECKSUM),
            _ => {}
        }
    }

    /// Its size in bytes.
    pub(crate) fn size(&self, text: &str) -> Option<u64> {
        literal(text, self.size)?.parse().ok()
    }

    /// Its checksum.
    pub(crate) fn checksum<'t>(&self, text: &'t str) -> Option<Cow<'t, str>> {
        text_of(literal(text, self.checksum)?)
    }
}

/// The literal that begins at a place of `text`.
pub(crate) fn literal(text: &str, at: Option<NonZeroUsize>) -> Option<&str> {
    let mut scanner = Scanner::from(text, at?.get());
    scanner.next().map(|piece| scanner.text(piece))
}

/// A key without its quotes and escapes.
pub(crate) fn plain(literal: &str) -> Cow<'_, str> {
    match literal.contains('\\') {
        false => Cow::Borrowed(literal.get(1..literal.len().saturating_sub(1)).unwrap_or_default()),
        true => text_of(literal).unwrap_or_default(),
    }
}

/// The keys that come again later in the same object.
fn superseded(keys: &[(Cow<'_, str>, Option<NonZeroUsize>)]) -> HashSet<Option<NonZeroUsize>> {
    let mut later = HashSet::new();
    let earlier = keys.iter().rev().filter(|(key, _)| keys.len() > 1 && !later.insert(key));
    earlier.map(|(_, at)| *at).collect()
}

/// Entries of an object that are to go, with the commas beside them.
#[derive(Default)]
struct Replaced {
    places: Vec<Range<usize>>,
    /// Those without an entry behind them so far.
    open: Option<Range<usize>>,
    /// Where the last one ends that stays.
    kept: Option<usize>,
}

impl Replaced {
    /// The next entry, and whether it is to go.
    fn see(&mut self, goes: bool, entry: Range<usize>) {
        match (goes, self.open.take()) {
            (true, Some(open)) => self.open = Some(open.start..entry.end),
            (true, None) => self.open = Some(entry),
            (false, open) => {
                self.kept = Some(entry.end);
                self.places.extend(open.map(|open| open.start..entry.start));
            }
        }
    }

    fn places(mut self) -> Vec<Range<usize>> {
        // Of the last one, the comma before it.
        self.places.extend(self.open.map(|open| self.kept.unwrap_or(open.start)..open.end));
        self.places
    }
}
