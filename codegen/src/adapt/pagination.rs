//! Finds out how the pages of a list lead to one another: from the schema of its response, and from `x-pagination`.

use std::collections::{BTreeMap, BTreeSet};

use quote::quote;
use serde_json::Value;
use syn::visit_mut::{self, VisitMut};
use syn::{Item, ItemStruct, Path, Type, parse_quote};

use super::components::Components;
use super::reading::{list_item, name_of, option_inner, wire_name};
use crate::prepare::naming::type_name;
use crate::prepare::pagination::{PageValue, PaginationNote, pagination_note};
use crate::prepare::{HEADERS, Keywords, Notes, OWN_TYPES, only_refers, wire_names};

/// The names of a page's items, in order of preference.
const ITEMS: [&str; 7] = ["results", "data", "items", "objects", "records", "rows", "entries"];
/// The objects of a page that may describe the list; empty for the page itself.
const HOLDERS: [&str; 9] =
    ["", "links", "_links", "pagination", "meta", "page_info", "pageInfo", "paging", "meta.pagination"];
/// The names of the next page's URL, of its number and of its cursor.
const LINKS: [&str; 8] = [
    "next",
    "next_url",
    "nextUrl",
    "next_link",
    "nextLink",
    "next_page_url",
    "nextPageUrl",
    "@odata.nextLink",
];
const NUMBERS: [&str; 4] = ["next", "next_page", "nextPage", "next_page_number"];
const CURSORS: [&str; 6] =
    ["next_cursor", "nextCursor", "next_page_token", "nextPageToken", "next_token", "nextToken"];
/// The query parameters that take a page's number or a cursor.
const NUMBER_PARAMETERS: [&str; 4] = ["page", "page_number", "pageNumber", "p"];
const CURSOR_PARAMETERS: [&str; 7] =
    ["cursor", "page_token", "pageToken", "next_token", "nextToken", "next_cursor", "nextCursor"];
/// The names of the number of items in the whole list. `count` may be the number of items on a page, so it comes last.
const COUNTS: [&[&str]; 2] =
    [&["total", "total_count", "totalCount", "total_items", "totalItems", "total_results"], &["count"]];
const COUNT_HEADERS: [&str; 3] = ["x-total-count", "x-total", "total-count"];

/// How the pages of a list lead to one another.
pub(super) struct Pagination {
    /// The path of the items; empty if the response is their list.
    pub(super) items: String,
    /// Their type, as builders name it.
    pub(super) item: Type,
    pub(super) count: PageValue,
    pub(super) next: PageValue,
    /// The query parameter that takes the value of `next`; `None` if that is a URL.
    pub(super) parameter: Option<String>,
    /// Whether a page may be the array of its items, or a single item.
    accepts: [bool; 2],
    /// The fields that identify the items; `None` for the usual ones.
    pub(super) identity: Option<Vec<String>>,
}

/// What a document and its generated types say about responses.
pub(super) struct Responses<'d> {
    components: Components<'d>,
    notes: &'d Notes,
    structs: BTreeMap<String, &'d ItemStruct>,
    types: BTreeSet<String>,
}

/// An object of a response: the name of its component and its schema.
#[derive(Clone, Copy)]
struct Object<'d> {
    component: &'d str,
    schema: &'d Value,
}

impl<'d> Responses<'d> {
    pub(super) fn new(document: &'d Value, notes: &'d Notes, types: &'d [Item]) -> Self {
        let structs = types.iter().filter_map(|item| match item {
            Item::Struct(structure) => Some((structure.ident.to_string(), structure)),
            _ => None,
        });
        let names = types.iter().filter_map(|item| match item {
            Item::Struct(item) => Some(item.ident.to_string()),
            Item::Enum(item) => Some(item.ident.to_string()),
            _ => None,
        });
        Responses {
            components: Components::of(document),
            notes,
            structs: structs.collect(),
            types: names.collect(),
        }
    }

