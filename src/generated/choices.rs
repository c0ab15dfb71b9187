//! Choices of a document: a value's type is determined by its tag or by its fields. Only generated code uses
//! this module.

use std::borrow::Cow;
use std::collections::HashSet;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use crate::error::json_text::decode::text_of;
use crate::error::json_text::leniency::Leniency;
use crate::error::json_text::members::{items, members, name};
use crate::values::json::Json;

/// Returns a value and the tag that determines its type.
pub fn tagged<'de, D: Deserializer<'de>>(
    deserializer: D,
    tag: &str,
) -> Result<(Option<String>, Json), D::Error> {
    let value = Json::deserialize(deserializer)?;
    let tag = value.part(tag).filter(|tag| *tag != "null");
    let tag = tag.map(|tag| text_of(tag).unwrap_or(Cow::Borrowed(tag)).into_owned());
    Ok((tag, value))
}

/// Decodes the value as the type that its tag names.
pub fn choice<T: DeserializeOwned, E: serde::de::Error>(value: &Json, tag: &str, is: &str) -> Result<T, E> {
    value.decode().map_err(|error| E::custom(format!("with `{tag}` {is:?}: {error}")))
}

/// An attempt to decode a value as one of several types.
#[derive(Debug, Clone, Copy)]
pub struct Attempt {
    /// The type's index.
    pub index: usize,
    leniency: Leniency,
}

/// Decodes the value as one of several types; `None` if it doesn't fit the type.
pub fn fits<T: DeserializeOwned, E: serde::de::Error>(
    value: &Json,
    attempt: Attempt,
) -> Result<Option<T>, E> {
    match attempt.leniency.decode(|| value.decode()) {
        Ok(choice) => Ok(Some(choice)),
        // It is unknown whether the value fits.
        Err(error) if error.is_given_up() => Err(E::custom(error)),
        Err(_) => Ok(None),
    }
}

/// The shape of a choice, as far as it distinguishes the choice from others: an object or a list of objects,
/// with the fields of the choice.
pub enum Shape<'a> {
    /// An object with these fields.
    Object(&'a [&'a str]),
    /// A list of objects with these fields.
    List(&'a [&'a str]),
    /// Any other value.
    Other,
}

/// Returns attempts at the choices, the best fit for the value first. For an object, that is the choice
/// with the fewest unknown keys, then the one with the fewest missing fields. For a list, the first item is
/// compared. A choice that fits strictly comes before one in which fields may have other shapes.
pub fn by_fit(value: &Json, choices: &[Shape<'_>]) -> Vec<Attempt> {
    let text = value.text();
    let is_list = text.starts_with('[');
    let first = items(text).next().and_then(keys);
    let object = keys(text);
    let misfit = |choice: &Shape<'_>| {
        let (keys, fields) = match choice {
            Shape::Object(fields) => (&object, *fields),
            Shape::List(fields) => (&first, *fields),
            Shape::Other => return (object.is_some() || first.is_some(), 0, 0),
        };
        let Some(keys) = keys else { return (!matches!(choice, Shape::List(_)) || !is_list, 0, 0) };
        let unnamed = keys.iter().filter(|key| !fields.contains(&key.as_ref())).count();
        (false, unnamed, fields.iter().filter(|field| !keys.contains(**field)).count())
    };
    let mut order: Vec<usize> = (0..choices.len()).collect();
    order.sort_by_key(|index| misfit(&choices[*index]));
    let with = |leniency| order.iter().map(move |index| Attempt { index: *index, leniency });
    match Leniency::current() {
        Leniency::Strict => with(Leniency::Strict).collect(),
        _ => with(Leniency::Strict).chain(with(Leniency::Lenient)).collect(),
    }
}

