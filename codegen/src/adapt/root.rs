//! Names the crate `synapse-backend-client` in the emitted code.

use syn::visit_mut::{self, VisitMut};
use syn::{File, ItemUse, Path, UseTree};

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
            && let Some(root) = self.0.segments.first()
        {
            first.ident = root.ident.clone();
            item.leading_colon = self.0.leading_colon;
        }
    }
}
