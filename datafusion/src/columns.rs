//! [`Columns`]: the Arrow columns of a list's items.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use serde::{Deserialize, Serialize};
use synapse_backend_client::{ListField, ListOperation, ValueKind};

/// The column of the values without a column of their own.
const EXTRA: &str = "_extra";

/// The metadata keys and the name by which Arrow marks text as JSON.
const EXTENSION_NAME: &str = "ARROW:extension:name";
const EXTENSION_METADATA: &str = "ARROW:extension:metadata";
const JSON_EXTENSION: &str = "arrow.json";

/// The metadata key of an enumeration's words.
const WORDS: &str = "synapse.words";

/// The Arrow type of text and JSON columns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum TextColumns {
    /// `Utf8View`, which DataFusion reads without copies.
    #[default]
    Views,
    /// `Utf8`, which every Arrow reader has.
    Plain,
}

/// The Arrow columns of a list's items: one or two for each field of the document, and `_extra`.
///
/// | kind of the field | columns |
/// |---|---|
/// | integer, number, boolean | `Int64`, `Float64`, `Boolean` |
/// | text | text |
/// | time | `Timestamp(µs, "UTC")` |
/// | JSON | text: the value as the server wrote it |
/// | id or object | `x` (`Int64`): the id; `x_json` (JSON): the value, if it isn't an id |
///
/// `_extra` is the last one. It is a JSON object of the values that have no column or don't fit it, or null. JSON columns
/// have the extension type `arrow.json`. A name that another field has gets underscores at its end.
///
/// All columns are nullable, except one that identifies the item.
#[derive(Debug, Clone)]
pub(crate) struct Columns {
    layout: Arc<Layout>,
    /// The indices in the layout's columns.
    selected: Vec<usize>,
    schema: SchemaRef,
}

/// The fields of a list's items and all their columns.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) text: TextColumns,
    pub(crate) fields: Vec<ItemField>,
    pub(crate) columns: Vec<Column>,
    /// The index of the field that has a name or an alias.
    pub(crate) names: HashMap<&'static str, usize>,
}

/// A field of an item.
#[derive(Debug)]
pub(crate) struct ItemField {
    pub(crate) kind: FieldKind,
    pub(crate) secret: bool,
}

/// The kind of a field's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldKind {
    /// One column.
    Value(ColumnKind),
    /// A column for the id, and one for anything else.
    IdOrObject,
}

/// The kind of a column's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColumnKind {
    Integer,
    Number,
    Boolean,
    Text,
    Time,
    Json,
}

/// A column, and where its values come from.
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) kind: ColumnKind,
    pub(crate) source: Source,
    pub(crate) required: bool,
    field: Arc<Field>,
}

/// Where a column's values come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// The field with this index; the id if it is an id or an object.
    Field(usize),
    /// The field with this index, which is an id or an object: what isn't an id.
    Object(usize),
    /// The values without a column.
    Extra,
}

impl Columns {
    /// Makes the columns of a list's items.
    ///
    /// `whole_items` says that the server sends all fields of an item. Then the column that identifies the item isn't
    /// nullable. `secrets` says that secret fields have columns, too.
    pub(crate) fn new(
        operation: &ListOperation,
        text: TextColumns,
        whole_items: bool,
        secrets: bool,
    ) -> Columns {
        Columns::of_fields(operation.fields(), operation.identity(), text, whole_items, secrets)
    }

    /// Makes the columns of items with these fields, of which those of `identity` tell items apart.
    pub(crate) fn of_fields(
        fields: &[ListField],
        identity: &[&str],
        text: TextColumns,
        whole_items: bool,
        secrets: bool,
    ) -> Columns {
        let required = if whole_items { required_field(fields, identity, secrets) } else { None };
        let mut taken: HashSet<String> = fields.iter().map(|field| field.name.to_owned()).collect();
        let mut layout = Layout { text, fields: Vec::new(), columns: Vec::new(), names: HashMap::new() };
        for field in fields {
            if layout.names.contains_key(field.name) {
                continue;
            }
            let index = layout.fields.len();
            let kind = field_kind(field.kind);
            layout.names.insert(field.name, index);
            layout.fields.push(ItemField { kind, secret: field.secret });
            if field.secret && !secrets {
                continue;
            }
            let required = required == Some(field.name);
            let metadata = words(field).map(|words| (WORDS.to_owned(), words));
            let main = match kind {
                FieldKind::Value(kind) => kind,
                FieldKind::IdOrObject => ColumnKind::Integer,
            };
            layout.add(field.name.to_owned(), main, Source::Field(index), required, metadata);
            if kind == FieldKind::IdOrObject {
                let name = free_name(&mut taken, format!("{}_json", field.name));
                layout.add(name, ColumnKind::Json, Source::Object(index), false, None);
            }
        }
        layout.add(free_name(&mut taken, EXTRA.to_owned()), ColumnKind::Json, Source::Extra, false, None);
        // A name is more than another field's alias.
        for field in fields {
            let Some(&index) = layout.names.get(field.name) else { continue };
            for alias in field.aliases {
                layout.names.entry(alias).or_insert(index);
            }
        }
        let selected = (0..layout.columns.len()).collect();
        Columns::select(Arc::new(layout), selected)
    }

