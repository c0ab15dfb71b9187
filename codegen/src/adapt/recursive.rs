//! Recursive types. The generator adds a box, sometimes around the `Option`. This module moves the box into
//! the option, around the value. Setters then take the value without a box.

use syn::visit_mut::{self, VisitMut};
use syn::{Field, Item, ItemImpl, Type, parse_quote};

use super::reading::{arguments_of, boxed, option_inner, text_of};

/// Changes each `Box<Option<T>>` to `Option<Box<T>>`, and converts the value of a variant into its choice.
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
        let is_repaired = boxed(&field.ty).is_some_and(|inner| option_inner(&inner).is_some());
        visit_mut::visit_field_mut(self, field);
        if is_repaired {
            // The generator doesn't detect that a boxed option can be omitted from a request.
            for attribute in &mut field.attrs {
                if text_of(attribute) == "#[serde(default)]" {
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

/// Changes `From<Box<T>>` to `From<T>`.
fn from_the_value(block: &mut ItemImpl) {
    let Some((path, _)) = &block.trait_ else { return };
    let Some(value) = arguments_of(path, "From").first().and_then(|value| boxed(value)) else { return };
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
