//! The shapes of a file field, and the positions of the files in its JSON text. The field is a URL; an object
//! of name -> URL or of name -> object with `url`; an object with `url`; or a list of those.
//!
//! The text is read once. The call depth is at most five, whatever the text: the depth of nested lists is
//! counted instead of recursed into.

use std::borrow::Cow;
use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::ops::Range;

use crate::error::json_text::decode::text_of;
use crate::error::json_text::members::name;
use crate::error::json_text::scan::{Lexeme, Scanner, Token};
use crate::values::file_url::names_a_url;

/// The maximum length of a checksum's literal, in bytes.
const MAX_CHECKSUM: usize = 256;

/// The maximum number of digits of a size: those of a `u64`.
const MAX_SIZE: usize = 20;

/// What the search returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Each file once. If a key is repeated in an object, the last value counts, as for any JSON reader.
    Files,
    /// Each URL, to be replaced together with its key `url`, which becomes `key`. If a key is repeated, each
    /// value counts, so that no reader finds an unreplaced URL.
    Urls { key: &'static str },
}

/// A file or a URL. Offsets are in bytes, from the beginning of the text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    /// The start of the URL's literal; for a URL in a file's object, of the key `url` before it.
    pub(crate) at: usize,
    /// The start of the key that names it.
    pub(crate) name: Option<NonZeroUsize>,
    /// The index of its object in [`Shapes::objects`].
    pub(crate) object: Option<NonZeroUsize>,
}

/// The fields of a file's object, each as the start of its literal. If a key is repeated, the last value
/// counts.
#[derive(Debug, Clone, Default)]
pub(crate) struct FileObject {
    pub(crate) url: Option<NonZeroUsize>,
    pub(crate) path: Option<NonZeroUsize>,
    pub(crate) size: Option<NonZeroUsize>,
    pub(crate) checksum: Option<NonZeroUsize>,
    /// The range in [`Shapes::removals`] of the object's entries that the new key replaces.
    pub(crate) removals: Range<usize>,
}

/// The role of an object in a file field.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// The field itself.
    Field,
    /// An item of a list.
    Item,
    /// An entry of a `Field` or an `Item`.
    Entry,
    /// The object that contains the field, which is named `url`.
    Parent,
}

/// What a list or an object contains directly.
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

/// A search in one text.
pub(crate) struct Shapes<'t> {
    pub(crate) scanner: Scanner<'t>,
    pub(crate) wanted: Wanted,
    pub(crate) found: Vec<Found>,
    /// Index 0 is a placeholder, not an object.
    pub(crate) objects: Vec<FileObject>,
    pub(crate) removals: Vec<Range<usize>>,
    /// Literals that conversions wrote count as URLs, whatever their text. These are the starts of the
    /// literals and, for those in a file's object, also of their keys; sorted.
    pub(crate) written: &'t [usize],
    /// The field exists, possibly as null.
    pub(crate) present: bool,
    /// A field holds no file.
    pub(crate) misfit: bool,
}

impl<'t> Shapes<'t> {
    pub(crate) fn new(text: &'t str, wanted: Wanted) -> Self {
        let (scanner, objects) = (Scanner::new(text), vec![FileObject::default()]);
        let (found, removals) = (Vec::new(), Vec::new());
        Shapes { scanner, wanted, found, objects, removals, written: &[], present: false, misfit: false }
    }

    /// Returns whether a conversion wrote the key or the literal that starts at `at`.
    pub(crate) fn is_written(&self, at: usize) -> bool {
        !self.written.is_empty() && self.written.binary_search(&at).is_ok()
    }

    /// Reads a file field's value, whose first token is `first`.
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
        // A file without a URL still fits.
        let fits =
            self.found.len() > before || empty || children.null_or_object || first.token == Token::Null;
        self.misfit |= !fits;
    }

    /// Reads the object that contains file fields named `url`; its bracket is already read.
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

    /// Reads an object. With a `url`, it is a file. Without, it holds files by name: objects with a `url`,
    /// lists of them, or bare URLs. In an item of a list, bare URLs only count if all entries look like URLs,
    /// since such an object may be a file whose strings have other meanings.
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
        let (role, called) = (open.role, name(self.scanner.text(key)));
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
            // Entries that look like names are something else if the object has a `url`.
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

    /// Removes the entries found since `since` for which `kept` returns false.
    fn keep(&mut self, since: usize, kept: impl Fn(&Found) -> bool) {
        // `retain` would also visit all earlier entries.
        let mut end = since;
        for index in since..self.found.len() {
            if kept(&self.found[index]) {
                self.found.swap(end, index);
                end += 1;
            }
        }
        self.found.truncate(end);
    }

    /// Returns whether an entry of an object in a list may be name -> URL. The object only counts as name ->
    /// URL if all of its entries may be, since nothing else identifies it.
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
    /// Its index in [`Shapes::objects`], and the number of entries found before it.
    slot: usize,
    found: usize,
    removals: usize,
    this: FileObject,
    replaced: Replaced,
    /// It has a `url` that isn't an object.
    has_url: bool,
    /// One of those was found to be a URL.
    has_own: bool,
    /// All of its entries may be name -> URL.
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

    /// Returns the size in bytes.
    pub(crate) fn size(&self, text: &str) -> Option<u64> {
        literal(text, self.size)?.parse().ok()
    }

    /// Returns the checksum.
    pub(crate) fn checksum<'t>(&self, text: &'t str) -> Option<Cow<'t, str>> {
        text_of(literal(text, self.checksum)?)
    }
}

/// Returns the literal that starts at `at` in `text`.
pub(crate) fn literal(text: &str, at: Option<NonZeroUsize>) -> Option<&str> {
    let mut scanner = Scanner::from(text, at?.get());
    scanner.next().map(|lexeme| scanner.text(lexeme))
}

/// Returns the keys that are repeated later in the same object.
fn superseded(keys: &[(Cow<'_, str>, Option<NonZeroUsize>)]) -> HashSet<Option<NonZeroUsize>> {
    let mut later = HashSet::new();
    let earlier = keys.iter().rev().filter(|(key, _)| keys.len() > 1 && !later.insert(key));
    earlier.map(|(_, at)| *at).collect()
}

/// The entries of an object to remove, with the adjacent commas.
#[derive(Default)]
struct Replaced {
    places: Vec<Range<usize>>,
    /// Entries to remove that no kept entry follows so far.
    open: Option<Range<usize>>,
    /// The end of the last kept entry.
    kept: Option<usize>,
}

impl Replaced {
    /// Adds the next entry; `goes` is whether it is removed.
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
        // The last range includes the comma before it.
        self.places.extend(self.open.map(|open| self.kept.unwrap_or(open.start)..open.end));
        self.places
    }
}
