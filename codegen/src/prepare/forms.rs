//! Forms of requests: `multipart/form-data` and `application/x-www-form-urlencoded`. The generator supports
//! neither, so that a form becomes a component with its fields, to which the operation refers by [`FORM`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::corrections::NAMES;
use super::field_marks::{MARKS, add_marks};
use super::keywords::Keywords;
use super::naming::{Names, type_name};
use super::report::{Form, FormField, FormStyle};
use super::values::CONSTRAINTS;
use super::walk::{Copies, only_refers, reference, required, resolved, schemas, size};

/// The keyword of a request body that refers to the component with the fields of its form.
pub(crate) const FORM: &str = "x-form";

const MULTIPART: &str = "multipart/form-data";
const URL_ENCODED: &str = "application/x-www-form-urlencoded";

/// Makes the components of forms. Operations whose forms are equal share one.
pub(super) struct Forms<'d> {
    document: &'d Value,
    /// By schema, media type and encoding.
    known: BTreeMap<String, Known>,
    /// Whether a form has files, by schema.
    with_files: BTreeMap<String, bool>,
    taken: Names,
    made: Map<String, Value>,
    /// Places and changes to report.
    changes: Vec<(String, String)>,
    copies: Copies,
}

/// A form whose component was made.
struct Known {
    component: String,
    fields: Arc<BTreeMap<String, FormField>>,
}

/// A media type of a request that is a form with fields.
pub(super) struct Offered<'t> {
    pub(super) media_type: &'t str,
    schema: &'t Value,
    encoding: Option<&'t Map<String, Value>>,
}

/// The properties of an object, their names in Rust, what extensions say of them, and those that are required.
#[derive(Default)]
struct Fields {
    properties: Map<String, Value>,
    names: Map<String, Value>,
    marks: Map<String, Value>,
    required: BTreeSet<String>,
}

impl<'d> Forms<'d> {
    pub(super) fn new(document: &'d Value) -> Self {
        Forms {
            document,
            known: BTreeMap::new(),
            with_files: BTreeMap::new(),
            taken: schemas(document).map(|(name, _)| type_name(name)).collect(),
            made: Map::new(),
            changes: Vec::new(),
            copies: Copies::of(size(document)),
        }
    }