/// Returns the keys of an object, without duplicates.
fn keys(text: &str) -> Option<HashSet<Cow<'_, str>>> {
    text.starts_with('{').then(|| members(text).map(|(key, _)| name(key)).collect())
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Deserializer};

    use super::{Attempt, Shape, by_fit, choice, fits, tagged};
    use crate::{Json, json};

    /// A choice like a generated one; each choice may contain another.
    #[derive(Debug)]
    enum Shapes {
        Group(Group),
        Leaf(Leaf),
        Unrecognized(#[allow(dead_code, reason = "only decoded")] Json),
    }

    #[derive(Debug, Deserialize)]
    struct Group {
        of: Vec<Shapes>,
    }

    #[derive(Debug, Deserialize)]
    struct Leaf {
        label: String,
        data: Json,
    }

    impl<'de> Deserialize<'de> for Shapes {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let (tag, value) = tagged(deserializer, "kind")?;
            match tag.as_deref() {
                Some("group") => choice(&value, "kind", "group").map(Self::Group),
                Some("leaf") => choice(&value, "kind", "leaf").map(Self::Leaf),
                _ => Ok(Self::Unrecognized(value)),
            }
        }
    }

    /// Like [`Shapes`], without a tag.
    #[derive(Debug)]
    enum Fitting {
        Group(FittingGroup),
        Narrow(#[allow(dead_code, reason = "only decoded")] NarrowGroup),
        Unrecognized(#[allow(dead_code, reason = "only decoded")] Json),
    }

    #[derive(Debug, Deserialize)]
    struct FittingGroup {
        of: Vec<Fitting>,
        #[allow(dead_code, reason = "only decoded")]
        size: f64,
    }

    #[derive(Debug, Deserialize)]
    struct NarrowGroup {
        #[allow(dead_code, reason = "only decoded")]
        of: Vec<Fitting>,
        #[allow(dead_code, reason = "only decoded")]
        size: i64,
    }

    thread_local! {
        static TRIES: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
    }

    impl<'de> Deserialize<'de> for Fitting {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let value = Json::deserialize(deserializer)?;
            for attempt in by_fit(&value, &[Shape::Object(&["of", "size"]), Shape::Object(&["of", "size"])]) {
                TRIES.set(TRIES.get() + 1);
                let choice = match attempt.index {
                    0 => fits(&value, attempt)?.map(Self::Narrow),
                    _ => fits(&value, attempt)?.map(Self::Group),
                };
                if let Some(choice) = choice {
                    return Ok(choice);
                }
            }
            Ok(Self::Unrecognized(value))
        }
    }

    /// The order of the choices.
    fn order(value: &Json, choices: &[Shape<'_>]) -> Vec<usize> {
        let attempts = by_fit(value, choices);
        let (strict, lenient) = attempts.split_at(choices.len());
        let indexes = |attempts: &[Attempt]| attempts.iter().map(|attempt| attempt.index).collect::<Vec<_>>();
        assert_eq!(indexes(strict), indexes(lenient));
        indexes(strict)
    }

    fn nested(levels: usize) -> String {
        format!("{}1{}", "[".repeat(levels), "]".repeat(levels))
    }

    fn choices(open: &str, inner: &str, levels: usize) -> String {
        format!("{}{inner}{}", open.repeat(levels), "]}".repeat(levels))
    }

    #[test]
    fn choices_resolved_in_odd_bodies() {
        for odd in [r#""\ud83d""#, "1e999", &nested(128), &nested(100_000)] {
            let text =
                format!(r#"{{"data": {odd}, "kind": "group", "kind": "leaf", "label": "bus \ud83d"}}"#);
            for _ in 0..2 {
                let Shapes::Leaf(leaf) = crate::error::json_text::decode::decode(text.as_bytes()).unwrap()
                else {
                    panic!("not a leaf")
                };
                assert_eq!((leaf.label.as_str(), leaf.data.text()), ("bus \u{fffd}", odd));
            }
            let json: Json = format!(r#"{{"a": {odd}, "b": 2, "b": 3, "\ud83d": 1}}"#).parse().unwrap();
            let choices = [
                Shape::Object(&["a"]),
                Shape::Object(&["a", "b", "\u{fffd}", "d"]),
                Shape::Other,
                Shape::Object(&["a", "b"]),
            ];
            assert_eq!(order(&json, &choices), [1, 3, 0, 2]);
            let list: Json = format!(r#"[{{"b": {odd}}}, {odd}]"#).parse().unwrap();
            assert_eq!(order(&list, &[Shape::Other, Shape::List(&["a"]), Shape::List(&["b"])]), [2, 1, 0]);
        }
        for (text, tag) in [
            (r#"{"kind": 7}"#, Some("7")),
            (r#"{"kind": "\ud83d"}"#, Some("\u{fffd}")),
            (r#"{"kind": null}"#, None),
        ] {
            let (found, _) = tagged(&mut serde_json::Deserializer::from_str(text), "kind").unwrap();
            assert_eq!(found.as_deref(), tag);
        }
    }

    #[test]
    fn nested_choices_are_bounded() {
        std::thread::Builder::new()
            .stack_size(2 << 20)
            .spawn(|| {
                let leaf = format!(r#"{{"kind": "leaf", "label": "\ud83d", "data": {}}}"#, nested(200));
                for levels in [1, 3, 50_000] {
                    let text = choices(r#"{"kind": "group", "of": ["#, &leaf, levels);
                    let decoded = crate::error::json_text::decode::decode::<Shapes>(text.as_bytes());
                    if levels > 3 {
                        assert!(decoded.unwrap_err().message.contains("nested too deep"));
                        continue;
                    }
                    let mut shape = &decoded.unwrap();
                    while let Shapes::Group(group) = shape {
                        shape = &group.of[0];
                    }
                    assert!(matches!(shape, Shapes::Leaf(leaf) if leaf.label == "\u{fffd}" && leaf.data.text() == nested(200)));
                }
                // Sixty nested choices, which a single deserializer would accept.
                let text = choices(r#"{"kind": "group", "of": ["#, r#"{"kind": "leaf", "label": "x", "data": 1}"#, 60);
                assert!(crate::error::json_text::decode::decode::<Shapes>(text.as_bytes()).is_ok());
            })
            .unwrap()
            .join()
            .unwrap();
    }

    #[test]
    fn choice_attempts_are_bounded() {
        // Each level is tried twice: the first choice reads the whole level before it fails.
        for levels in [3, 14, 60] {
            let text = format!("{}{}", r#"{"of": ["#.repeat(levels), r#"], "size": 0.5}"#.repeat(levels));
            TRIES.set(0);
            let fitting = crate::error::json_text::decode::decode::<Fitting>(text.as_bytes());
            assert!(TRIES.get() < 5_000, "{levels}: {}", TRIES.get());
            match levels {
                3 => assert!(matches!(fitting, Ok(Fitting::Group(group)) if group.of.len() == 1)),
                _ => assert!(fitting.unwrap_err().message.contains("too many tries")),
            }
        }
    }

    #[test]
    fn best_fitting_choice_comes_first() {
        let choices = [
            Shape::Object(&["a"]),
            Shape::Object(&["a", "b", "c"]),
            Shape::Other,
            Shape::Object(&["a", "b"]),
            Shape::List(&["b"]),
        ];
        assert_eq!(order(&json!({"a": 1, "b": 2}), &choices), [3, 1, 0, 2, 4]);
        assert_eq!(order(&json!({"a": 1}), &choices), [0, 3, 1, 2, 4]);
        assert_eq!(order(&json!("text"), &choices), [2, 0, 1, 3, 4]);
        let lists = [Shape::List(&["a"]), Shape::List(&["b", "c"]), Shape::Other, Shape::Object(&["b"])];
        assert_eq!(order(&json!([{"b": 1}, {"a": 1}]), &lists), [1, 0, 2, 3]);
        assert_eq!(order(&json!([]), &lists), [0, 1, 2, 3]);
    }
}
