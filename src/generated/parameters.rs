//! [`Parameters`]: the values that an operation's setters have set.

use std::fmt;

use super::argument::{In, Parameter, ParameterText, Problems};
use super::description::{OperationInfo, ParameterInfo, Place};
use super::operation::Described;
use crate::error::redact::redact;
use crate::error::redact::secrets::is_secret;

/// The values that an operation's setters have set, and its body.
#[derive(Clone)]
pub struct Parameters<B = super::body::NoBody> {
    pub(crate) info: &'static OperationInfo,
    pub(crate) values: Vec<(usize, Value)>,
    pub(crate) body: B,
}

/// A parameter's value as text, or what is wrong with it.
pub(crate) type Value = Result<ParameterText, Vec<String>>;

impl<B> Parameters<B> {
    /// Returns parameters of an operation; none is set.
    pub fn new(info: &'static OperationInfo, body: B) -> Self {
        Parameters { info, values: Vec::new(), body }
    }

    /// Returns parameters of the operation `D`; none is set.
    pub fn of<D: Described<Body = B>>(body: B) -> Self {
        Parameters::new(D::INFO, body)
    }

    /// Sets the parameter with this index in the operation's description.
    pub fn set<T: Parameter>(&mut self, index: usize, value: impl In<T>) {
        let value = value.convert().map_err(|problems| self.problems(index, problems));
        self.put(
            index,
            value.and_then(|value| {
                let place = self.info.parameters[index].place;
                value.text(place).map_err(|problems| self.problems(index, problems))
            }),
        );
    }

    /// Returns the same parameters with one of them set.
    #[must_use]
    pub fn with<T: Parameter>(mut self, index: usize, value: impl In<T>) -> Self {
        self.set(index, value);
        self
    }

    /// Returns the body.
    pub fn body_mut(&mut self) -> &mut B {
        &mut self.body
    }

    /// Adds a value to the parameter with this index.
    pub(crate) fn push(&mut self, index: usize, value: String) {
        match self.values.iter_mut().find(|(other, _)| *other == index) {
            Some((_, Ok(ParameterText::Many(texts)))) => texts.push(value),
            Some((_, Ok(text))) => *text = ParameterText::Many([text.texts(), &[value]].concat()),
            Some((_, Err(_))) => {}
            None => self.put(index, Ok(ParameterText::Many(vec![value]))),
        }
    }

    /// Replaces the values of the parameter with this index.
    pub(crate) fn replace(&mut self, index: usize, values: Vec<String>) {
        self.put(index, Ok(ParameterText::Many(values)));
    }

    fn problems(&self, index: usize, problems: Problems) -> Vec<String> {
        problems.of(self.info.parameters[index].name)
    }

    fn put(&mut self, index: usize, value: Value) {
        match self.values.iter_mut().find(|(other, _)| *other == index) {
            Some((_, old)) => *old = value,
            None => self.values.push((index, value)),
        }
    }

    pub(crate) fn value(&self, index: usize) -> Option<&Value> {
        self.values.iter().find(|(other, _)| *other == index).map(|(_, value)| value)
    }
}

/// Returns whether a parameter may hold a secret: a header, a cookie, or one whose name or description says so.
fn is_hidden(parameter: &ParameterInfo) -> bool {
    parameter.secret
        || matches!(parameter.place, Place::Header | Place::Cookie)
        || names_secret(parameter.wire)
}

/// Returns whether a value is a secret, judging by the name of its parameter or field.
///
/// `filter[apiKey]` is read as `filter-api-key`.
pub(crate) fn names_secret(name: &str) -> bool {
    let mut words = String::with_capacity(name.len());
    let mut before = ' ';
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && before.is_ascii_lowercase() {
            words.push('-');
        }
        before = letter;
        words.push(if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' });
    }
    let words = words.trim_matches('-');
    words.contains("password") || words.contains("passwd") || words.parse().is_ok_and(|name| is_secret(&name))
}

impl<B> Parameters<B> {
    /// Shows values without the queries of URLs. A header, a cookie, and what the API's document marks may hold a secret:
    /// only its name is shown.
    pub(crate) fn shown<'a, 'b>(&self, f: &'a mut fmt::Formatter<'b>) -> fmt::DebugStruct<'a, 'b> {
        let mut shown = f.debug_struct(self.info.id);
        for (parameter, value) in self
            .info
            .parameters
            .iter()
            .enumerate()
            .filter_map(|(index, parameter)| Some((parameter, self.value(index)?)))
        {
            match value {
                _ if is_hidden(parameter) => shown.field(parameter.name, &"…"),
                Ok(ParameterText::One(text)) => shown.field(parameter.name, &redact(text)),
                Ok(ParameterText::Many(texts)) => {
                    shown.field(parameter.name, &texts.iter().map(|text| redact(text)).collect::<Vec<_>>())
                }
                Err(problems) => shown.field(parameter.name, problems),
            };
        }
        shown
    }
}

impl<B: fmt::Debug> fmt::Debug for Parameters<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shown(f).field("body", &self.body).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generated::body::NoBody;

    #[test]
    fn secret_names_in_any_spelling() {
        for name in [
            "api_key",
            "access_key",
            "apiKey",
            "filter[token]",
            "filter[access-key]",
            "Password",
            "new_password",
            "PASSWD",
            "client.Secret",
            "X-Signature",
        ] {
            assert!(names_secret(name), "{name}");
        }
        for name in ["", "key", "keyword", "name", "filter[age]", "monkey", "비밀"] {
            assert!(!names_secret(name), "{name}");
        }
    }

    #[test]
    fn secret_parameters_are_not_shown() {
        const INFO: &OperationInfo = &OperationInfo {
            parameters: &[
                ParameterInfo::query("filter_token").named("filter[token]"),
                ParameterInfo::query("api_key"),
                ParameterInfo::query("next"),
            ],
            ..OperationInfo::new("list_things", "GET", "/")
        };
        let parameters =
            Parameters::new(INFO, NoBody).with::<String>(0, "hunter2").with::<String>(1, "hunter2");
        let shown = format!("{:?}", parameters.with::<String>(2, "https://h/x?sig=hunter2"));
        assert!(
            !shown.contains("hunter2") && shown.contains("filter_token") && shown.contains("https://h/x"),
            "{shown}"
        );
    }
}
