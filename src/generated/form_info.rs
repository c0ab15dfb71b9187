//! [`FormInfo`]: what the API's document says about a form, as data.

/// What the API's document says about a form.
#[derive(Debug)]
pub struct FormInfo {
    /// The name of the builder.
    pub name: &'static str,
    /// Whether its media type is `multipart/form-data`, or else `application/x-www-form-urlencoded`.
    pub multipart: bool,
    /// The fields.
    pub fields: &'static [FormField],
}

/// What the API's document says about a field of a form.
#[derive(Debug)]
pub struct FormField {
    /// The setter's name.
    pub name: &'static str,
    /// The name in the request.
    pub wire: &'static str,
    /// Whether a form needs it.
    pub required: bool,
    /// How its value is written.
    pub style: FieldStyle,
    /// Whether its value is never shown.
    pub secret: bool,
    /// The names of fields within its value that are never shown.
    pub hidden: &'static [&'static str],
    /// The media type that the document gives it. If it is empty, the field's part has none.
    pub media_type: Option<&'static str>,
}

/// How the value of a field is written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FieldStyle {
    /// As text; an object as JSON. The field is repeated for each value of a list.
    Repeated,
    /// As JSON, whatever it is.
    Json,
    /// Each value of a list as JSON.
    JsonItems,
    /// The values of a list are joined by this text.
    Joined(&'static str),
    /// Each property of an object as a field of its own: `name`.
    Properties,
    /// Each property of an object as a field of its own: `field[name]`.
    DeepObject,
}

impl FormField {
    /// Describes an optional field whose value is text.
    pub const fn new(name: &'static str) -> Self {
        FormField {
            name,
            wire: name,
            required: false,
            style: FieldStyle::Repeated,
            secret: false,
            hidden: &[],
            media_type: None,
        }
    }

    /// Sets the name in the request, if it isn't the setter's.
    pub const fn named(self, wire: &'static str) -> Self {
        FormField { wire, ..self }
    }

    /// Makes the field required.
    pub const fn required(self) -> Self {
        FormField { required: true, ..self }
    }

    /// Sets how the value is written.
    pub const fn style(self, style: FieldStyle) -> Self {
        FormField { style, ..self }
    }

    /// Makes the field one whose value is never shown.
    pub const fn secret(self) -> Self {
        FormField { secret: true, ..self }
    }

    /// Sets the names of fields within the value that are never shown.
    pub const fn hiding(self, hidden: &'static [&'static str]) -> Self {
        FormField { hidden, ..self }
    }

    /// Sets the media type.
    pub const fn typed(self, media_type: &'static str) -> Self {
        FormField { media_type: Some(media_type), ..self }
    }
}