    /// Returns how the pages of an operation with this response lead to one another; `None` if it is no list.
    ///
    /// # Errors
    /// Returns an error if `x-pagination` says what the response can't have.
    pub(super) fn pagination(
        &self,
        operation: &'d Value,
        output: &Type,
        identity: Option<Vec<String>>,
    ) -> Result<Option<Pagination>, String> {
        let at = |reason: String| format!("`x-pagination`: {reason}");
        let Some(note) = pagination_note(operation).map_err(at)? else { return Ok(None) };
        let is_noted = note != PaginationNote::default();
        let PaginationNote { items, count, next, parameter } = note;
        let page = name_of(output).and_then(|name| self.object(&name));
        let headers = headers(operation);
        let has_header = |name: &&str| headers.contains(name);
        let found_next = match page {
            Some(page) => self.next_of(page, operation),
            None if has_header(&"link") => Some((PageValue::Header("link".to_owned()), None)),
            None => None,
        };
        let is_followed = next.is_some() || found_next.is_some();
        let items = items.or_else(|| match page {
            Some(page) => self.items_of(page, is_followed),
            None => (list_item(output).is_some() && is_followed).then(String::new),
        });
        let Some(items) = items else {
            return match is_noted {
                true => Err(at(
                    "it doesn't say which field has the `items`, and neither does the schema".to_owned()
                )),
                false => Ok(None),
            };
        };
        let (next, derived) = match next {
            None => found_next.unwrap_or((PageValue::Absent, None)),
            Some(PageValue::Field(path)) => {
                let is_number = page.is_some_and(|page| self.kind_at(page, &path) == Some("integer"));
                let derived =
                    if is_number { self.query_parameter(operation, &NUMBER_PARAMETERS) } else { None };
                if is_number && derived.is_none() && parameter.is_none() {
                    let what = format!("`{path}` is a number: name the query `parameter` that takes it");
                    return Err(at(what));
                }
                (PageValue::Field(path), derived)
            }
            Some(other) => (other, None),
        };
        let count = count.or_else(|| match page {
            Some(page) => self.count_of(page).map(PageValue::Field),
            None => COUNT_HEADERS
                .iter()
                .find(|name| has_header(name))
                .map(|name| PageValue::Header((*name).to_owned())),
        });
        let paths = [Some(items.as_str()), field_of(&next), count.as_ref().and_then(field_of)];
        let has_aliases = |path: &&str| page.is_some_and(|page| self.has_aliases(page, path));
        if let Some(path) =
            paths.into_iter().flatten().find(has_aliases).filter(|_| next != PageValue::Absent)
        {
            return Err(format!("`x-alias`: a list's pages have `{path}` under one name"));
        }
        let accepts = page.and_then(|page| self.alternatives(page, &items)).unwrap_or_default();
        let item = match items.as_str() {
            "" => list_item(output),
            path => page.and_then(|page| self.item_at(page, path)),
        };
        Ok(Some(Pagination {
            item: self.of_builders(item.unwrap_or_else(|| parse_quote!(crate::Json))),
            items,
            count: count.unwrap_or(PageValue::Absent),
            next,
            parameter: parameter.or(derived),
            accepts,
            identity,
        }))
    }

