//! The shapes of a file field, and where in its JSON text the files stand: a URL; an object of name -> URL or
//! of name -> object with `url`; an object with `url`; or a list of those.
//!
//! The text is read once. Functions call each other at most five deep, whatever the text is: lists within
//! lists are counted.

use std::borrow::Cow;
use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::ops::Range;

use crate::error::json_text::decode::text_of;
use crate::error::json_text::scan::{Lexeme, Scanner, Token};
use crate::values::file_url::names_a_url;

/// A longer literal is no checksum, in bytes.
const MAX_CHECKSUM: usize = 256;

/// The longest number that is a size, in digits: what a `u64` holds.
const MAX_SIZE: usize = 20;

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Each file once. Of equal keys of an object the last one counts, as for any reader of JSON.
    Files,
    /// Each URL, to be replaced together with its key `url`, which becomes `key`. Of equal keys each one
    /// counts, so that no reader finds a URL that was left.
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
    /// What conversions wrote stays a URL whatever it is now: where these literals begin, and of those in a
    /// file's object also where their keys do; sorted.
    pub(crate) written: &'t [usize],
    /// There is such a field, if only null.
    pub(crate) present: bool,
    /// There is one that holds no file.
    pub(crate) misfit: bool,
}

impl<'t> Shapes<'t> {
    pub(crate) fn new(text: &'t str, wanted: Wanted) -> Self {
        let (scanner, objects) = (Scanner::new(text), vec![FileObject::default()]);
        let (found, removals) = (Vec::new(), Vec::new());
        Shapes { scanner, wanted, found, objects, removals, written: &[], present: false, misfit: false }
    }

    /// Whether a conversion wrote the key or the literal that begins here.
    pub(crate) fn is_written(&self, at: usize) -> bool {
        !self.written.is_empty() && self.written.binary_search(&at).is_ok()
    }

    /// A file field's value, of which the first token was read.
    pub(crate) fn field(&mut self, first: Lexeme) {
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
        let fits =
            self.found.len() > before || empty || children.null_or_object || first.token == Token::Null;
        self.misfit |= !fits;
    }

    /// The object that file fields called `url` are in, of which the bracket was read.
    pub(crate) fn parent(&mut self) {
        self.object(None, Role::Parent);
    }

    fn bare(&mut self, url: Lexeme, name: Option<NonZeroUsize>) -> Children {
        self.found.push(Found { at: url.start, name, object: None });
        Children::default()
    }

    fn list(&mut self, name: Option<NonZeroUsize>) -> Children {
        let mut children = Children::default();
        let mut depth = 1_usize;
        while depth > 0
            && let Some(lexeme) = self.scanner.next()
        {
            if depth == 1 && lexeme.token != Token::End {
                children.see(lexeme.token);
            }
            match lexeme.token {
                Token::List => depth += 1,
                Token::End => depth -= 1,
                Token::Text => drop(self.bare(lexeme, name)),
                Token::Object => drop(self.object(name, Role::Item)),
                Token::Key | Token::Null | Token::Other => {}
            }
        }
        children
    }

    /// An object with a `url` is a file. One without holds files by name: objects with a `url`, lists of
    /// them, or (where it isn't an item of a list, whose objects may be files with texts of other meaning)
    /// bare URLs.
    fn object(&mut self, name: Option<NonZeroUsize>, role: Role) -> Children {
        let mut children = Children::default();
        let mut open = Open::new(name, role, self);
        self.objects.push(FileObject::default());
        while let Some((key, value)) = self.scanner.entry() {
            children.see(value.token);
            self.entry(&mut open, key, value);
        }
        match open.is_file(self.wanted) {
            true => self.close_file(open),
            false => self.close_names(open),
        }
        children
    }