    /// Returns the Arrow schema.
    pub(crate) fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// Returns the columns with these indices, in this order. An index may repeat. One that no column has is left out.
    pub(crate) fn project(&self, indices: &[usize]) -> Columns {
        let selected = indices.iter().filter_map(|&index| self.selected.get(index).copied()).collect();
        Columns::select(self.layout.clone(), selected)
    }

    /// Returns whether a column has the values without a column of their own.
    pub(crate) fn is_extra(&self, name: &str) -> bool {
        self.layout.columns.iter().any(|column| column.source == Source::Extra && column.name() == name)
    }

    /// Returns the layout of which these columns are a selection.
    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Returns the indices of these columns in the layout.
    pub(crate) fn selected(&self) -> &[usize] {
        &self.selected
    }

    fn select(layout: Arc<Layout>, selected: Vec<usize>) -> Columns {
        let fields: Vec<Arc<Field>> = selected
            .iter()
            .filter_map(|&index| layout.columns.get(index))
            .map(|column| column.field.clone())
            .collect();
        Columns { layout, selected, schema: Arc::new(Schema::new(fields)) }
    }
}

impl Layout {
    fn add(
        &mut self,
        name: String,
        kind: ColumnKind,
        source: Source,
        required: bool,
        metadata: Option<(String, String)>,
    ) {
        let mut metadata: HashMap<String, String> = metadata.into_iter().collect();
        if kind == ColumnKind::Json {
            metadata.insert(EXTENSION_NAME.to_owned(), JSON_EXTENSION.to_owned());
            // Arrow's own reader of this extension type refuses a field without it.
            metadata.insert(EXTENSION_METADATA.to_owned(), String::new());
        }
        let field = Field::new(name, kind.data_type(self.text), !required).with_metadata(metadata);
        self.columns.push(Column { kind, source, required, field: Arc::new(field) });
    }
}

impl Column {
    /// Returns the column's name.
    pub(crate) fn name(&self) -> &str {
        self.field.name()
    }
}

impl ColumnKind {
    fn data_type(self, text: TextColumns) -> DataType {
        match self {
            ColumnKind::Integer => DataType::Int64,
            ColumnKind::Number => DataType::Float64,
            ColumnKind::Boolean => DataType::Boolean,
            ColumnKind::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            ColumnKind::Text | ColumnKind::Json => match text {
                TextColumns::Views => DataType::Utf8View,
                TextColumns::Plain => DataType::Utf8,
            },
        }
    }
}

fn field_kind(kind: ValueKind) -> FieldKind {
    FieldKind::Value(match kind {
        ValueKind::Integer => ColumnKind::Integer,
        ValueKind::Number => ColumnKind::Number,
        ValueKind::Boolean => ColumnKind::Boolean,
        ValueKind::Text => ColumnKind::Text,
        ValueKind::Time => ColumnKind::Time,
        ValueKind::IdOrObject => return FieldKind::IdOrObject,
        // JSON, and kinds of a later version.
        _ => ColumnKind::Json,
    })
}

/// Returns the name of the field that every item has: the first one of the identity that can be it, else `id`.
fn required_field(fields: &[ListField], identity: &[&str], secrets: bool) -> Option<&'static str> {
    let never_missing = |name: &&str| {
        let field = fields.iter().find(|field| field.name == *name)?;
        let plain = matches!(field.kind, ValueKind::Integer | ValueKind::Text);
        (plain && !field.nullable && (secrets || !field.secret)).then_some(field.name)
    };
    identity.iter().chain(&["id"]).find_map(never_missing)
}

/// Returns the words of an enumeration as a JSON list.
fn words(field: &ListField) -> Option<String> {
    if field.words.is_empty() {
        return None;
    }
    serde_json::to_string(field.words).ok()
}

/// Appends underscores to a name until no column has it, and takes it.
fn free_name(taken: &mut HashSet<String>, mut name: String) -> String {
    while !taken.insert(name.clone()) {
        name.push('_');
    }
    name
}

#[cfg(test)]
mod tests {
    use synapse_backend_client::raw::LISTS;

    use super::*;

    fn columns(fields: &[ListField], identity: &[&str]) -> Columns {
        Columns::of_fields(fields, identity, TextColumns::Views, true, false)
    }

    fn names(columns: &Columns) -> Vec<String> {
        columns.schema().fields().iter().map(|field| field.name().clone()).collect()
    }

    fn required(columns: &Columns) -> Vec<String> {
        let schema = columns.schema();
        schema
            .fields()
            .iter()
            .filter(|field| !field.is_nullable())
            .map(|field| field.name().clone())
            .collect()
    }