    /// Returns the form among the media types of a request, preferably the one that can contain files; `None`
    /// if no schema describes its fields.
    pub(super) fn offered<'t>(&self, types: &'t Map<String, Value>) -> Option<Offered<'t>> {
        [MULTIPART, URL_ENCODED].into_iter().find_map(|wanted| {
            let (name, media) = types.iter().find(|(name, _)| essence(name) == wanted)?;
            let schema = media.get("schema").filter(|schema| self.objects(schema).next().is_some())?;
            Some(Offered { media_type: name, schema, encoding: media.object("encoding") })
        })
    }

    /// Returns whether a form can send what a JSON body of this schema can't.
    pub(super) fn has_more_than(&mut self, json: &Value, form: &Offered<'_>) -> bool {
        if json != form.schema {
            return true;
        }
        let key = form.schema.to_string();
        if let Some(known) = self.with_files.get(&key) {
            return form.is_multipart() && *known;
        }
        let links = self.has_links_to_files(form.schema);
        let may_be_file = |field: &Value| !field.says("readOnly") && self.file_of(field, links).is_some();
        let has_files = self.objects(form.schema).flat_map(Map::values).any(may_be_file);
        self.with_files.insert(key, has_files);
        form.is_multipart() && has_files
    }

    /// Adds the component of a form, refers to it in the body, and returns what the component can't express.
    ///
    /// # Errors
    /// Returns an error if the forms of the document are too large together.
    pub(super) fn add(&mut self, id: &str, body: &mut Value, form: Offered<'_>) -> Result<Form, String> {
        let media_type = if form.is_multipart() { MULTIPART } else { URL_ENCODED };
        let encoding = form.encoding.map(|encoding| Value::Object(encoding.clone()).to_string());
        let key = json!([form.schema, media_type, encoding]).to_string();
        if !self.known.contains_key(&key) {
            let known = self.make(id, &form)?;
            self.known.insert(key.clone(), known);
        }
        let Known { component, fields } = &self.known[&key];
        body.put(FORM, reference(component));
        Ok(Form { media_type, fields: fields.clone() })
    }

    fn make(&mut self, id: &str, form: &Offered<'_>) -> Result<Known, String> {
        let copied: usize = self.objects(form.schema).flat_map(Map::values).map(size).sum();
        if !self.copies.spend(copied) {
            return Err("the forms of this document are too large together".to_owned());
        }
        let Fields { mut properties, names, marks, required } = self.fields_of(form.schema);
        let name = only_refers(form.schema).map_or_else(|| type_name(id), type_name);
        let component = self.taken.free(&format!("{}Form", name.trim_end_matches("Request")));
        let mut changes = Vec::new();
        if self.objects(form.schema).nth(1).is_some() {
            changes.push((component.clone(), "a choice: the fields of each of its objects".to_owned()));
        }
        let links = self.has_links_to_files(form.schema);
        let mut notes = BTreeMap::new();
        for (name, property) in &mut properties {
            let encoding = form.encoding.and_then(|encoding| encoding.get(name));
            let file = form.is_multipart().then(|| self.file_of(property, links)).flatten();
            let note = FormField {
                is_file: file.is_some(),
                media_type: encoding.and_then(|encoding| sent_type(encoding.text("contentType")?)),
                style: encoding.map_or(FormStyle::Repeated, |encoding| self.style_of(property, encoding)),
            };
            if note != FormField::default() {
                notes.insert(name.clone(), note);
            }
            let mut report = |what: &str| changes.push((format!("{component}.{name}"), what.to_owned()));
            if encoding.is_some_and(|encoding| encoding.has_any(&["headers"])) {
                report("left out the `headers` of its part");
            }
            if let Some(mut file) = file {
                if self.file_of(property, false).is_none() {
                    report("a file, declared by the link to it");
                }
                file.copy(property, &["description", "nullable", "readOnly"]);
                *property = file;
            }
        }
        self.changes.extend(changes);
        let required = Vec::from_iter(required);
        let mut object = json!({"type": "object", "properties": properties, "required": required});
        for (key, said) in [(NAMES, names), (MARKS, marks)] {
            if !said.is_empty() {
                object.put(key, said);
            }
        }
        self.made.insert(component.clone(), object);
        Ok(Known { component, fields: Arc::new(notes) })
    }

    /// Returns the components that were made, and what to report about them.
    pub(super) fn finish(self) -> (Map<String, Value>, Vec<(String, String)>) {
        (self.made, self.changes)
    }

    /// Returns the properties of an object, or of each choice that is an object.
    fn objects<'s>(&'s self, schema: &'s Value) -> impl Iterator<Item = &'s Map<String, Value>> {
        self.choices(schema).filter_map(|choice| choice.object("properties").filter(|all| !all.is_empty()))
    }

    fn choices<'s>(&'s self, schema: &'s Value) -> impl Iterator<Item = &'s Value> {
        let schema = resolved(self.document, schema);
        let only = schema.list("oneOf").is_empty().then_some(schema);
        only.into_iter().chain(schema.list("oneOf").iter().map(|choice| resolved(self.document, choice)))
    }

    /// Returns the fields of an object, or of all choices that are objects.
    fn fields_of(&self, schema: &Value) -> Fields {
        let all = self.choices(schema).map(fields).filter(|fields| !fields.properties.is_empty());
        all.reduce(Fields::or).unwrap_or_default()
    }

    /// Returns whether a form's links may be files. A schema for requests and responses declares a file by the URL
    /// that responses contain. If another field is declared as a file, a link is a link.
    fn has_links_to_files(&self, schema: &Value) -> bool {
        !self.objects(schema).flat_map(Map::values).any(|field| self.file_of(field, false).is_some())
    }

    /// Returns the schema of a field that is a file or a list of files; `None` if it is neither. `links`: a link
    /// is a file. A length or a pattern tells a link from a file.
    fn file_of(&self, field: &Value, links: bool) -> Option<Value> {
        let is_file = |schema: &Value| {
            let schema = resolved(self.document, schema);
            let is_link = || schema.text("format") == Some("uri") && !schema.has_any(&CONSTRAINTS);
            let is_binary = schema.text("format") == Some("binary");
            schema.text("type") == Some("string") && (is_binary || (links && is_link()))
        };
        let file = json!({"type": "string", "format": "binary"});
        if is_file(field) {
            return Some(file);
        }
        resolved(self.document, field).get("items").filter(|items| is_file(items))?;
        Some(json!({"type": "array", "items": file}))
    }

    /// Returns how the values of a list or the properties of an object are written.
    fn style_of(&self, field: &Value, encoding: &Value) -> FormStyle {
        let style = encoding.text("style").unwrap_or("form");
        let explode = encoding.get("explode").and_then(Value::as_bool).unwrap_or(style == "form");
        let is_list = resolved(self.document, field).text("type") == Some("array");
        match (style, is_list, explode) {
            ("deepObject", false, _) => FormStyle::DeepObject,
            ("form", false, true) if encoding.has_any(&["style", "explode"]) => FormStyle::Properties,
            ("form", true, false) => FormStyle::Joined(","),
            ("spaceDelimited", true, _) => FormStyle::Joined(" "),
            ("pipeDelimited", true, _) => FormStyle::Joined("|"),
            _ => FormStyle::Repeated,
        }
    }
}

impl Offered<'_> {
    fn is_multipart(&self) -> bool {
        essence(self.media_type) == MULTIPART
    }
}

impl Fields {
    /// Returns the fields of a form that has either these fields or those. A field that both have in different
    /// ways is free-form, or text if it is a plain value in both.
    fn or(mut self, other: Fields) -> Fields {
        for (name, property) in other.properties {
            match self.properties.get_mut(&name) {
                None => drop(self.properties.insert(name, property)),
                Some(own) if *own == property => {}
                Some(own) => {
                    let is_plain = |schema: &Value| {
                        matches!(schema.text("type"), Some("string" | "integer" | "number" | "boolean"))
                    };
                    let are_plain = is_plain(own) && is_plain(&property);
                    *own = if are_plain { json!({"type": "string"}) } else { json!({}) };
                }
            }
        }
        // Of two names of one property, the first counts.
        self.names.fill(&other.names);
        add_marks(&mut self.marks, Some(&other.marks));
        self.required.retain(|name| other.required.contains(name));
        self
    }
}

fn fields(schema: &Value) -> Fields {
    let properties = schema.object("properties").cloned().unwrap_or_default();
    let required =
        required(schema).filter(|name| properties.contains_key(*name)).map(str::to_owned).collect();
    let [names, marks] = [NAMES, MARKS].map(|key| schema.object(key).cloned().unwrap_or_default());
    Fields { properties, names, marks, required }
}

/// Returns a media type without its parameters.
pub(super) fn essence(media_type: &str) -> String {
    media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Returns the media type of a field that is sent: of several ones, or of a range, only the caller knows it. An empty
/// one means that the part has no media type.
fn sent_type(media_type: &str) -> Option<String> {
    let is_one = !media_type.contains([',', '*']);
    let is_header = media_type.bytes().all(|byte| (b' '..0x7f).contains(&byte));
    let is_type = media_type.is_empty() || media_type.contains('/');
    (is_one && is_header && is_type).then(|| media_type.to_owned())
}
