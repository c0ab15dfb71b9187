//! Finds the calls of each function.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::visit::Visit;
use syn::{
    Block, Expr, ExprCall, ExprClosure, ExprMethodCall, ImplItem, Item, Macro, Pat, ReturnType, Token,
    TraitItem, Type,
};
use syn::{Signature, Stmt, Visibility};

use super::built::is_built;
use super::modules::SourceFile;

/// A function or macro of the crate, with the names that it calls.
#[derive(Default)]
pub struct Function {
    /// The type, if it is a method.
    pub owner: Option<String>,
    pub name: String,
    pub file: String,
    pub public: bool,
    /// It can be called only in its own file, or through a trait.
    pub private: bool,
    /// The operations that it calls directly.
    pub operations: BTreeSet<String>,
    /// Its calls, by name as written in the code.
    pub calls: BTreeSet<Called>,
    /// The types in its return type.
    pub returns: BTreeSet<String>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Called {
    /// `f(..)`, `module::f(..)`.
    Free(String),
    /// `Type::f(..)`.
    Of(String, String),
    /// `self.f(..)`.
    Own(String),
    /// `anything.f(..)`.
    Method(String),
    /// `f!(..)`.
    Macro(String),
}

#[derive(Default)]
pub struct Functions {
    pub all: Vec<Function>,
    /// The crate's own types, and whether they are declared `pub`.
    pub types: BTreeMap<String, bool>,
}

impl Functions {
    /// Adds the functions of a file. Names in `operations` count as operations.
    pub fn add(&mut self, file: &SourceFile, operations: &BTreeSet<&str>) {
        self.add_items(&file.name, &file.items, operations);
    }

    fn add_items(&mut self, file: &str, items: &[Item], operations: &BTreeSet<&str>) {
        for item in items {
            match item {
                Item::Fn(item) => {
                    self.add_function(file, None, &item.vis, &item.sig, &item.block, operations)
                }
                Item::Impl(block) => {
                    let owner = type_name(&block.self_ty);
                    for member in &block.items {
                        if let ImplItem::Fn(method) = member {
                            self.add_function(
                                file,
                                owner.clone(),
                                &method.vis,
                                &method.sig,
                                &method.block,
                                operations,
                            );
                        }
                    }
                }
                Item::Trait(item) => {
                    for member in &item.items {
                        if let TraitItem::Fn(method) = member
                            && let Some(block) = &method.default
                        {
                            let owner = Some(item.ident.to_string());
                            self.add_function(
                                file,
                                owner,
                                &Visibility::Inherited,
                                &method.sig,
                                block,
                                operations,
                            );
                        }
                    }
                }
                Item::Mod(module) => {
                    if let Some((_, items)) = &module.content {
                        self.add_items(file, items, operations);
                    }
                }
                Item::Macro(item) => {
                    let Some(name) = &item.ident else { continue };
                    let mut reader = Reader::new(operations);
                    reader.read_tokens(item.mac.tokens.clone());
                    let name = format!("{name}!");
                    self.all.push(Function { name, file: file.to_owned(), ..reader.function });
                }
                Item::Struct(item) => self.add_type(&item.ident, &item.vis),
                Item::Enum(item) => self.add_type(&item.ident, &item.vis),
                _ => {}
            }
        }
    }

    fn add_type(&mut self, name: &Ident, visibility: &Visibility) {
        self.types.insert(name.to_string(), matches!(visibility, Visibility::Public(_)));
    }

    fn add_function(
        &mut self,
        file: &str,
        owner: Option<String>,
        visibility: &Visibility,
        signature: &Signature,
        block: &Block,
        operations: &BTreeSet<&str>,
    ) {
        let mut reader = Reader::new(operations);
        reader.visit_block(block);
        let mut returns = Types::default();
        if let ReturnType::Type(_, returned) = &signature.output {
            returns.visit_type(returned);
        }
        self.all.push(Function {
            owner,
            name: signature.ident.to_string(),
            file: file.to_owned(),
            public: matches!(visibility, Visibility::Public(_)),
            private: matches!(visibility, Visibility::Inherited),
            returns: returns.0,
            ..reader.function
        });
    }

