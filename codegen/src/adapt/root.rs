//! Names the crate `synapse-backend-client` in the emitted code.

use syn::visit_mut::{self, VisitMut};
use syn::{File, ItemUse, Path, UsePath, UseTree};

use super::Result;

/// Replaces `crate` at the beginning of each path by `root`.
pub(super) fn set_root(file: &mut File, root: &str) -> Result<()> {
    if root != "crate" {
        let root = syn::parse_str(root).map_err(|error| format!("`{root}` is no path: {error}"))?;
        Root(root).visit_file_mut(file);
    }
    Ok(())
}

struct Root(Path);

impl VisitMut for Root {
    fn visit_path_mut(&mut self, path: &mut Path) {
        visit_mut::visit_path_mut(self, path);
        if path.leading_colon.is_none() && path.segments.first().is_some_and(|first| first.ident == "crate") {
            let rest = path.segments.iter().skip(1).cloned();
            let segments = self.0.segments.iter().cloned().chain(rest).collect();
            *path = Path { leading_colon: self.0.leading_colon, segments };
        }
    }

    fn visit_item_use_mut(&mut self, item: &mut ItemUse) {
        if let UseTree::Path(first) = &mut item.tree
            && first.ident == "crate"
        {
            let mut segments = self.0.segments.iter().rev().map(|segment| segment.ident.clone());
            if let Some(last) = segments.next() {
                first.ident = last;
            }
            for ident in segments {
                let tree = Box::new(item.tree.clone());
                item.tree = UseTree::Path(UsePath { ident, colon2_token: Default::default(), tree });
            }
            item.leading_colon = self.0.leading_colon;
        }
    }
}

#[cfg(test)]
mod tests {
    use quote::{ToTokens, quote};

    use super::set_root;

    #[test]
    fn root_of_several_segments_is_whole() {
        let set = |root: &str| {
            let code = quote! { use crate::a::B; fn f(x: crate::C) {} };
            let mut file = syn::parse2(code).unwrap();
            set_root(&mut file, root).unwrap();
            file.to_token_stream().to_string().replace(' ', "")
        };
        assert_eq!(set("::my::reexport"), "use::my::reexport::a::B;fnf(x:::my::reexport::C){}");
        assert_eq!(set("own"), "useown::a::B;fnf(x:own::C){}");
        assert_eq!(set("crate"), "usecrate::a::B;fnf(x:crate::C){}");
    }
}
