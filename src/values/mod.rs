//! Values whose format varies on the platform: JSON, times, file URLs, foreign keys.

pub(crate) mod expandable;
pub(crate) mod file_entry;
pub(crate) mod file_shapes;
pub(crate) mod file_url;
pub(crate) mod from_paths;
pub(crate) mod json;
pub(crate) mod local_paths;
pub(crate) mod source_opening;
pub(crate) mod string_list;
pub(crate) mod timestamp;
pub(crate) mod upload_source;
pub(crate) mod url;
pub(crate) mod url_type;