    /// Returns the indices of the functions of each name.
    pub fn by_name(&self) -> BTreeMap<&str, Vec<usize>> {
        let mut names: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (index, function) in self.all.iter().enumerate() {
            names.entry(&function.name).or_default().push(index);
        }
        names
    }
}

/// Returns `Engine` for `Engine<'a>`, `module::Engine` or `&Engine`.
fn type_name(of: &Type) -> Option<String> {
    match of {
        Type::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
        Type::Reference(reference) => type_name(&reference.elem),
        _ => None,
    }
}

/// Collects every named type.
#[derive(Default)]
struct Types(BTreeSet<String>);

impl<'ast> Visit<'ast> for Types {
    fn visit_path_segment(&mut self, segment: &'ast syn::PathSegment) {
        self.0.insert(segment.ident.to_string());
        syn::visit::visit_path_segment(self, segment);
    }
}

/// Reads a function's body.
struct Reader<'a> {
    known: &'a BTreeSet<&'a str>,
    /// Parameters of the enclosing closures.
    parameters: Vec<String>,
    function: Function,
}

impl<'a> Reader<'a> {
    fn new(known: &'a BTreeSet<&'a str>) -> Self {
        Reader { known, parameters: Vec::new(), function: Function::default() }
    }

    /// Reads a macro's tokens as expressions or statements if possible. Otherwise searches them for
    /// `raw.operation(`.
    fn read_tokens(&mut self, tokens: TokenStream) {
        if let Ok(expressions) = Punctuated::<Expr, Token![,]>::parse_terminated.parse2(tokens.clone()) {
            expressions.iter().for_each(|expression| self.visit_expr(expression));
        } else if let Ok(statements) = Block::parse_within.parse2(tokens.clone()) {
            statements.iter().for_each(|statement: &Stmt| self.visit_stmt(statement));
        } else {
            self.scan(tokens);
        }
    }

    fn scan(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        for (index, tree) in tokens.iter().enumerate() {
            let TokenTree::Group(group) = tree else { continue };
            self.scan(group.stream());
            if group.delimiter() != Delimiter::Parenthesis {
                continue;
            }
            let Some([TokenTree::Ident(receiver), TokenTree::Punct(dot), TokenTree::Ident(name)]) =
                index.checked_sub(3).and_then(|from| tokens.get(from..index))
            else {
                continue;
            };
            if receiver == "raw" && dot.as_char() == '.' {
                self.operation(&name.to_string());
            }
        }
    }

    /// Records `name` if it is an operation. Returns whether it is.
    fn operation(&mut self, name: &str) -> bool {
        let name = name.trim_start_matches("r#");
        let known = self.known.contains(name);
        if known {
            self.function.operations.insert(name.to_owned());
        }
        known
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_expr_closure(&mut self, closure: &'ast ExprClosure) {
        let before = self.parameters.len();
        self.parameters.extend(closure.inputs.iter().filter_map(|pattern| match pattern {
            Pat::Ident(name) => Some(name.ident.to_string()),
            Pat::Type(typed) => match &*typed.pat {
                Pat::Ident(name) => Some(name.ident.to_string()),
                _ => None,
            },
            _ => None,
        }));
        syn::visit::visit_expr_closure(self, closure);
        self.parameters.truncate(before);
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        let name = call.method.to_string();
        let receiver = match &*call.receiver {
            Expr::Path(path) => path.path.get_ident().map(ToString::to_string),
            _ => None,
        };
        let of_closure = receiver.as_ref().is_some_and(|receiver| self.parameters.contains(receiver));
        if !(of_closure && self.operation(&name)) {
            let own = receiver.as_deref() == Some("self");
            self.function.calls.insert(if own { Called::Own(name) } else { Called::Method(name) });
        }
        syn::visit::visit_expr_method_call(self, call);
    }

    fn visit_expr_call(&mut self, call: &'ast ExprCall) {
        if let Expr::Path(path) = &*call.func {
            let mut segments = path.path.segments.iter().rev().map(|segment| segment.ident.to_string());
            if let Some(name) = segments.next() {
                let called = match segments.next() {
                    Some(owner) if owner.starts_with(char::is_uppercase) => Called::Of(owner, name),
                    _ => Called::Free(name),
                };
                self.function.calls.insert(called);
            }
        }
        syn::visit::visit_expr_call(self, call);
    }

    fn visit_macro(&mut self, called: &'ast Macro) {
        if let Some(name) = called.path.segments.last() {
            self.function.calls.insert(Called::Macro(format!("{}!", name.ident)));
        }
        self.read_tokens(called.tokens.clone());
    }

    /// Skips items within a macro's tokens that aren't built.
    fn visit_item(&mut self, item: &'ast Item) {
        if is_built(item) {
            syn::visit::visit_item(self, item);
        }
    }
}
