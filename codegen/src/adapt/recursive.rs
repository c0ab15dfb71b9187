//! Types that hold themselves: the generator puts a box in the way, sometimes around the option that says
//! whether there is a value. It belongs around the value, and whoever sets the value needs to know nothing of
//! it.

use quote::ToTokens;
use syn::visit_mut::{self, VisitMut};
use syn::{Field, Item, ItemImpl, Type, parse_quote};

use super::reading::{boxed, first_argument, option_inner, trait_name};

/// `Box<Option<T>>` becomes `Option<Box<T>>` wherever it stands, and a choice is made of what its variant
/// holds.
pub(super) fn boxes_are_around_values(items: &mut [Item]) {
    for item in items {
        BoxedOptions.visit_item_mut(item);
        if let Item::Impl(block) = item {
            from_the_value(block);
        }
    }
}

struct BoxedOptions;

impl VisitMut for BoxedOptions {
    fn visit_field_mut(&mut self, field: &mut Field) {
        let is_mended = boxed(&field.ty).is_some_and(|inner| option_inner(&inner).is_some());
        visit_mut::visit_field_mut(self, field);
        if is_mended {
            // Of a box the generator doesn't see that it may be left out of what is sent.
            for attribute in &mut field.attrs {
                if attribute.to_token_stream().to_string().replace(' ', "") == "#[serde(default)]" {
                    *attribute =
                        parse_quote!(#[serde(skip_serializing_if = "::std::option::Option::is_none")]);
                }
            }
        }
    }

    fn visit_type_mut(&mut self, ty: &mut Type) {
        visit_mut::visit_type_mut(self, ty);
        if let Some(value) = boxed(ty).and_then(|inner| option_inner(&inner)) {
            *ty = parse_quote!(::std::option::Option<::std::boxed::Box<#value>>);
        }
    }
}

/// `From<Box<T>>` becomes `From<T>`.
fn from_the_value(block: &mut ItemImpl) {
    if trait_name(block) != "From" {
        return;
    }
    let Some((path, _)) = &block.trait_ else { return };
    let Some(value) = path.segments.last().and_then(|last| boxed(&first_argument(&last.arguments)?)) else {
        return;
    };
    let [syn::ImplItem::Fn(from)] = block.items.as_slice() else { return };
    let [syn::Stmt::Expr(syn::Expr::Call(call), None)] = from.block.stmts.as_slice() else { return };
    let (owner, variant) = (&block.self_ty, &call.func);
    *block = parse_quote! {
        impl ::std::convert::From<#value> for #owner {
            fn from(value: #value) -> Self {
                #variant(::std::boxed::Box::new(value))
            }
        }
    };
}
