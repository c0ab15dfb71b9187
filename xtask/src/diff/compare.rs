//! Compares operations: their names, paths, parameters, bodies and responses.

use std::collections::{BTreeMap, BTreeSet};

use synapse_codegen::prepare::OWN_TYPES;

use super::model::{Api, In, Operation, Parameter, Type};
use super::renames::{self, nameless, pairs};
use super::report::{Change, Report, Verdict, What};
use super::schemas::Place;

/// The location and the name of a parameter.
type Key = (In, String);

pub struct Comparison<'a> {
    old: &'a Api,
    new: &'a Api,
    report: Report,
    /// The new names of renamed types, by their old names.
    pub(super) renamed: BTreeMap<String, String>,
}

/// Compares the documents and returns all differences.
pub fn compare(old: &Api, new: &Api) -> Report {
    let mut comparison =
        Comparison { old, new, report: Report::default(), renamed: renames::types(old, new) };
    comparison.operations();
    comparison.types();
    comparison.report
}

impl Comparison<'_> {
    pub fn tell(&mut self, place: &Place, verdict: Verdict, what: What, detail: String) {
        let Place { text, kind, operations, .. } = place.clone();
        self.report.add(Change { verdict, kind, place: text, what, detail, operations });
    }

    fn operations(&mut self) {
        let (old, new) = (self.old, self.new);
        let renamed = renames::operations(old, new);
        for (id, was) in &old.operations {
            if let Some(is) = new.operations.get(id) {
                self.operation(id, id, was, is);
            } else if let Some(name) = renamed.get(id.as_str()) {
                let place = place("operation", format!("{id} -> {name}"), [id.as_str(), name]);
                self.tell(&place, Verdict::Breaking, What::Renamed, at(was));
                self.operation(id, name, was, &new.operations[*name]);
            } else {
                self.tell(&place("operation", id.clone(), [id]), Verdict::Breaking, What::Removed, at(was));
            }
        }
        for (id, is) in &new.operations {
            if !old.operations.contains_key(id) && !renamed.values().any(|name| name == id) {
                self.tell(&place("operation", id.clone(), [id]), Verdict::Fine, What::Added, at(is));
            }
        }
        self.security(
            &place("security", "document".to_owned(), old.operations.keys()),
            &old.security,
            &new.security,
        );
    }

    fn operation(&mut self, old_id: &str, id: &str, was: &Operation, is: &Operation) {
        let whole = place("operation", id.to_owned(), [old_id, id]);
        if was.method != is.method || nameless(&was.path) != nameless(&is.path) {
            // Released versions of the crate request the old path.
            self.tell(&whole, Verdict::Breaking, What::Moved, format!("{} -> {}", at(was), at(is)));
        }
        self.deprecation(&whole, was.deprecated, is.deprecated);
        if was.security.is_some() || is.security.is_some() {
            let was = was.security.as_ref().unwrap_or(&self.old.security);
            let is = is.security.as_ref().unwrap_or(&self.new.security);
            self.security(&Place { kind: "security", ..whole.clone() }, was, is);
        }
        self.parameters(&whole, was, is);
        self.body(&whole, was, is);
        self.answer(&whole, was, is);
    }

    fn parameters(&mut self, whole: &Place, was: &Operation, is: &Operation) {
        let id = whole.text.as_str();
        let at = |sent: In, name: &str| Place {
            text: sent.place(id, name),
            kind: "parameter",
            sent: true,
            ..whole.clone()
        };
        let mut met: BTreeSet<&Key> = BTreeSet::new();
        let mut matched: Vec<(&Key, &Key)> = Vec::new();
        for key in was.parameters.keys().filter(|key| is.parameters.contains_key(*key)) {
            matched.push((key, key));
            met.insert(key);
        }
        // Path parameters are matched by position.
        if was.path_names.len() == is.path_names.len() {
            for (gone, came) in was.path_names.iter().zip(&is.path_names).filter(|(gone, came)| gone != came)
            {
                let one = was.parameters.get_key_value(&(In::Path, gone.clone()));
                let other = is.parameters.get_key_value(&(In::Path, came.clone()));
                if let (Some((one, _)), Some((other, _))) = (one, other)
                    && met.insert(one)
                    && met.insert(other)
                {
                    let mut at = at(In::Path, gone);
                    at.text = format!("{} -> {came}", at.text);
                    self.tell(&at, Verdict::Breaking, What::Renamed, String::new());
                    matched.push((one, other));
                }
            }
        }
        // The same name in another location.
        for (one, other) in
            was.parameters.keys().flat_map(|one| is.parameters.keys().map(move |other| (one, other)))
        {
            if one.1 == other.1 && one.0 != other.0 && !met.contains(one) && !met.contains(other) {
                met.extend([one, other]);
                let detail = format!("{} -> {}", one.0.word(), other.0.word());
                self.tell(&at(one.0, &one.1), Verdict::Breaking, What::Moved, detail);
                matched.push((one, other));
            }
        }
        for sent in [In::Path, In::Query, In::Header, In::Cookie] {
            let rest = |parameters: &'_ BTreeMap<Key, Parameter>| -> Vec<String> {
                let keys = parameters.keys().filter(|key| key.0 == sent && !met.contains(*key));
                keys.map(|(_, name)| name.clone()).collect()
            };
            let (gone, came) = (rest(&was.parameters), rest(&is.parameters));
            let gone: Vec<&str> = gone.iter().map(String::as_str).collect();
            let came: Vec<&str> = came.iter().map(String::as_str).collect();
            let get = |parameters: &BTreeMap<Key, Parameter>, name: &str| {
                parameters[&(sent, name.to_owned())].clone()
            };
            let same = |gone: &str, came: &str| {
                let (gone, came) = (get(&was.parameters, gone), get(&is.parameters, came));
                gone.required == came.required
                    && gone.shape.text(&self.renamed) == came.shape.text(&BTreeMap::new())
            };
            let renamed = pairs(&gone, &came, same);
            for (gone, came) in &renamed {
                let mut at_both = at(sent, gone);
                at_both.text = format!("{} -> {came}", at_both.text);
                self.tell(&at_both, Verdict::Breaking, What::Renamed, "maybe renamed".to_owned());
                self.parameter(&at(sent, came), &get(&was.parameters, gone), &get(&is.parameters, came));
            }
            for gone in gone.iter().filter(|gone| !renamed.iter().any(|(one, _)| one == *gone)) {
                let text = get(&was.parameters, gone).shape.text(&self.renamed);
                self.tell(&at(sent, gone), Verdict::Breaking, What::Removed, text);
            }
            for came in came.iter().filter(|came| !renamed.iter().any(|(_, other)| other == *came)) {
                let parameter = get(&is.parameters, came);
                let presence = if parameter.required { "required" } else { "optional" };
                let text = format!("{}, {presence}", parameter.shape.text(&BTreeMap::new()));
                self.tell(&at(sent, came), Verdict::breaking_if(parameter.required), What::Added, text);
            }
        }
        for (one, other) in matched {
            self.parameter(&at(other.0, &other.1), &was.parameters[one], &is.parameters[other]);
        }
    }

    fn parameter(&mut self, place: &Place, was: &Parameter, is: &Parameter) {
        self.schema(place, &was.shape, &is.shape, (was.required, is.required));
        self.deprecation(place, was.deprecated, is.deprecated);
        // Only lists and objects have more than one style. A move to another location isn't reported a second
        // time as a new style.
        let writes = |style: &str| style.replace("simple", "form, exploded");
        if was.style != is.style && writes(&was.style) != writes(&is.style) {
            self.tell(
                place,
                Verdict::Breaking,
                What::Changed,
                format!("style {} -> {}", was.style, is.style),
            );
        }
    }

    fn body(&mut self, whole: &Place, was: &Operation, is: &Operation) {
        let id = &whole.text;
        let at = Place { text: format!("{id}(body)"), kind: "body", sent: true, ..whole.clone() };
        match (&was.body, &is.body) {
            (None, None) => {}
            (Some(body), None) => {
                let text = body.shape.text(&self.renamed);
                self.tell(&at, Verdict::Breaking, What::Removed, text);
            }
            (None, Some(body)) => {
                let presence = if body.required { "required" } else { "optional" };
                let text = format!("{}, {presence}", body.shape.text(&BTreeMap::new()));
                self.tell(&at, Verdict::breaking_if(body.required), What::Added, text);
            }
            (Some(was), Some(is)) => {
                if was.media != is.media {
                    self.tell(
                        &at,
                        Verdict::Breaking,
                        What::Changed,
                        format!("{} -> {}", was.media, is.media),
                    );
                }
                self.schema(&at, &was.shape, &is.shape, (was.required, is.required));
            }
        }
    }

    fn answer(&mut self, whole: &Place, was: &Operation, is: &Operation) {
        let id = &whole.text;
        let at = Place { text: format!("{id}(response)"), kind: "response", answered: true, ..whole.clone() };
        let status = |operation: &Operation| {
            operation.answer.as_ref().map_or("none", |answer| &answer.status).to_owned()
        };
        if status(was) != status(is) {
            // The crate accepts any 2xx status.
            self.tell(&at, Verdict::Fine, What::Changed, format!("status {} -> {}", status(was), status(is)));
        }
        let content =
            |operation: &'_ Operation| operation.answer.as_ref().and_then(|answer| answer.content.clone());
        match (content(was), content(is)) {
            (None, None) => {}
            (Some((_, shape)), None) => {
                self.tell(&at, Verdict::Breaking, What::Removed, shape.text(&self.renamed));
            }
            (None, Some((_, shape))) => {
                self.tell(&at, Verdict::Breaking, What::Added, shape.text(&BTreeMap::new()))
            }
            (Some((old_media, old)), Some((new_media, new))) => {
                if old_media != new_media {
                    self.tell(&at, Verdict::Breaking, What::Changed, format!("{old_media} -> {new_media}"));
                }
                self.schema(&at, &old, &new, (true, true));
            }
        }
        // Errors are read from the response itself; the document's error responses have no effect.
        let statuses = |operation: &Operation| operation.other_statuses.clone();
        for gone in statuses(was).difference(&statuses(is)).filter(|gone| **gone != status(is)) {
            self.tell(&at, Verdict::Fine, What::Removed, format!("status {gone}"));
        }
        for came in statuses(is).difference(&statuses(was)).filter(|came| **came != status(was)) {
            self.tell(&at, Verdict::Fine, What::Added, format!("status {came}"));
        }
    }

    fn types(&mut self) {
        let (old, new) = (self.old, self.new);
        let renamed = self.renamed.clone();
        for (name, was) in &old.types {
            let new_name = renamed.get(name).unwrap_or(name);
            let is = new.types.get(new_name);
            let both = |one: &BTreeSet<String>, other: Option<&BTreeSet<String>>| -> BTreeSet<String> {
                one.iter().chain(other.into_iter().flatten()).cloned().collect()
            };
            let sent_by = both(&was.sent_by, is.map(|is| &is.sent_by));
            let answers = both(&was.answers, is.map(|is| &is.answers));
            let mut at = Place {
                text: name.clone(),
                kind: "type",
                sent: !sent_by.is_empty(),
                answered: !answers.is_empty(),
                operations: both(&sent_by, Some(&answers)),
            };
            // The crate contains no unused type.
            let used = at.sent || at.answered;
            let Some(is) = is else {
                self.tell(&at, Verdict::breaking_if(used), What::Removed, String::new());
                continue;
            };
            if name != new_name {
                at.text = format!("{name} -> {new_name}");
                self.tell(&at, Verdict::breaking_if(used), What::Renamed, String::new());
                at.text = new_name.clone();
            }
            let own = OWN_TYPES.contains(&name.as_str());
            if !own {
                self.use_of_type(&at, was, is);
            }
            if own {
                if was.shape != is.shape {
                    let detail = "replaced by a type of this crate: check that it still fits".to_owned();
                    self.tell(&at, Verdict::breaking_if(used), What::Changed, detail);
                }
                continue;
            }
            self.schema(&at, &was.shape, &is.shape, (true, true));
        }
        for (name, is) in &new.types {
            if !old.types.contains_key(name) && !renamed.values().any(|other| other == name) {
                let operations: Vec<&String> = is.sent_by.union(&is.answers).collect();
                self.tell(
                    &place("type", name.clone(), operations),
                    Verdict::Fine,
                    What::Added,
                    String::new(),
                );
            }
        }
    }

    /// Unused types aren't generated, and a type without a request has no builder.
    fn use_of_type(&mut self, at: &Place, was: &Type, is: &Type) {
        let used = |named: &Type| !(named.sent_by.is_empty() && named.answers.is_empty());
        let sent = |named: &Type| !named.sent_by.is_empty();
        let mut change = |verdict, what, detail: &str| self.tell(at, verdict, what, detail.to_owned());
        match (used(was), used(is)) {
            (true, false) => change(Verdict::Breaking, What::Removed, "no operation uses it any more"),
            (false, true) => change(Verdict::Fine, What::Added, "an operation uses it now"),
            _ if sent(was) && !sent(is) => {
                change(Verdict::Breaking, What::Changed, "requests and responses -> responses only")
            }
            // In a request, an optional field may be missing, whatever its type.
            _ if !sent(was) && sent(is) => {
                change(
                    Verdict::breaking_if(is.shape.has_fields_that_hold_null()),
                    What::Changed,
                    "responses only -> requests and responses",
                );
            }
            _ => {}
        }
    }

    fn deprecation(&mut self, place: &Place, was: bool, is: bool) {
        if was != is {
            let word = |deprecated: bool| if deprecated { "deprecated" } else { "not deprecated" };
            self.tell(place, Verdict::Fine, What::Changed, format!("{} -> {}", word(was), word(is)));
        }
    }

    /// Removing a way to authenticate breaks those who used it.
    fn security(&mut self, place: &Place, was: &BTreeSet<String>, is: &BTreeSet<String>) {
        for gone in was.difference(is) {
            self.tell(place, Verdict::Breaking, What::Removed, gone.clone());
        }
        for came in is.difference(was) {
            self.tell(place, Verdict::breaking_if(was.is_empty()), What::Added, came.clone());
        }
    }
}

fn place(kind: &'static str, text: String, operations: impl IntoIterator<Item = impl AsRef<str>>) -> Place {
    let operations = operations.into_iter().map(|id| id.as_ref().to_owned()).collect();
    Place { text, kind, operations, sent: false, answered: false }
}

/// `GET /models/`.
fn at(operation: &Operation) -> String {
    format!("{} {}", operation.method, operation.path)
}