    fn entry(&mut self, open: &mut Open<'t>, key: Lexeme, value: Lexeme) {
        let (role, called) = (open.role, plain(self.scanner.text(key)));
        let (is_url, key_at) = (called == "url" || self.is_written(key.start), NonZeroUsize::new(key.start));
        open.has_url |= is_url && value.token != Token::Object;
        open.only_urls = open.only_urls && (role != Role::Item || self.is_url(&called, value));
        open.this.see(&called, value);
        match value.token {
            Token::Text if is_url && self.wanted != Wanted::Files => {
                self.found.push(Found {
                    at: key.start,
                    name: open.name,
                    object: NonZeroUsize::new(open.slot),
                });
                self.present |= role == Role::Parent;
                open.has_own = true;
            }
            Token::Text if role == Role::Field || (role == Role::Item && open.only_urls) => {
                _ = self.bare(value, key_at);
            }
            Token::List if role == Role::Field => drop(self.list(key_at)),
            Token::Object if matches!(role, Role::Field | Role::Item) => {
                _ = self.object(key_at, Role::Entry);
            }
            _ if role == Role::Parent && is_url => self.field(value),
            _ => self.scanner.skip(value),
        }
        match self.wanted {
            Wanted::Urls { key: "url" } => {}
            Wanted::Urls { key: new } => {
                open.replaced.see(called == new && !is_url, key.start..self.scanner.position())
            }
            Wanted::Files if role == Role::Entry => {}
            Wanted::Files => open.keys.push((called, key_at)),
        }
    }

    fn close_file(&mut self, open: Open<'t>) {
        let Open { mut this, slot, .. } = open;
        if self.wanted == Wanted::Files {
            self.found.truncate(open.found);
            self.found.push(Found { at: 0, name: open.name, object: NonZeroUsize::new(slot) });
        } else if open.role != Role::Parent {
            // What looked like names beside the `url` is something else.
            self.keep(open.found, |found| found.object.is_some_and(|object| object.get() == slot));
            self.removals.truncate(open.removals);
        }
        if open.role != Role::Parent {
            self.objects.truncate(slot + 1);
        }
        let first = self.removals.len();
        self.removals.extend(open.replaced.places());
        this.removals = first..self.removals.len();
        if let Some(object) = self.objects.get_mut(slot) {
            *object = this;
        }
    }

    fn close_names(&mut self, open: Open<'t>) {
        if !open.only_urls {
            self.keep(open.found, |found| found.object.is_some());
        }
        let earlier = superseded(&open.keys);
        if !earlier.is_empty() {
            self.keep(open.found, |found| !earlier.contains(&found.name));
        }
        if self.objects.len() == open.slot + 1 {
            self.objects.pop();
        }
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

    /// Whether an entry of a list's object can be name -> URL: all that it holds tells, since nothing else
    /// does.
    fn is_url(&self, key: &str, value: Lexeme) -> bool {
        match value.token {
            Token::Null => true,
            Token::Text if self.is_written(value.start) => true,
            Token::Text => text_of(self.scanner.text(value)).is_some_and(|text| names_a_url(key, &text)),
            _ => false,
        }
    }
}

/// An object that is being read.
struct Open<'t> {
    name: Option<NonZeroUsize>,
    role: Role,
    /// Its place in [`Shapes::objects`], and how much was found before it.
    slot: usize,
    found: usize,
    removals: usize,
    this: FileObject,
    replaced: Replaced,
    /// It has a `url` that isn't an object.
    has_url: bool,
    /// One of those was found to be a URL.
    has_own: bool,
    /// All that it holds can be name -> URL.
    only_urls: bool,
    keys: Vec<(Cow<'t, str>, Option<NonZeroUsize>)>,
}

impl<'t> Open<'t> {
    fn new(name: Option<NonZeroUsize>, role: Role, shapes: &Shapes<'t>) -> Self {
        Open {
            name,
            role,
            slot: shapes.objects.len(),
            found: shapes.found.len(),
            removals: shapes.removals.len(),
            this: FileObject::default(),
            replaced: Replaced::default(),
            has_url: false,
            has_own: false,
            only_urls: true,
            keys: Vec::new(),
        }
    }

    fn is_file(&self, wanted: Wanted) -> bool {
        match wanted {
            Wanted::Files => self.this.url.is_some() || self.this.path.is_some(),
            Wanted::Urls { .. } if self.role == Role::Parent => self.has_own,
            Wanted::Urls { .. } => self.has_url,
        }
    }
}

impl FileObject {
    fn see(&mut self, key: &str, value: Lexeme) {
        let text = || NonZeroUsize::new(value.start).filter(|_| value.token == Token::Text);
        match key {
            "url" => self.url = text(),
            "path" => self.path = text(),
            "size" => {
                let is_number = value.token == Token::Other && value.end - value.start <= MAX_SIZE;
                self.size = NonZeroUsize::new(value.start).filter(|_| is_number);
            }
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
    scanner.next().map(|lexeme| scanner.text(lexeme))
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