    /// Returns the object with this type.
    fn object(&self, ty: &str) -> Option<Object<'d>> {
        let (component, schema) = self.components.of_type(ty)?;
        schema.object("properties").map(|_| Object { component, schema })
    }

    /// Returns the schema of an object's property, by its name on the wire, and the name in the prepared document.
    fn property(&self, object: Object<'d>, wire: &str) -> Option<(&'d str, &'d Value)> {
        let wire_names = self.notes.wire_names(&type_name(object.component));
        let mut properties = object.schema.object("properties")?.iter();
        let is_it = |(name, _): &(&'d String, &'d Value)| {
            wire_names.get(name.as_str()).copied().unwrap_or(name) == wire
        };
        properties.find(is_it).map(|(name, schema)| (name.as_str(), schema))
    }

    /// Returns the object at a path; the object itself if the path is empty.
    fn object_at(&self, from: Object<'d>, path: &str) -> Option<Object<'d>> {
        let names = path.split('.').filter(|name| !name.is_empty());
        names.into_iter().try_fold(from, |object, name| {
            let (_, schema) = self.property(object, name)?;
            self.object(&type_name(only_refers(schema)?))
        })
    }

    /// Returns the type of the value at a path: `string`, `url`, `integer`, `array` and so on.
    fn kind_at(&self, page: Object<'d>, path: &str) -> Option<&'d str> {
        let (holder, name) = path.rsplit_once('.').unwrap_or(("", path));
        let (_, schema) = self.property(self.object_at(page, holder)?, name)?;
        self.kind(schema)
    }

    fn kind(&self, schema: &'d Value) -> Option<&'d str> {
        match only_refers(schema) {
            Some("FileUrl") => Some("url"),
            Some(own) if OWN_TYPES.contains(&own) => None,
            Some(other) => self.components.of_type(&type_name(other))?.1.text("type"),
            None => schema.text("type"),
        }
    }

    /// Returns what leads to the next page, and the query parameter that takes it.
    fn next_of(&self, page: Object<'d>, operation: &Value) -> Option<(PageValue, Option<String>)> {
        let numbered = self.query_parameter(operation, &NUMBER_PARAMETERS);
        let by_cursor = self.query_parameter(operation, &CURSOR_PARAMETERS);
        for holder in HOLDERS {
            let Some(object) = self.object_at(page, holder) else { continue };
            let path =
                |name: &str| if holder.is_empty() { name.to_owned() } else { format!("{holder}.{name}") };
            let kind = |name: &str| self.kind(self.property(object, name)?.1);
            for name in LINKS {
                let path = path(name);
                match kind(name) {
                    Some("url" | "string") => return Some((PageValue::Field(path), None)),
                    // As HAL has it: `{"href": …}`.
                    Some("object") if self.kind_at(page, &format!("{path}.href")).is_some() => {
                        return Some((PageValue::Field(path + ".href"), None));
                    }
                    _ => {}
                }
            }
            let number = NUMBERS.into_iter().find(|name| kind(name) == Some("integer"));
            let cursor = CURSORS.into_iter().find(|name| matches!(kind(name), Some("string" | "integer")));
            for (name, parameter) in [(number, &numbered), (cursor, &by_cursor)] {
                if let (Some(name), Some(parameter)) = (name, parameter) {
                    return Some((PageValue::Field(path(name)), Some(parameter.clone())));
                }
            }
        }
        None
    }

    /// Returns the path of a page's items. A page that leads to no other one has them in `results`.
    fn items_of(&self, page: Object<'d>, is_followed: bool) -> Option<String> {
        let is_list = |name: &&str| {
            self.property(page, name).and_then(|(_, schema)| self.kind(schema)) == Some("array")
        };
        let names = if is_followed { &ITEMS[..] } else { &ITEMS[..1] };
        if let Some(name) = names.iter().find(|name| is_list(name)) {
            return Some((*name).to_owned());
        }
        let properties = page.schema.object("properties").filter(|_| is_followed)?;
        let mut lists = properties.iter().filter(|(_, schema)| self.kind(schema) == Some("array"));
        let (name, _) = lists.next()?;
        let wire =
            self.notes.wire_names(&type_name(page.component)).get(name.as_str()).copied().unwrap_or(name);
        lists.next().is_none().then(|| wire.to_owned())
    }

    fn count_of(&self, page: Object<'d>) -> Option<String> {
        let objects: Vec<(&str, Object<'d>)> =
            HOLDERS.iter().filter_map(|holder| Some((*holder, self.object_at(page, holder)?))).collect();
        COUNTS.iter().find_map(|names| {
            objects.iter().find_map(|(holder, object)| {
                let is_count = |name: &&&str| {
                    self.property(*object, name).and_then(|(_, schema)| self.kind(schema)) == Some("integer")
                };
                let name = names.iter().find(is_count)?;
                Some(if holder.is_empty() { (*name).to_owned() } else { format!("{holder}.{name}") })
            })
        })
    }

    /// Returns the type of the items at a path.
    fn item_at(&self, page: Object<'d>, path: &str) -> Option<Type> {
        let (holder, name) = path.rsplit_once('.').unwrap_or(("", path));
        let holder = self.object_at(page, holder)?;
        let (prepared, _) = self.property(holder, name)?;
        let structure = self.structs.get(&type_name(holder.component))?;
        let field = structure.fields.iter().find(|field| wire_name(field).as_deref() == Some(prepared))?;
        list_item(&option_inner(&field.ty).unwrap_or_else(|| field.ty.clone()))
    }

    /// Returns whether a page may be the array of its items, or a single item, if they are at this path.
    fn alternatives(&self, page: Object<'d>, items: &str) -> Option<[bool; 2]> {
        let found = self.notes.alternatives.get(&type_name(page.component))?;
        let (prepared, _) = self.property(page, items)?;
        (found.field == prepared).then_some([found.array, found.item])
    }

    /// Returns whether a field on a path has other names on the wire.
    fn has_aliases(&self, page: Object<'d>, path: &str) -> bool {
        let mut object = Some(page);
        path.split('.').any(|name| {
            let Some(here) = object else { return false };
            object = self.object_at(here, name);
            let aliases = self.notes.aliases.get(&type_name(here.component));
            self.property(here, name)
                .is_some_and(|(prepared, _)| aliases.is_some_and(|all| all.contains_key(prepared)))
        })
    }

    /// Returns the query parameter of an operation that has one of these names on the wire.
    fn query_parameter(&self, operation: &Value, names: &[&str]) -> Option<String> {
        let wire_names = wire_names(self.notes.parameters.get(&operation.string("operationId")));
        let has = |name: &&&str| {
            operation.list("parameters").iter().any(|parameter| {
                let prepared = parameter.text("name").unwrap_or_default();
                let wire = wire_names.get(prepared).copied().unwrap_or(prepared);
                parameter.text("in") == Some("query") && wire == **name
            })
        };
        names.iter().find(has).map(|name| (*name).to_owned())
    }

    /// Returns a type as the builders name it: those of the document are in `types`.
    fn of_builders(&self, mut ty: Type) -> Type {
        InTypes(&self.types).visit_type_mut(&mut ty);
        ty
    }
}

fn field_of(value: &PageValue) -> Option<&str> {
    match value {
        PageValue::Field(path) => Some(path),
        _ => None,
    }
}

struct InTypes<'t>(&'t BTreeSet<String>);

impl VisitMut for InTypes<'_> {
    fn visit_path_mut(&mut self, path: &mut Path) {
        visit_mut::visit_path_mut(self, path);
        if let Some(name) = path.get_ident()
            && self.0.contains(&name.to_string())
        {
            *path = parse_quote!(types::#name);
        }
    }
}

/// Returns the names of the response's headers, in lower case.
fn headers(operation: &Value) -> Vec<&str> {
    let responses = operation.object("responses").into_iter().flatten();
    let success = responses.filter(|(status, _)| status.starts_with('2')).map(|(_, response)| response);
    success.flat_map(|response| response.list(HEADERS)).filter_map(Value::as_str).collect()
}

impl Pagination {
    /// Whether a page leads to the next one.
    pub(super) fn is_followed(&self) -> bool {
        self.next != PageValue::Absent
    }

    /// The description as an expression.
    pub(super) fn emit(&self) -> proc_macro2::TokenStream {
        let Pagination { items, count, next, parameter, accepts, identity, .. } = self;
        let identified = identity.as_ref().map(|fields| quote! { .identified_by(&[#(#fields),*]) });
        let items = (items != "results").then(|| quote! { .items(#items) });
        let count = match count {
            PageValue::Field(path) if path == "count" => None,
            PageValue::Field(path) => Some(quote! { .count(#path) }),
            PageValue::Header(name) => Some(quote! { .count_header(#name) }),
            PageValue::Absent => Some(quote! { .no_count() }),
        };
        let next = match (next, parameter) {
            (PageValue::Field(path), None) if path == "next" => None,
            (PageValue::Field(path), None) => Some(quote! { .next_link(#path) }),
            (PageValue::Header(_), None) => Some(quote! { .link_header() }),
            (PageValue::Absent, _) => Some(quote! { .no_next() }),
            (PageValue::Field(path), Some(parameter)) => Some(quote! { .next_value(#path, #parameter) }),
            (PageValue::Header(name), Some(parameter)) => Some(quote! { .next_header(#name, #parameter) }),
        };
        let [array, item] = *accepts;
        let array = array.then(|| quote! { .or_array() });
        let item = item.then(|| quote! { .or_item() });
        quote! { rt::Pagination::new() #identified #items #count #next #array #item }
    }
}
