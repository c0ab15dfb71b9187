//! Checks the arrays of a JSON body against the limits of the API's document, and splits a body.

use std::fmt;

use bytes::Bytes;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::sending_rules::ArrayLimit;

/// The arrays of several responses that become one.
pub trait Joined {
    /// Adds the items of another response.
    fn concatenate(&mut self, more: Self);
}

impl<T> Joined for Vec<T> {
    fn concatenate(&mut self, more: Self) {
        self.extend(more);
    }
}

impl<T> Joined for Option<Vec<T>> {
    fn concatenate(&mut self, more: Self) {
        match self {
            Some(all) => all.extend(more.unwrap_or_default()),
            None => *self = more,
        }
    }
}

/// Returns what is wrong with the lengths of a body's arrays: of those that can be `split`, or of the others.
pub(crate) fn problems(body: &[u8], limits: &[ArrayLimit], split: bool) -> Vec<String> {
    let checked = limits.iter().filter(|limit| limit.split == split);
    let excess = checked.filter_map(|limit| {
        let items = count(body, limit.field)?;
        let field = if limit.field.is_empty() { "body" } else { limit.field };
        (items > limit.most).then(|| {
            format!(
                "`{field}` has {items} items, and a request has at most {}: send several requests",
                limit.most
            )
        })
    });
    excess.collect()
}

/// Returns the bodies of several requests, if an array of the body is longer than its limit, which allows to split it.
/// Everything else in the body is in each of them.
pub(crate) fn split(body: &[u8], limits: &[ArrayLimit]) -> Option<Vec<Bytes>> {
    let limit = limits.iter().find(|limit| limit.split)?;
    if count(body, limit.field)? <= limit.most {
        return None;
    }
    let list_of = |items: &[&RawValue]| {
        let texts: Vec<&str> = items.iter().map(|item| item.get()).collect();
        format!("[{}]", texts.join(","))
    };
    if limit.field.is_empty() {
        let items: Vec<&RawValue> = serde_json::from_slice(body).ok()?;
        return Some(items.chunks(limit.most.max(1)).map(|items| list_of(items).into()).collect());
    }
    let Fields(fields) = serde_json::from_slice(body).ok()?;
    // Of two members with one name, the last one counts.
    let (_, array) = fields.iter().rfind(|(name, _)| name == limit.field)?;
    let items: Vec<&RawValue> = serde_json::from_str(array.get()).ok()?;
    let body_with = |items: &[&RawValue]| {
        let members = fields.iter().map(|(name, value)| {
            let name = serde_json::Value::from(name.as_str());
            match name == limit.field {
                true => format!("{name}:{}", list_of(items)),
                false => format!("{name}:{}", value.get()),
            }
        });
        Bytes::from(format!("{{{}}}", members.collect::<Vec<_>>().join(",")))
    };
    Some(items.chunks(limit.most.max(1)).map(body_with).collect())
}

/// Returns the number of items of the array in a field; `None` if there is none, or if the text is no JSON. The field `""` is the text itself.
fn count(body: &[u8], field: &str) -> Option<usize> {
    // An object has no items, however long it is.
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    if first != Some(if field.is_empty() { &b'[' } else { &b'{' }) {
        return None;
    }
    let mut text = serde_json::Deserializer::from_slice(body);
    Count(field).deserialize(&mut text).ok().flatten()
}

struct Count<'f>(&'f str);

impl<'de> DeserializeSeed<'de> for Count<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<usize>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Count<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list or an object")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Option<usize>, A::Error> {
        let mut count = 0_usize;
        while items.next_element::<IgnoredAny>()?.is_some() {
            count += 1;
        }
        Ok(self.0.is_empty().then_some(count))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Option<usize>, A::Error> {
        let mut count = None;
        while let Some(name) = fields.next_key::<String>()? {
            match !self.0.is_empty() && name == self.0 {
                true => count = fields.next_value::<Items>()?.0,
                false => drop(fields.next_value::<IgnoredAny>()?),
            }
        }
        Ok(count)
    }
}

/// The number of items of a value, if it is an array.
struct Items(Option<usize>);

impl<'de> Deserialize<'de> for Items {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let array: &RawValue = Deserialize::deserialize(deserializer)?;
        Ok(Items(count(array.get().as_bytes(), "")))
    }
}

/// The members of an object, in order, as they were written.
struct Fields<'de>(Vec<(String, &'de RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some(member) = members.next_entry()? {
                    fields.push(member);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: &[ArrayLimit] = &[
        ArrayLimit { field: "ids", most: 3, split: true },
        ArrayLimit { field: "tags", most: 2, split: false },
    ];

    fn parts(body: &str, limits: &[ArrayLimit]) -> Option<Vec<String>> {
        let text = |part: &Bytes| String::from_utf8(part.to_vec()).unwrap();
        Some(split(body.as_bytes(), limits)?.iter().map(text).collect())
    }

    #[test]
    fn long_array_is_refused() {
        let found = |body: &str, split: bool| problems(body.as_bytes(), LIMITS, split);
        assert!(found(r#"{"ids":[1,2,3],"tags":[1,2]}"#, true).is_empty());
        assert!(found(r#"{"ids":[1,2,3,4],"tags":[1,2]}"#, false).is_empty());
        for split in [true, false] {
            assert_eq!(found(r#"{"ids":[1,2,3,4],"tags":[1,2,3]}"#, split).len(), 1);
        }
        let expected = "`tags` has 3 items, and a request has at most 2: send several requests";
        assert_eq!(found(r#"{"tags":[1,[2],3]}"#, false), [expected]);
        for other in ["[1,2,3,4]", r#"{"tags":7}"#, r#"{"tags":null}"#, "7", "{"] {
            assert!(found(other, true).is_empty(), "{other}");
        }
        let of_body = [ArrayLimit { field: "", most: 1, split: false }];
        assert_eq!(problems(b"[1,2]", &of_body, false).len(), 1);
        assert!(problems(br#"{"":[1,2]}"#, &of_body, false).is_empty());
    }

    #[test]
    fn split_body_keeps_everything_else() {
        assert_eq!(parts(r#"{"ids":[1,2,3]}"#, LIMITS), None);
        assert_eq!(
            parts(r#"{"a":1.50,"ids":["x", {"y":1},3,4],"b":[0]}"#, LIMITS).unwrap(),
            [r#"{"a":1.50,"ids":["x",{"y":1},3],"b":[0]}"#, r#"{"a":1.50,"ids":[4],"b":[0]}"#]
        );
        // The last of two members with one name is the one that the server reads.
        assert_eq!(
            parts(r#"{"ids":[9],"ids":[1,2,3,4]}"#, LIMITS).unwrap(),
            [r#"{"ids":[1,2,3],"ids":[1,2,3]}"#, r#"{"ids":[4],"ids":[4]}"#]
        );
        let of_body = [ArrayLimit { field: "", most: 2, split: true }];
        assert_eq!(parts("[1,2,3]", &of_body).unwrap(), ["[1,2]", "[3]"]);
    }

    #[test]
    fn joined_arrays_are_concatenated() {
        let mut all = vec![1, 2];
        all.concatenate(vec![3]);
        assert_eq!(all, [1, 2, 3]);
        let mut none: Option<Vec<i32>> = None;
        none.concatenate(None);
        assert_eq!(none, None);
        none.concatenate(Some(vec![4]));
        none.concatenate(Some(vec![5]));
        none.concatenate(None);
        assert_eq!(none, Some(vec![4, 5]));
    }
}
