//! Conversions from all types of a path.

/// Implements `From` for a type that can be made from a path: `from_paths!(Target, path => expression)`, where
/// `path` is a `PathBuf`. The types are listed, so that a type that isn't a path can get its own conversion later.
macro_rules! from_paths {
    ($target:ty, $path:ident => $made:expr) => {
        $crate::values::from_paths::from_paths!(
            $target, $path => $made;
            &str, String, &String, &std::ffi::OsStr, std::ffi::OsString, &std::ffi::OsString, &std::path::Path,
            std::path::PathBuf, &std::path::PathBuf, Box<std::path::Path>, std::borrow::Cow<'_, std::path::Path>
        );
    };
    ($target:ty, $path:ident => $made:expr; $($source:ty),*) => {
        $(impl From<$source> for $target {
            fn from(path: $source) -> Self {
                let $path = std::path::PathBuf::from(path);
                $made
            }
        })*
    };
}
pub(crate) use from_paths;