    #[test]
    fn every_kind_has_its_arrow_type() {
        let fields = [
            ListField::new("integer", ValueKind::Integer),
            ListField::new("number", ValueKind::Number),
            ListField::new("boolean", ValueKind::Boolean),
            ListField::new("text", ValueKind::Text),
            ListField::new("time", ValueKind::Time),
            ListField::new("json", ValueKind::Json),
            ListField::new("related", ValueKind::IdOrObject),
        ];
        let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        for (text, arrow) in [(TextColumns::Views, DataType::Utf8View), (TextColumns::Plain, DataType::Utf8)]
        {
            let schema = Columns::of_fields(&fields, &[], text, true, false).schema();
            let types: Vec<_> =
                schema.fields().iter().map(|f| (f.name().as_str(), f.data_type().clone())).collect();
            let expected = [
                ("integer", DataType::Int64),
                ("number", DataType::Float64),
                ("boolean", DataType::Boolean),
                ("text", arrow.clone()),
                ("time", time.clone()),
                ("json", arrow.clone()),
                ("related", DataType::Int64),
                ("related_json", arrow.clone()),
                ("_extra", arrow.clone()),
            ];
            assert_eq!(types, expected);
            for field in schema.fields() {
                let json = ["json", "related_json", "_extra"].contains(&field.name().as_str());
                assert_eq!(field.extension_type_name(), json.then_some("arrow.json"), "{field}");
                assert_eq!(field.extension_type_metadata(), json.then_some(""), "{field}");
            }
        }
    }

    #[test]
    fn taken_names_get_underscores() {
        let fields = [
            ListField::new("x", ValueKind::IdOrObject),
            ListField::new("x_json", ValueKind::Text),
            ListField::new("_extra", ValueKind::Json),
            ListField::new("_extra_", ValueKind::IdOrObject),
            ListField::new("x_json", ValueKind::Integer),
        ];
        let expected = ["x", "x_json_", "x_json", "_extra", "_extra_", "_extra__json", "_extra__"];
        assert_eq!(names(&columns(&fields, &[])), expected);
    }

    #[test]
    fn only_identity_is_required() {
        let fields = [
            ListField::new("id", ValueKind::Integer),
            ListField::new("key", ValueKind::Text),
            ListField::new("maybe", ValueKind::Text).nullable(),
            ListField::new("object", ValueKind::Json),
            ListField::new("token", ValueKind::Text).secret(),
        ];
        assert_eq!(required(&columns(&fields, &["key", "id"])), ["key"]);
        assert_eq!(required(&columns(&fields, &["maybe", "object", "token", "gone", "key"])), ["key"]);
        assert_eq!(required(&columns(&fields, &["maybe"])), ["id"]);
        assert_eq!(required(&columns(&fields, &[])), ["id"]);
        assert!(required(&columns(&fields[1..], &[])).is_empty());
        let partial = Columns::of_fields(&fields, &["key"], TextColumns::Views, false, false);
        assert!(required(&partial).is_empty());
        let secrets = Columns::of_fields(&fields, &["token"], TextColumns::Views, true, true);
        assert_eq!(required(&secrets), ["token"]);
    }

    #[test]
    fn secret_has_a_column_on_request() {
        let fields = [
            ListField::new("id", ValueKind::Integer),
            ListField::new("token", ValueKind::IdOrObject).secret(),
        ];
        assert_eq!(names(&columns(&fields, &[])), ["id", "_extra"]);
        let secrets = Columns::of_fields(&fields, &[], TextColumns::Views, true, true);
        assert_eq!(names(&secrets), ["id", "token", "token_json", "_extra"]);
    }

    #[test]
    fn words_are_metadata_of_the_column() {
        let fields = [
            ListField::new("state", ValueKind::Text).enumerated(&["new", "a \"b\""]),
            ListField::new("text", ValueKind::Text),
        ];
        let schema = columns(&fields, &[]).schema();
        let words = |index: usize| schema.field(index).metadata().get("synapse.words").cloned();
        assert_eq!(words(0).as_deref(), Some(r#"["new","a \"b\""]"#));
        assert_eq!(words(1), None);
    }

    #[test]
    fn projection_repeats_and_reorders() {
        let fields = [ListField::new("id", ValueKind::Integer), ListField::new("data", ValueKind::Json)];
        let all = columns(&fields, &[]);
        let some = all.project(&[2, 0, 0, 99]);
        assert_eq!(names(&some), ["_extra", "id", "id"]);
        assert_eq!(names(&some.project(&[2, 1])), ["id", "id"]);
        assert_eq!(required(&some), ["id", "id"]);
        assert!(names(&all.project(&[])).is_empty());
    }

    #[test]
    fn columns_of_every_list_are_distinct() {
        for list in LISTS {
            let columns = Columns::new(list, TextColumns::default(), true, true);
            let names = names(&columns);
            assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len(), "{}", list.id());
            assert!(names.len() > list.fields().len() && required(&columns).len() < 2, "{}", list.id());
            assert_eq!(names.last().map(String::as_str), Some("_extra"));
        }
    }
}
