//! Removes the code that isn't part of a library build, such as tests.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::parse::{ParseStream, Parser as _};
use syn::punctuated::Punctuated;
use syn::visit_mut::{self, VisitMut};
use syn::{
    Attribute, Block, ExprMatch, ExprStruct, FieldsNamed, Item, ItemEnum, ItemImpl, ItemMod, ItemTrait,
};
use syn::{Meta, Token};

/// Returns whether an item, a statement or a part of them is in a library build. Tests are not. All features
/// count as enabled, and a condition that can't be read counts as true.
pub fn is_built(code: &impl ToTokens) -> bool {
    attributes(code).iter().filter(|attribute| attribute.path().is_ident("cfg")).all(|attribute| {
        let condition = attribute.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
        condition.ok().and_then(|condition| holds(condition.first()?)) != Some(false)
    })
}

/// Removes the parts of an item that aren't in a library build.
pub fn remove_unbuilt(item: &mut Item) {
    Unbuilt.visit_item_mut(item);
}

/// Returns the attributes in front of code.
fn attributes(code: &impl ToTokens) -> Vec<Attribute> {
    let outer = |input: ParseStream<'_>| {
        let attributes = input.call(Attribute::parse_outer)?;
        input.parse::<TokenStream>()?;
        Ok(attributes)
    };
    outer.parse2(code.to_token_stream()).unwrap_or_default()
}

/// Returns whether a condition holds in a build, or `None` if that depends on the build.
fn holds(condition: &Meta) -> Option<bool> {
    match condition {
        Meta::Path(path) if path.is_ident("test") || path.is_ident("doctest") => Some(false),
        Meta::List(list) => {
            let parts = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated).ok()?;
            let mut parts = parts.iter().map(holds);
            if list.path.is_ident("not") {
                parts.next().flatten().map(|holds| !holds)
            } else if list.path.is_ident("all") {
                parts.any(|part| part == Some(false)).then_some(false)
            } else {
                parts.all(|part| part == Some(false)).then_some(false)
            }
        }
        _ => None,
    }
}

/// Removes unbuilt code at any depth.
struct Unbuilt;

impl VisitMut for Unbuilt {
    fn visit_item_mod_mut(&mut self, module: &mut ItemMod) {
        if let Some((_, items)) = &mut module.content {
            items.retain(is_built);
        }
        visit_mut::visit_item_mod_mut(self, module);
    }

    fn visit_item_impl_mut(&mut self, block: &mut ItemImpl) {
        block.items.retain(is_built);
        visit_mut::visit_item_impl_mut(self, block);
    }

    fn visit_item_trait_mut(&mut self, item: &mut ItemTrait) {
        item.items.retain(is_built);
        visit_mut::visit_item_trait_mut(self, item);
    }

    fn visit_item_enum_mut(&mut self, item: &mut ItemEnum) {
        retain_built(&mut item.variants);
        visit_mut::visit_item_enum_mut(self, item);
    }

    fn visit_fields_named_mut(&mut self, fields: &mut FieldsNamed) {
        retain_built(&mut fields.named);
        visit_mut::visit_fields_named_mut(self, fields);
    }

    fn visit_block_mut(&mut self, block: &mut Block) {
        block.stmts.retain(is_built);
        visit_mut::visit_block_mut(self, block);
    }

    fn visit_expr_match_mut(&mut self, expression: &mut ExprMatch) {
        expression.arms.retain(is_built);
        visit_mut::visit_expr_match_mut(self, expression);
    }

    fn visit_expr_struct_mut(&mut self, expression: &mut ExprStruct) {
        retain_built(&mut expression.fields);
        visit_mut::visit_expr_struct_mut(self, expression);
    }
}

fn retain_built<T: ToTokens, P: Default>(list: &mut Punctuated<T, P>) {
    let all = std::mem::take(list);
    *list = all.into_pairs().filter(|pair| is_built(pair.value())).collect();
}

#[cfg(test)]
mod tests {
    use crate::handwritten::modules::SourceFile;

    /// Returns the idents of a file's built code that begin with `x`.
    fn built(text: &str) -> String {
        let file = SourceFile::parse("src/a.rs", vec!["a".to_owned()], text).unwrap();
        let text: String = file.items.iter().map(|item| quote::quote!(#item).to_string() + " ").collect();
        text.split_whitespace().filter(|word| word.starts_with('x')).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn unreadable_conditions_are_built() {
        let text = "#[cfg(unix,)] fn x1() {} #[cfg(1 + 1)] fn x2() {} #[cfg(test,)] fn x3() {}
                    #[cfg(not(test))] fn x4() {} #[cfg(all(unix, test))] fn x5() {}";
        assert_eq!(built(text), "x1 x2 x4");
    }

    #[test]
    fn test_code_removed_at_any_depth() {
        let text = "#[cfg(test)] use x1; #[cfg(test)] type A = x2; #[cfg(test)] extern crate x3;
                    impl A { #[cfg(test)] fn x4() {} fn x5() { #[cfg(test)] x6(); x7 } }
                    mod m { #[cfg(test)] use x8; }
                    struct S { #[cfg(test)] x9: u8, x10: u8, #[cfg(test)] x11: u8 }
                    fn f() { match 1 { #[cfg(test)] x12 => {} _ => {} } }";
        assert_eq!(built(text), "x5 x7 x10");
    }
}
