//! The parameters in a URL's query.

use std::collections::BTreeMap;

use reqwest::Url;

use crate::error::redact::excerpt;

/// Replaces or adds parameters, each once per value. A parameter without values is removed. Other parameters
/// stay.
pub(crate) fn set(url: &mut Url, params: &[(String, Vec<String>)]) {
    if params.is_empty() {
        return;
    }
    let kept: Vec<(String, String)> = url
        .query_pairs()
        .filter(|(name, _)| !params.iter().any(|(other, _)| other == name))
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    url.set_query(None);
    let added = params.iter().flat_map(|(name, values)| values.iter().map(move |value| (name, value)));
    let mut pairs = kept.iter().map(|(name, value)| (name, value)).chain(added).peekable();
    if pairs.peek().is_some() {
        url.query_pairs_mut().extend_pairs(pairs);
    }
}

/// Returns the problem of a query that is longer than `most` bytes, if it is.
pub(crate) fn too_long(url: &Url, most: Option<u32>) -> Option<String> {
    let (most, bytes) = (most? as usize, url.query()?.len());
    if bytes <= most {
        return None;
    }
    let mut parameters: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for (name, value) in url.query_pairs() {
        let (values, length) = parameters.entry(name.into_owned()).or_default();
        *values += 1;
        *length += value.len();
    }
    let (name, (values, _)) = parameters.into_iter().max_by_key(|(_, (_, length))| *length)?;
    let name = excerpt(&name, 100);
    Some(format!(
        "`{name}` has {values} value(s), and the query {bytes} bytes: the server accepts at most {most}. Send several \
         requests, or filter by a range"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameter_replaced_repeated_or_removed() {
        let set_to = |name: &str, values: &[&str]| {
            let mut url: Url = "http://h/?a=1&b=x%20y&a=2".parse().unwrap();
            set(&mut url, &[(name.to_owned(), values.iter().map(ToString::to_string).collect())]);
            url.query().map(str::to_owned)
        };
        assert_eq!(set_to("a", &["3"]).as_deref(), Some("b=x+y&a=3"));
        assert_eq!(set_to("c", &["&", "="]).as_deref(), Some("a=1&b=x+y&a=2&c=%26&c=%3D"));
        assert_eq!(set_to("a", &[]).as_deref(), Some("b=x+y"));
        let mut only: Url = "http://h/?a=1".parse().unwrap();
        set(&mut only, &[("a".to_owned(), vec![])]);
        assert_eq!(only.as_str(), "http://h/");
    }
}
